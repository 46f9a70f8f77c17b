"""Conditions over facts: a small, safe expression language for scenario files.

`Expression("phase == 'charge' and soc_permille >= 560")` is parsed once, checked node by node against a short list, and
then evaluated as often as wanted over a dict of facts. Comparison, `and`/`or`/`not`, `+ - * /`, `abs`, `min`, `max`,
and the questions of `facts.QUESTIONS` are all there is: no attributes, no indexing, nothing that could reach Python.

A fact that is not known yet is None. An expression that compares one has no answer: `Unknown`.
"""

import ast
from collections.abc import Callable, Iterable, Mapping
from typing import Any

_NODES = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.BinOp, ast.Add, ast.Sub, ast.Mult,
    ast.Div, ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn, ast.Is, ast.IsNot,
    ast.Name, ast.Load, ast.Constant, ast.Call, ast.Tuple,
)  # fmt: skip
_CONSTANTS = (bool, int, float, str, type(None))
_PURE: dict[str, Callable[..., Any]] = {"abs": abs, "min": min, "max": max}


class ExpressionError(ValueError):
    """The text is no expression over known facts; the message says what and where."""


class Unknown(Exception):
    """A fact that the expression needs has no value yet."""


class Expression:
    """One parsed condition. `names` are the facts that it looks at."""

    def __init__(self, text: str, facts: Iterable[str], questions: Iterable[str] = ()):
        self.text = " ".join(text.split())
        self._questions = frozenset(questions)
        tree = self._parse()
        self.names = self._check(tree, frozenset(facts))
        self._code = compile(tree, f"<{self.text}>", "eval")

    def _parse(self) -> ast.Expression:
        try:
            return ast.parse(self.text, mode="eval")
        except SyntaxError as error:
            raise ExpressionError(f"{self.text!r} is no expression: {error.msg} at column {error.offset}") from None

    def _check(self, tree: ast.Expression, facts: frozenset[str]) -> frozenset[str]:
        called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        names = set()
        for node in ast.walk(tree):
            if not isinstance(node, _NODES) or (isinstance(node, ast.Constant) and type(node.value) not in _CONSTANTS):
                raise ExpressionError(f"{self.text!r}: {type(node).__name__} is not allowed in a condition")
            if isinstance(node, ast.Call):
                self._check_call(node)
            elif isinstance(node, ast.Name) and id(node) not in called:
                if node.id not in facts:
                    raise ExpressionError(f"{self.text!r}: there is no fact {node.id!r}{_nearest(node.id, facts)}")
                names.add(node.id)
        return frozenset(names)

    def _check_call(self, node: ast.Call) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else "?"
        if node.keywords or (name not in _PURE and name not in self._questions):
            known = ", ".join(sorted({*_PURE, *self._questions}))
            raise ExpressionError(f"{self.text!r}: {name}() cannot be asked; there are {known}")

    def value(self, facts: Mapping[str, Any], questions: Mapping[str, Callable[..., Any]] | None = None) -> Any:
        """The value over these facts; Unknown if one that is compared or counted with has none yet."""
        scope = {"__builtins__": {}, **_PURE, **(questions or {})}
        try:
            return eval(self._code, scope, facts)
        except TypeError:
            missing = sorted(name for name in self.names if facts.get(name) is None)
            raise Unknown(f"not known yet: {', '.join(missing) or self.text}") from None
        except ZeroDivisionError:
            raise Unknown(f"{self.text!r} divides by zero") from None

    def holds(self, facts: Mapping[str, Any], questions: Mapping[str, Callable[..., Any]] | None = None) -> bool:
        """True only if it is known to be true."""
        try:
            return bool(self.value(facts, questions))
        except Unknown:
            return False


def _nearest(name: str, known: Iterable[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
