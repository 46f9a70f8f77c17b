"""docs/safety.md speaks the truth: every test it names exists, and its numbers are those of the code."""

import ast
import re
from pathlib import Path

from firmware.boards import bench
from firmware.safety import gate, monitors, sensed, sequence, soc

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "safety.md").read_text(encoding="utf-8")


def _tests():
    for path in (ROOT / "host_tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield node.name


def test_every_named_test_exists():
    """A barrier whose test was renamed or dropped must not look tested."""
    named = set(re.findall(r"`(test_[a-z0-9_A-Z]+)`", PAGE))
    assert len(named) > 30
    missing = named - set(_tests())
    assert not missing, sorted(missing)


def test_every_named_file_exists():
    """Paths in the page are paths in the repository."""
    named = set(re.findall(r"`((?:firmware|host_tests|docs|hw_tests)/[\w/.]+)`", PAGE))
    assert named
    assert not [name for name in named if not (ROOT / name).exists()]


def test_numbers_are_those_of_the_code():
    """Each `name = value` in the page's table of numbers."""
    modules = {"gate": gate, "monitors": monitors, "sensed": sensed, "sequence": sequence, "soc": soc}
    rows = re.findall(r"\| `(\w+)\.(\w+)` \| (-?\d+) \|", PAGE)
    assert len(rows) >= 20
    for module, name, value in rows:
        assert getattr(modules[module], name) == int(value), (module, name)


def test_the_reaction_time_follows_from_its_parts():
    """Largest converter reaction = 50 ms - detection - software - bus, as the page computes it."""
    seen, tick, bus, answer = (
        int(re.search(rf"{name}: (\d+) ms", PAGE)[1]) for name in ("detected", "sent", "on the wire", "reaction")
    )
    assert seen + tick + bus + answer == 50
    assert bench.RELAY_ms == 30
