"""What a tick calls again and again keeps its state on the C stack (host_tests/state_words.py says why)."""

from host_tests.state_words import ROOT, beyond

HOT = ("control", "limits", "arbiter", "sense", "energy", "units", "wishes", "station", "faults", "contract", "stage/",
       "converter/", "vehicle/", "safety/", "fieldbus")  # fmt: skip
# Beyond 11 words, and not paid for in a running session's every tick. Names of MicroPython's own table are numbers.
SELDOM = {
    "faults.py _table": "once, at the import",
    "fieldbus/__init__.py build": "once, at the start",
    "fieldbus/dtsu666_tenths.py <listcomp>": "once, at the import",
    "fieldbus/meter.py <listcomp>": "once, at the start",
    "fieldbus/meter.py static 17": "__init__",
    "fieldbus/monitor.py <listcomp>": "once, at the start",
    "lib/modbus.py frame": "once a question, at the start",
    "safety/gate.py static 17": "__init__",
    "safety/safe_stop.py safe_stop": "instead of ticks",
    "safety/safe_stop.py _tell": "instead of ticks",
    "safety/safe_stop.py _hold": "instead of ticks",
    "safety/sensed.py static 17": "__init__",
    "safety/sensed.py _scaled": "two temperatures each 200 ms",
    "stage/match.py _blame": "once, when precharge failed",
    "stage/measure.py _blame": "once, when the insulation test failed",
    "station.py static 125": "Record.read: the services' side",
    "station.py static 17": "__init__",
    "vehicle/chademo/ending.py weld": "a session's last second",
    "vehicle/chademo/running.py _accepts": "at the pace of the car's frames, 100 ms",
    "vehicle/chademo/telling.py tell": "each 100 ms",
    "vehicle/gbt27930/handshake.py _parameters": "once a session",
    "vehicle/gbt27930/stops.py _reasons": "once a session",
    "vehicle/gbt27930/transport_send.py static 146": "no message of a charger needs it",
    "vehicle/gbt27930/wire.py static 17": "__init__",
    "wishes.py post_power": "the services' side",
    "wishes.py post_limit": "the services' side",
    "wishes.py post_floor": "the services' side",
}


def test_no_hot_call_takes_its_state_from_the_heap():
    """A new one gets a word less, or its line here with the reason; a line that is not needed any more goes."""
    paths = [path.relative_to(ROOT / "firmware").as_posix() for path in sorted((ROOT / "firmware").rglob("*.py"))]
    hot = ["firmware/" + path for path in paths if path.startswith(HOT)] + ["lib/modbus.py", "lib/registers.py"]
    found = {f"{name.removeprefix('firmware/')} {function}" for name, _, function in beyond(hot)}
    assert found == set(SELDOM)
