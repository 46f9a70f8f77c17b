"""docs/stalls.md keeps its own rule, and its clocks are those of the boards, the gate and the bench."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".ci"))
import boards  # noqa: E402

from hw_tests.bench.pins import PinsParams  # noqa: E402

TEXT = (ROOT / "docs" / "stalls.md").read_text(encoding="utf-8")


def table(heading: str) -> dict[str, float]:
    """The rows of one section: cause -> ms."""
    part = TEXT.split(f"## {heading}")[1].split("\n## ")[0] if heading else TEXT.split("\n## ")[0]
    return {cause: float(ms) for cause, ms in re.findall(r"^\| ([^|]+) \| ([\d.]+) \|", part, re.M)}


CLOCKS = table("")


def test_the_clocks_are_those_of_the_code():
    """Monoflop as the bench has it, age of a sample as the gate, watchdog as every board."""
    assert CLOCKS["heartbeat monoflop"] == PinsParams().heartbeat_lost_ms
    sensed = (ROOT / "firmware" / "safety" / "sensed.py").read_text(encoding="utf-8")
    assert CLOCKS["sample stale"] == int(re.search(r"_STALE_ms = const\((\d+)\)", sensed)[1])
    for name in boards.names():
        assert CLOCKS["watchdog"] == boards.load(ROOT / "firmware" / "boards" / f"{name}.py").WATCHDOG_ms
    assert f"after {2 * CLOCKS['watchdog']:.0f} at the latest" in TEXT


def test_what_may_happen_while_energised_stays_under_half_the_heartbeat_all_at_once():
    """And the sum that the page tells is the sum."""
    together = sum(table("While energised").values())
    assert together <= CLOCKS["heartbeat monoflop"] / 2
    assert f"All of them at once: {together:.0f} ms" in TEXT


def test_what_may_happen_with_open_contactors_stays_under_half_the_watchdog():
    """Each by itself: they wait for each other."""
    rows = table("Only with open contactors")
    assert rows and max(rows.values()) <= CLOCKS["watchdog"] / 2
    assert min(rows.values()) > CLOCKS["heartbeat monoflop"] / 2, "it belongs into the other table"


def test_each_clock_is_at_least_twice_the_one_before():
    """Heartbeat, stale sample, watchdog."""
    times = list(CLOCKS.values())
    assert all(early * 2 <= late for early, late in zip(times, times[1:]))


@pytest.mark.parametrize("name", ["_OPEN_AFTER_ms", "_SETTLE_ms", "_BLEED_ms", "_D1_ms"])
def test_safe_stop_is_bounded_as_told(name):
    """The sum of its bounds, and each is there."""
    text = (ROOT / "firmware" / "safety" / "safe_stop.py").read_text(encoding="utf-8")
    bounds = {key: int(value) for key, value in re.findall(r"^(_\w+_ms) = const\((\d+)\)", text, re.M)}
    assert name in bounds
    assert table("At start and at the end")["`safe_stop`"] == sum(bounds.values())
