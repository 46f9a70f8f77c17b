"""What the serial port is told of the state. CPython and MicroPython."""

from firmware.console import Console
from firmware.services import View
from firmware.station import (
    C_PHASE,
    PH_CHARGE,
    PH_IDLE,
    S_CONTACTOR,
    S_CURRENT_dA,
    S_INLET_dV,
    S_LINK_dV,
    Station,
    energised,
)
from firmware.units import UNKNOWN


def _sense(contactor=0, link_dV=0, inlet_dV=0, current_dA=0):
    sense = Station().sense.now
    sense[S_CONTACTOR], sense[S_CURRENT_dA] = contactor, current_dA
    sense[S_LINK_dV], sense[S_INLET_dV] = link_dV, inlet_dV
    return sense


def test_what_is_seen_to_be_dead_is_safe():
    assert energised(_sense()) == 0
    assert energised(_sense(0, 600, 600, 10)) == 0
    assert energised(_sense(0, -5, -5, -10)) == 0


def test_any_one_thing_makes_it_live():
    for facts in ((1, 0, 0, 0), (0, 601, 0, 0), (0, 0, 601, 0), (0, 0, 0, 11), (0, 0, 0, -11)):
        assert energised(_sense(*facts)) == 1, facts


def test_what_is_not_seen_counts_as_live():
    for facts in ((UNKNOWN, 0, 0, 0), (0, UNKNOWN, 0, 0), (0, 0, UNKNOWN, 0), (0, 0, 0, UNKNOWN)):
        assert energised(_sense(*facts)) == 1, facts
    assert energised(Station().sense.now) == 1


def _told(station, at_ms, console=None, lines=None):
    lines = [] if lines is None else lines
    view = View(station)
    console = console or Console(view, lines.append)
    console._view = view
    console.step(at_ms)
    return console, lines


def test_it_tells_at_once_at_each_change_and_every_two_seconds():
    station = Station()
    for slot in (S_CONTACTOR, S_LINK_dV, S_INLET_dV, S_CURRENT_dA):
        station.sense.now[slot] = 0
    station.car.now[C_PHASE] = PH_IDLE
    station.publish_all()
    console, lines = _told(station, 0)
    for at_ms in (20, 40, 1999):
        _told(station, at_ms, console, lines)
    assert lines == ["state idle safe"]
    _told(station, 2000, console, lines)
    assert lines == ["state idle safe"] * 2
    station.car.now[C_PHASE] = PH_CHARGE
    station.publish_all()
    _told(station, 2020, console, lines)
    station.sense.now[S_CONTACTOR] = 1
    station.publish_all()
    _told(station, 2040, console, lines)
    assert lines[2:] == ["state charge safe", "state charge energised"]
    _told(station, (2040 + 2000) & 0x3FFFFFFF, console, lines)
    assert len(lines) == 5


def test_before_the_first_phase_it_says_so():
    _console, lines = _told(Station(), 5)
    assert lines == ["state unknown energised"]
