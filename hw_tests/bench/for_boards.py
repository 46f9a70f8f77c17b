"""Which scenarios a board on the bench can play: its pins and both CAN buses are the bench's, the rest is its own."""

from hw_tests.bench.scenario import Scenario

_RESETS = ("power",)  # the EN line; a tick that raises ends in a reset by the board's own watchdog


def why_not(each: Scenario) -> str:
    """The reason why a board cannot play it, or ""."""
    if "can" in each.plant or any(step.do == "can" for step in each.steps):
        return "it breaks a model of the CAN chip, and the board's own chip cannot be told to fail"
    for step in each.steps:
        if step.do == "reset" and step.args["cause"] not in _RESETS:
            return f"it resets the station by {step.args['cause']!r}, which needs a hand inside the board"
        if step.do == "hold":
            return "it holds the firmware's interpreter, which needs a hand inside the board"
    parts = [name for name in ("meter", "insulation_monitor") if each.station.get(name, "none") != "none"]
    if parts or any(step.do == "field" for step in each.steps):
        return "it has a meter or a monitor on the RS-485 line, and the bench has no adapter for that"
    return ""
