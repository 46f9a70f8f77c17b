"""Breaks firmware/safety on purpose, one small change at a time, and runs its unit tests against each.

A mutant that no test notices is a survivor: it stands in host_tests/mutants_survivors.txt with the reason why it does
no harm, or this fails. A line there that ends in `*` is for all that begin so.
Run: python -m host_tests.mutants [--only gate.py] [--jobs 2]
"""

import argparse
import ast
import importlib
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAFETY = ROOT / "firmware" / "safety"
TESTS = ROOT / "host_tests" / "unit"
SURVIVORS = ROOT / "host_tests" / "mutants_survivors.txt"
TIME_LIMIT_s = 60  # a mutant that loops is dead, too

COMPARE = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
           ast.Is: ast.IsNot, ast.IsNot: ast.Is}  # fmt: skip
BINARY = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.BitAnd: ast.BitOr,
          ast.BitOr: ast.BitAnd, ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitXor: ast.BitAnd}  # fmt: skip
FIRST = {"gbt27930_rules": ["gbt27930", "gbt27930_limits", "gbt27930_facts"], "infypower_rules": ["infypower"],
         "chademo_rules": ["chademo", "chademo_limits", "chademo_edges", "chademo_gate"],
         "safe_stop": ["stop"], "gate": ["gate", "permits", "trips"], "soc": ["soc", "trust"]}  # fmt: skip


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


def mutants_of(path):
    """Every mutant of one file: (key, source). The key survives changes elsewhere in the file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    seen = {}
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


def survives(name, source):
    """In a child of this process: do all unit tests pass with this source in place of the module?"""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1] == 0
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.dup2(devnull, 2)
    signal.alarm(TIME_LIMIT_s)
    try:
        _run(name, source)
    except BaseException:  # noqa: B036 - whatever it is, the mutant was noticed
        os._exit(1)
    os._exit(0)


def _run(name, source):
    class Loader:
        def find_spec(self, fullname, path=None, target=None):
            if fullname == f"firmware.safety.{name}":
                return importlib.machinery.ModuleSpec(fullname, self)
            return None

        def create_module(self, spec):
            return None

        def exec_module(self, module):
            exec(compile(source, f"<mutant of {name}>", "exec"), module.__dict__)

    sys.meta_path.insert(0, Loader())
    first = FIRST.get(name, [name])
    stems = [p.stem for p in sorted(TESTS.glob("test_safety_*.py"))]
    stems.sort(key=lambda stem: 0 if stem[len("test_safety_") :] in first else 1)
    for stem in stems:
        module = importlib.import_module(f"host_tests.unit.{stem}")
        for test in [f for n, f in sorted(vars(module).items()) if n.startswith("test_")]:
            test()


def listed():
    """The survivors that are explained: key -> reason."""
    lines = SURVIVORS.read_text(encoding="utf-8").splitlines() if SURVIVORS.exists() else []
    rows = [line.rsplit(" | ", 1) for line in lines if line and not line.startswith("#")]
    return {row[0]: row[1] for row in rows}


def _line_for(key, known):
    return next((k for k in known if key == k or (k.endswith("*") and key.startswith(k[:-1]))), None)


def main():
    """Run them all; exit status 1 if a survivor is not explained, or an explained one is no survivor any more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="one file of firmware/safety")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    for path in (ROOT / "host_tests" / "shims", ROOT):
        sys.path.insert(0, str(path))
    files = [p for p in sorted(SAFETY.glob("*.py")) if options.only in (None, p.name)]
    work = [(path.stem, key, source) for path in files for key, source in mutants_of(path)]
    begun = time.monotonic()
    with ThreadPoolExecutor(options.jobs) as pool:
        alive = [w[1] for w, lives in zip(work, pool.map(lambda w: survives(w[0], w[2]), work)) if lives]
    known = listed()
    told = {
        key: next((k for k in known if key == k or (k.endswith("*") and key.startswith(k[:-1]))), None) for key in alive
    }
    unknown = [key for key in alive if told[key] is None]
    stale = [k for k in known if k not in told.values() and options.only in (None, k.split(" ")[0])]
    for key in unknown:
        print("survived:", key)
    for key in stale:
        print("listed, but dead or gone:", key)
    dead = len(work) - len(alive)
    print(f"{len(work)} mutants of {len(files)} files in {time.monotonic() - begun:.0f} s:", end=" ")
    print(f"{dead} killed, {len(alive) - len(unknown)} survivors explained, {len(unknown)} not")
    return 1 if unknown or stale else 0


if __name__ == "__main__":
    sys.exit(main())
