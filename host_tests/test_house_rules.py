"""The rules of the house that a program can check."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = sorted(
    p
    for top in ("firmware", "lib", "hw_tests", "host_tests", ".ci")
    for p in (ROOT / top).rglob("*.py")
    if "umqtt" not in p.parts and "__pycache__" not in p.parts
)
BOARD = [p for p in OURS if p.relative_to(ROOT).parts[0] in ("firmware", "lib")] + [ROOT / "boot.py", ROOT / "main.py"]


def _names(paths):
    return {"argvalues": paths, "ids": [str(p.relative_to(ROOT)) for p in paths]}


@pytest.mark.parametrize("path", **_names(OURS))
def test_files_stay_under_400_lines(path):
    """A file is one thing; a long one is two."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", **_names(OURS))
def test_functions_stay_under_40_lines(path):
    """A function of more than 40 lines hides a second one."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 40, f"{path.name}:{node.lineno} {node.name}"


@pytest.mark.parametrize("path", **_names(BOARD))
def test_no_bare_except_and_no_assert_on_the_board(path):
    """A bare except swallows what must not be swallowed; -O strips an assert."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"{path.name}:{node.lineno} bare except"
        assert not isinstance(node, ast.Assert), f"{path.name}:{node.lineno} assert"


CONTROL_SIDE = [
    p
    for p in BOARD
    if p.relative_to(ROOT).parts[0] == "firmware"
    and (
        p.relative_to(ROOT).parts[1] in ("safety", "vehicle", "converter", "stage")
        or p.stem in ("units", "signals", "contract", "control", "sense", "arbiter", "limits", "energy")
    )
]


@pytest.mark.parametrize("path", **_names(CONTROL_SIDE))
def test_the_control_side_has_no_floats(path):
    """A float is 16 bytes of heap on the board: none in the tick."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), f"{path.name}:{node.lineno}"
        assert not isinstance(node, ast.Div), f"{path.name}:{node.lineno} true division makes a float"


def _calls(tree, method):
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method
    ]


def test_one_call_site_each_for_what_leaves():
    """Relay write, converter send and car send: one call site each, behind the gate (control.py; safe_stop for all)."""
    sends, writes = [], []
    for path in BOARD:
        relative = path.relative_to(ROOT)
        if relative.parts[0] == "lib" or relative.parts[1:2] in (("uplink",), ("services.py",)):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        sends += [str(relative) for node in _calls(tree, "send")]
        writes += [
            str(relative)
            for node in _calls(tree, "write")
            if ast.unparse(node.func).endswith("io.write")
        ]  # fmt: skip
    assert sorted(sends) == ["firmware/control.py", "firmware/safety/safe_stop.py"]
    assert sorted(writes) == ["firmware/control.py", "firmware/safety/safe_stop.py"]
