"""Which scenarios a board on the bench can play: its pins and both CAN buses are the bench's, with an adapter its field
bus, too; the rest is its own."""

from dataclasses import replace

from hw_tests.bench.scenario import Scenario

_RESETS = ("power",)  # the EN line; a tick that raises ends in a reset by the board's own watchdog
_AT_ONCE_bit_s = 11_000_000  # of the slaves' own characters: a real line gives each its time


def needs_line(each: Scenario) -> bool:
    """It has a meter or an insulation monitor."""
    parts = [name for name in ("meter", "insulation_monitor") if each.station.get(name, "none") != "none"]
    return bool(parts) or any(step.do == "field" for step in each.steps)


def on_a_line(each: Scenario) -> Scenario:
    """The same, its meter and monitor on a real line."""
    return replace(each, plant={**each.plant, "field_bit_s": _AT_ONCE_bit_s}) if needs_line(each) else each


def why_not(each: Scenario, line: bool = False) -> str:
    """The reason why a board cannot play it, or "". `line`: there is an adapter on its field bus."""
    if "can" in each.plant or any(step.do == "can" for step in each.steps):
        return "it breaks a model of the CAN chip, and the board's own chip cannot be told to fail"
    for step in each.steps:
        if step.do == "reset" and step.args["cause"] not in _RESETS:
            return f"it resets the station by {step.args['cause']!r}, which needs a hand inside the board"
        if step.do == "hold":
            return "it holds the firmware's interpreter, which needs a hand inside the board"
    if needs_line(each) and not line:
        return "it has a meter or a monitor on the RS-485 line: name an adapter on the board's, RS485=/dev/ttyUSB2"
    return ""
