"""Short names in the image: two private names that meet in one object must not become one."""

import importlib.util
from pathlib import Path

SPEC = importlib.util.spec_from_file_location("shorten", Path(__file__).parent.parent / ".ci" / "shorten.py")
assert SPEC is not None and SPEC.loader is not None
shorten = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(shorten)

BASE = "class Wires:\n    def _alpha(self):\n        return 1\n    def run(self):\n        return self._alpha()\n"
CHILD = "import base\nclass Wires(base.Wires):\n    def _beta(self):\n        return 2\n"
OTHER = "class Wires:\n    def _gamma(self):\n        return 3\n"


def private(text):
    """The private methods of a file."""
    return {line.split("def ")[1].split("(")[0] for line in text.split("\n") if "def _" in line}


def test_a_class_and_its_child_of_the_same_name_in_another_file_share_no_private_name():
    """Whichever file comes last, and whoever else has a class of that name."""
    for names in (("base", "child", "other"), ("other", "child", "base"), ("base", "other", "child")):
        texts = {"base": BASE, "child": CHILD, "other": OTHER}
        made = shorten.Shortener({name: texts[name] for name in names})
        short = {name: private(made.shorten(name)) for name in names}
        assert not short["base"] & short["child"], short
        assert all(len(each) == 1 for each in short.values())


def test_names_that_never_meet_share_a_short_one():
    """That is what it is for."""
    made = shorten.Shortener({"a": BASE, "b": "class B:\n    def _beta(self): pass\n"})
    assert private(made.shorten("a")) == private(made.shorten("b"))
