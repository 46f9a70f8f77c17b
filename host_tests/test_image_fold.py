"""The constants that the image writes out are the ones the source has, and nothing else changes."""

import ast
import importlib
import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
spec = importlib.util.spec_from_file_location("fold", ROOT / ".ci" / "fold.py")
fold = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fold)

FIRMWARE = {str(p.relative_to(ROOT)): p.read_text(encoding="utf-8") for p in sorted((ROOT / "firmware").rglob("*.py"))}
folder = fold.Folder(FIRMWARE)


@pytest.mark.parametrize("name", FIRMWARE)
def test_every_number_written_out_is_the_source_s(name):
    """What the folder takes for a constant is an int of that value when the module really runs."""
    module = fold._module(name)
    running = importlib.import_module(module)
    for key, value in folder.constants(module).items():
        assert getattr(running, key) == value, f"{name}: {key}"


@pytest.mark.parametrize("name", FIRMWARE)
def test_lines_stay_where_they_are(name):
    """A trace of the folded file fits the source: functions begin on the same lines."""
    before, after = ast.parse(FIRMWARE[name]), ast.parse(folder.fold(name))

    def functions(tree):
        return [(n.name, n.lineno) for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)]

    assert functions(before) == functions(after)


def folded(main, **others):
    """The folded text of `main` beside other modules of a small image."""
    sources = {"main.py": main, **{f"{key}.py": text for key, text in others.items()}}
    return fold.Folder(sources).fold("main.py")


BASE = "from micropython import const\nA = const(3)\nB = const(-(A << 2))\nC = 5\n"


def test_an_imported_constant_becomes_its_number():
    """Uses are replaced, the import goes, the line count stays."""
    assert folded("from base import A, B\nx = A + B\n", base=BASE) == "\nx = 3 + (-12)\n"


def test_what_is_no_const_stays():
    """A plain module variable may change at run time."""
    assert folded("from base import A, C\nx = A + C\n", base=BASE) == "from base import C\nx = 3 + C\n"


def test_a_name_bound_again_in_the_file_is_left_alone():
    """A parameter of the same name is another thing."""
    source = "from base import A\ndef f(A):\n    return A\n"
    assert folded(source, base=BASE) == source


def test_a_definition_reached_through_its_module_stays():
    """`base.A` needs base to have A."""
    sources = {"base.py": BASE, "main.py": "import base\nx = base.A\n"}
    assert "A = const(3)" in fold.Folder(sources).fold("base.py")


def test_an_attribute_or_keyword_of_the_same_name_is_not_a_use():
    """Only the bare name is the constant."""
    text = folded("from base import A\nx = f(A=1).A\n", base=BASE)
    assert text == "\nx = f(A=1).A\n"


def test_the_shims_do_not_stand_in_the_way():
    """`const` on CPython is the value itself, or the comparison above would say nothing."""
    assert sys.modules["micropython"].const(7) == 7
