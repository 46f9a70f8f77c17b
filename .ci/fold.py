"""Write constants out: in the image a name that is `const` in one module and imported by another becomes its number.

MicroPython's compiler folds a `const` inside its own module only. Across modules each constant would cost a slot in two
dictionaries, its name as text and a look-up at every use: on the board a fifth of the heap that the code takes. The
source stays as it is, readable and tested as it is; what is flashed has the numbers. Line numbers do not move, so a
trace from the field fits the source.

    folder = Folder({name: source text of every file of the image})
    text = folder.fold(name)
"""

import ast
import operator

_OPERATORS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv,
    ast.LShift: operator.lshift, ast.RShift: operator.rshift, ast.BitOr: operator.or_, ast.BitAnd: operator.and_,
    ast.BitXor: operator.xor, ast.Mod: operator.mod,
}  # fmt: skip


def _module(name: str) -> str:
    parts = name.removesuffix(".py").split("/")
    if parts[0] == "lib":
        parts = parts[1:]
    if parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join(parts)


class Folder:
    """All files of one image; `sources` maps their path from the root, with `/`, to their text."""

    def __init__(self, sources: dict[str, str]):
        self._texts = sources
        self._trees = {name: ast.parse(text) for name, text in sources.items()}
        self._files = {_module(name): name for name in sources}
        self._values: dict[str, dict[str, int]] = {}
        # A name that is anywhere reached as `module.NAME` keeps its definition.
        self._attributes = {
            node.attr for tree in self._trees.values() for node in ast.walk(tree) if isinstance(node, ast.Attribute)
        }

    def constants(self, module: str) -> dict[str, int]:
        """The module-level `NAME = const(whole number)` of a module, its own and those it imports."""
        if module not in self._values:
            self._values[module] = {}
            name = self._files.get(module)
            if name is not None:
                self._collect(self._trees[name], self._values[module])
        return self._values[module]

    def _collect(self, tree: ast.Module, values: dict[str, int]) -> None:
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.module:
                theirs = self.constants(node.module)
                values.update({a.asname or a.name: theirs[a.name] for a in node.names if a.name in theirs})
            elif _is_const(node):
                value = _value(node.value.args[0], values)  # type: ignore[attr-defined]
                if value is not None:
                    values[node.targets[0].id] = value  # type: ignore[attr-defined]

    def fold(self, name: str) -> str:
        """The text of a file with its constants written out."""
        tree = self._trees[name]
        values = self.constants(_module(name))
        bound = _bound(tree)
        values = {key: value for key, value in values.items() if bound.get(key, 0) <= 1}
        lines = [line.encode() for line in self._texts[name].split("\n")]
        edits = [
            (node.lineno, node.col_offset, node.end_col_offset, str(values[node.id]))
            for node in ast.walk(tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in values
        ]
        for line, start, end, text in sorted(edits, reverse=True):
            lines[line - 1] = lines[line - 1][:start] + _number(text) + lines[line - 1][end:]
        for node in tree.body:
            self._drop(node, values, lines)
        return b"\n".join(lines).decode()

    def _drop(self, node: ast.stmt, values: dict[str, int], lines: list[bytes]) -> None:
        if isinstance(node, ast.ImportFrom) and node.module in self._files:
            kept = [a for a in node.names if (a.asname or a.name) not in values]
            if len(kept) < len(node.names):
                text = f"from {node.module} import {', '.join(map(ast.unparse, kept))}" if kept else ""
                _replace(node, text, lines)
        elif _is_const(node):
            name = node.targets[0].id  # type: ignore[attr-defined]
            if name in values and name not in self._attributes and not name.startswith("_"):
                _replace(node, "", lines)


def _is_const(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Assign)
        and len(node.targets) == 1
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "const"
        and len(node.value.args) == 1
    )


def _value(node: ast.expr, values: dict[str, int]) -> int | None:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    if isinstance(node, ast.Name):
        return values.get(node.id)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _value(node.operand, values)
        return None if inner is None else -inner
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = _value(node.left, values), _value(node.right, values)
        if left is not None and right is not None:
            return _OPERATORS[type(node.op)](left, right)
    return None


def _bound(tree: ast.Module) -> dict[str, int]:
    """How often each name is bound anywhere in the file: one that is bound twice is no constant there."""
    counts: dict[str, int] = {}
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names = [node.id]
        elif isinstance(node, ast.arg):
            names = [node.arg]
        elif isinstance(node, ast.alias):
            names = [node.asname or node.name]
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Global | ast.Nonlocal):
            names = node.names * 2
        for name in names:
            counts[name] = counts.get(name, 0) + 1
    return counts


def _number(text: str) -> bytes:
    return (f"({text})" if text.startswith("-") else text).encode()


def _replace(node: ast.stmt, text: str, lines: list[bytes]) -> None:
    """Put `text` in the place of a statement of its own lines; the lines stay as many as they were."""
    assert node.end_lineno is not None
    for line in range(node.lineno, node.end_lineno + 1):
        lines[line - 1] = b""
    lines[node.lineno - 1] = text.encode()
