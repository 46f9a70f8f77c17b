"""What may happen by chance to a station with a meter and an insulation monitor, for cars of either protocol.

The same shape as chance.py, whose sessions stay what they are: settings and plans for `life.Life` from one `Random`.
"""

from random import Random
from typing import Any

from hw_tests.bench import chance as plain
from hw_tests.bench import vehicles
from hw_tests.bench.life import Event, Setting

_SELF_TEST_ms = 8_000  # of the monitor, before anybody comes
_HANDSHAKE_ms = 18_000  # plug to power, with the test of the insulation in it
_METERS = ("none", "sdm630", "sdm120", "dtsu666", "djsf1352")
_MONITORS = ("isocha425", "rn5893")
_CARS = {"chademo": ("leaf_ze0", "leaf_ze0", "leaf_ze1", "chademo_2_0", "outlander_phev", "imiev"),
         "gbt27930": ("v2g", "v2g", "v2g_soc_down", "charge_2015")}  # fmt: skip
_MESSAGES = ("", "100", "101", "102", "200", "201", "110")
_FAULTS = ("over_voltage", "under_voltage", "current_deviation", "over_temperature", "voltage_deviation")


def setting(chance: Random, vehicle: str) -> Setting:
    """As in chance.py, and what hangs on the RS-485 line."""
    drawn = plain.setting(chance)
    car = {"vehicle": vehicle, "kind": chance.choice(_CARS[vehicle])}
    meter, monitor = chance.choice(_METERS), chance.choice(_MONITORS)
    station = {"floor_permille": drawn.station["floor_permille"], **vehicles.vehicle(vehicle).station,
               "meter": meter, "insulation_monitor": monitor}  # fmt: skip
    if vehicle == "gbt27930":
        station["discharge_v112"] = 1
    plant = {**vehicles.vehicle(vehicle).pack(car), **drawn.plant, "meter": meter, "monitor": monitor,
             "monitor_test_s": chance.choice((1.0, 3.0, 6.0))}  # fmt: skip
    return Setting(car, plant, station, drawn.how)


def usual(vehicle: str) -> Setting:
    """The usual car of that protocol, at a station with an insulation monitor; nothing is drawn."""
    kind = vehicles.vehicle(vehicle)
    car = {"vehicle": vehicle, "kind": kind.usual}
    station = {**kind.station, "floor_permille": 300, "insulation_monitor": "isocha425"}
    return Setting(car, {**kind.pack(car), "soc_permille": 700, "monitor": "isocha425"}, station)


def plan(chance: Random, vehicle: str) -> list[Event]:
    """A car comes; trouble before, in or after the test of the insulation; people and orders all the while."""
    first = [Event("wait", {}, _SELF_TEST_ms), Event("plug", {}, _HANDSHAKE_ms)]
    where = chance.randrange(4)
    if where == 0:
        first.insert(chance.randrange(2), _field(chance))
    elif where == 1:  # in the test, which begins some seconds after the plug
        first[1] = Event("plug", {}, chance.randrange(1000, 12_000, 10))
        first.append(trouble(chance, vehicle))
    else:
        first += [plain.full_power(chance), trouble(chance, vehicle)]
    return first + [_next(chance, vehicle) for _ in range(chance.randint(3, 6))]


def healthy(chance: Random) -> list[Event]:
    """Without any trouble."""
    first = [Event("wait", {}, _SELF_TEST_ms), Event("plug", {}, _HANDSHAKE_ms), plain.full_power(chance)]
    return first + [plain.order(chance) for _ in range(chance.randint(2, 5))] + [plain.full_power(chance)]


def trouble(chance: Random, vehicle: str) -> Event:
    """Something is wrong with the line, the car or anything else of the station."""
    who = chance.randrange(4)
    if who == 0:
        return _field(chance)
    if who == 1 and vehicle == "chademo":
        what, args = _chademo(chance)
        return Event("car", {"what": what, "args": args}, chance.randrange(200, 6000, 10))
    if who == 2:
        kind = chance.choice(("welded", "stuck_open", "closes"))
        return Event("pins", {"what": "car_contactor", "args": {"kind": kind}}, chance.randrange(200, 6000, 10))
    drawn = plain.trouble(chance)
    while vehicle == "chademo" and (drawn.what == "car" or drawn.args.get("bus") == "car"):
        drawn = plain.trouble(chance)
    return drawn


def _next(chance: Random, vehicle: str) -> Event:
    kind = chance.randrange(6)
    if kind == 0:
        return trouble(chance, vehicle)
    if kind == 1:  # again and again
        return Event("press", {"what": "button"}, chance.randrange(200, 20_000, 10))
    drawn = chance.choice((plain.order, plain.person, plain.full_power))(chance)
    return drawn._replace(then_ms=_HANDSHAKE_ms) if drawn.what == "plug" else drawn


def _field(chance: Random) -> Event:
    what, args = chance.choice((
        ("noise", {"chance": chance.choice((0.002, 0.02, 0.2))}), ("strangers", {"chance": 0.5}), ("cut", {"on": True}),
        ("cut", {"on": False}), ("monitor_gone", {"gone": True}), ("monitor_gone", {"gone": False}),
        ("self_test_fails", {"on": chance.random() < 0.5}),
        ("insulation", {chance.choice(("station_kohm", "cable_kohm", "car_kohm")): chance.choice((0.0, 60.0, 4000.0))}),
    ))  # fmt: skip
    return Event("field", {"what": what, "args": args}, chance.randrange(200, 8000, 10))


def _chademo(chance: Random) -> tuple[str, dict[str, Any]]:
    for_ms = {"for_ms": chance.randrange(100, 4000, 10)}
    return chance.choice((
        ("silent", {**for_ms, "messages": chance.choice(_MESSAGES)}), ("deaf", for_ms), ("late", for_ms),
        ("wrong_length", {**for_ms, "message": chance.choice(("100", "102", "200")), "length": chance.randrange(9)}),
        ("flood", {**for_ms, "rate_per_s": chance.choice((200, 800)), "ids": chance.choice(("any", "own"))}),
        ("strangers", for_ms), ("refuse", for_ms), ("permission_without_can", for_ms),
        ("can_without_permission", for_ms), ("contactor_stuck_open", for_ms), ("contactor_lie", for_ms),
        ("no_request", for_ms), ("permission_lost", for_ms), ("enable_lost", for_ms),
        ("fault", {**for_ms, "bit": chance.choice(_FAULTS)}), ("system_fault", for_ms), ("not_in_park", for_ms),
        ("target_zero", for_ms), ("refuse_current", for_ms), ("request_flaps", for_ms), ("discharge_forbidden", for_ms),
        ("soc_frozen", {}), ("contactor_welded", {}), ("open_under_load", {}), ("never_opens", {}), ("stop", {}),
    ))  # fmt: skip
