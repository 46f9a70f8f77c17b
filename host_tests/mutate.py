"""The small changes of which host_tests/mutants.py makes its mutants: comparisons, operators, numbers, branches, and
statements that are left out."""

import ast
from collections.abc import Iterator
from pathlib import Path

COMPARE = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
           ast.Is: ast.IsNot, ast.IsNot: ast.Is}  # fmt: skip
BINARY = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.BitAnd: ast.BitOr,
          ast.BitOr: ast.BitAnd, ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitXor: ast.BitAnd}  # fmt: skip


def changes(node):
    """All small changes of one node: (apply, undo) pairs."""
    if isinstance(node, ast.Compare):
        for k, op in enumerate(node.ops):
            if type(op) in COMPARE:
                yield _swap(node.ops, k, COMPARE[type(op)]())
    elif isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in BINARY:
        yield _set(node, "op", BINARY[type(node.op)]())
    elif isinstance(node, ast.BoolOp):
        yield _set(node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        yield _set(node, "op", ast.UAdd() if isinstance(node.op, ast.USub) else ast.Not(), _unnot(node))
    elif isinstance(node, ast.Constant):
        yield from _other_values(node)
    elif isinstance(node, (ast.If, ast.IfExp)):
        yield _set(node, "test", ast.UnaryOp(ast.Not(), node.test))
    yield from _deletions(node)


def _other_values(node):
    if isinstance(node.value, bool):
        yield _set(node, "value", not node.value)
    elif isinstance(node.value, int):
        yield _set(node, "value", node.value + 1)
        if node.value == 1:
            yield _set(node, "value", 0)


def _deletions(node):
    if not isinstance(node, (ast.FunctionDef, ast.If, ast.For, ast.While, ast.Try)):
        return
    for name in ("body", "orelse", "finalbody"):
        block = getattr(node, name, [])
        for k, statement in enumerate(block):
            if isinstance(statement, (ast.Assign, ast.AugAssign, ast.Expr, ast.Return, ast.Break)):
                yield _swap(block, k, ast.Pass())


def _unnot(node):
    return ast.Compare(node.operand, [ast.Eq()], [node.operand]) if isinstance(node.op, ast.Not) else None


def _swap(items, k, new):
    old = items[k]
    return (lambda: items.__setitem__(k, new)), (lambda: items.__setitem__(k, old))


def _set(node, name, new, operand=None):
    old, old_operand = getattr(node, name), getattr(node, "operand", None)

    def apply():
        setattr(node, name, new)
        if operand is not None:  # not x -> not (x == x), that is: False
            node.operand = operand

    def undo():
        setattr(node, name, old)
        if operand is not None:
            node.operand = old_operand

    return apply, undo


def mutants_of(path: Path) -> Iterator[tuple[str, str]]:
    """Every mutant of one file: (key, source). The key survives changes elsewhere in the file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    seen: dict[str, int] = {}
    for scope, statement in _statements(tree):
        before = ast.unparse(statement).split("\n")
        for node in _own_nodes(statement):
            for apply, undo in changes(node):
                apply()
                after, source = ast.unparse(statement).split("\n"), ast.unparse(tree)
                undo()
                where = next((i for i, (a, b) in enumerate(zip(before, after)) if a != b), 0)
                text = f"{path.name} {scope}: {before[where].strip()} -> {after[where].strip()}"
                seen[text] = seen.get(text, 0) + 1
                yield (text if seen[text] == 1 else f"{text} #{seen[text]}"), source


def _statements(tree):
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        if isinstance(node, ast.ClassDef):
            for part in node.body:
                yield f"{node.name}.{getattr(part, 'name', '')}", part
        else:
            yield getattr(node, "name", "module"), node


def _own_nodes(statement):
    docstrings = {
        id(n.value) for n in ast.walk(statement) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)
    }
    return [n for n in ast.walk(statement) if id(n) not in docstrings]
