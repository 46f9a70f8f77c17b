"""What may happen to a station, by chance: settings and plans for `life.Life`, each from one number.

Every choice comes from one `random.Random`, so a number names a session for ever. Sessions are drawn so that most reach
full power, mostly outward: that is where harm could be done.
"""

from random import Random
from typing import Any

from hw_tests.bench.life import Event, Setting

WRAP_ms = 1 << 30
HANDSHAKE_ms = 9_500  # plug to power
CARS = ("v2g", "v2g", "v2g", "v2g", "v2g", "v2g", "v2g", "v2g", "v2g_soc_up", "v2g_soc_down",
        "v2g_soc_nearest", "v2g_ends_when_full",
        "v2g_no_cycles_left", "charge_2015", "edition_2011", "charge_only_2015")  # fmt: skip
_MESSAGES = ("", "BCL", "BCS", "BSM", "BRO", "BCP", "BRM", "BHM", "BST", "BSD")
_ALARMS = ("insulation", "over_current", "over_temperature", "connector", "cell_voltage", "soc")
_KINDS = ("mode", "status", "on_off", "current", "voltage")
_LOST_ON_CAR = (0x1812F456, 0x1832F456, 0x1808F456, 0x100AF456, 0x1801F456, 0x101AF456)
_TO_CONVERTER = 0x02E400F0


def setting(chance: Random) -> Setting:
    """A car, its charge, the owner's floor, a converter and where the clocks stand."""
    floor = chance.choice((0, 1000, *(chance.randint(150, 800) for _ in range(8))))
    above = chance.choice((chance.randint(20, 60), chance.randint(30, 400), chance.randint(30, 200),
                           chance.randint(30, 200), chance.randint(-200, 400)))  # fmt: skip
    start_ms = chance.choice((0, WRAP_ms - chance.randint(1, 60_000), chance.randrange(WRAP_ms)))
    return Setting(
        {"kind": chance.choice(CARS)},
        {"soc_permille": min(995, max(20, floor + above)), "reaction_ms": chance.choice((5, 10, 40))},
        {"floor_permille": floor, "discharge_v112": 1},
        {"seed": chance.randrange(1 << 30), "start_ms": start_ms, "epoch_year": chance.choice((1970, 2000)),
         "jitter_ms": chance.choice((0, 0, 5))},
    )  # fmt: skip


def healthy(chance: Random) -> list[Event]:
    """A session without any trouble: orders, limits, people, a broker that comes and goes."""
    plan = [arrival(chance), full_power(chance), *(order(chance) for _ in range(chance.randint(1, 4))),
            full_power(chance)]  # fmt: skip
    return plan + [chance.choice((order, order, person))(chance) for _ in range(chance.randint(2, 5))]


def troubled(chance: Random) -> list[Event]:
    """A trouble in the handshake, or at full power, or several after one another."""
    first = arrival(chance)
    if chance.random() < 0.3:
        first = first._replace(then_ms=_ms(chance, 500, 9000))
        plan = [first, trouble(chance)]
    else:
        plan = [first, full_power(chance), trouble(chance)]
    kinds = (order, person, full_power, trouble) if chance.random() < 0.5 else (order, person, full_power)
    return plan + [chance.choice(kinds)(chance) for _ in range(chance.randint(3, 6))]


# --- single events ---
def arrival(chance: Random) -> Event:
    """A car is plugged in, and its handshake has the time it needs."""
    return Event("plug", {}, HANDSHAKE_ms + _ms(chance, 0, 2000))


def full_power(chance: Random) -> Event:
    """An order of many kilowatts, mostly outward, that outlives what follows."""
    power_W = chance.choice((-1, -1, -1, -1, 1)) * chance.randint(4000, 23_000)
    return Event("order", {"power_W": power_W, "ttl_ms": 40_000}, _ms(chance, 3000, 8000))


def order(chance: Random) -> Event:
    """An order, a limit, a floor, an outage, or nothing for a while."""
    ttl_ms = _ms(chance, 500, 30_000)
    kind = chance.randrange(6)
    if kind < 3:
        power_W = chance.choice((chance.randint(-25_000, 25_000), chance.randint(-25_000, 25_000), 0, 1, -1, -100, 100))
        source = chance.choice((0, 1, 1, 1, 2))
        return Event("order", {"power_W": power_W, "ttl_ms": ttl_ms, "source": source}, _ms(chance, 500, 8000))
    if kind == 3:
        limits = [chance.choice((None, 0, chance.randint(0, 23_000))) for _ in range(2)]
        return Event("limit", {"charge_max_W": limits[0], "discharge_max_W": limits[1], "ttl_ms": ttl_ms},
                     _ms(chance, 500, 5000))  # fmt: skip
    if kind == 4:
        return Event("floor", {"permille": chance.randint(0, 1000), "ttl_ms": ttl_ms}, _ms(chance, 500, 5000))
    return Event("broker", {"state": chance.choice(("kill", "start"))}, _ms(chance, 200, 5000))


def person(chance: Random) -> Event:
    """Somebody at the station."""
    return chance.choice((
        Event("press", {"what": "button"}, _ms(chance, 200, 8000)),
        Event("unplug", {}, _ms(chance, 2000, 9000)),
        Event("plug", {}, HANDSHAKE_ms),
        Event("wait", {}, _ms(chance, 2000, 9000)),
    ))  # fmt: skip


def trouble(chance: Random) -> Event:
    """Something is wrong with the car, the converter, the sensors, the bus or the board."""
    who = chance.choice(("car", "car", "converter", "converter", "pins", "pins", "other"))
    if who == "other":
        return _other(chance)
    what, args = {"car": _car, "converter": _converter, "pins": _pins}[who](chance)
    return Event(who, {"what": what, "args": args}, _ms(chance, 200, 6000))


def _ms(chance: Random, low: int, high: int) -> int:
    return chance.randrange(low, high + 1, 100)


def _car(chance: Random) -> tuple[str, dict[str, Any]]:
    for_ms = {"for_ms": _ms(chance, 100, 4000)}
    return chance.choice((
        ("silent", {**for_ms, "messages": chance.choice(_MESSAGES)}), ("deaf", for_ms),
        ("wrong_length", {**for_ms, "message": chance.choice(("BCL", "BSM", "BHM", "BST")),
                          "length": chance.randint(0, 8)}),
        ("flood", {**for_ms, "rate_per_s": chance.choice((200, 800)), "ids": chance.choice(("any", "own"))}),
        ("strangers", for_ms), ("tp_lose", for_ms), ("tp_lose_once", for_ms), ("tp_repeat", for_ms),
        ("tp_disorder", for_ms), ("tp_abort", for_ms), ("tp_stall", for_ms), ("tp_repeat_rts", for_ms),
        ("late_bro", {"ms": _ms(chance, 0, 8000)}), ("bro_falls", {}),
        ("bsm_fault", {"bit": chance.choice(_ALARMS)}), ("pause", for_ms), ("untrusted", for_ms),
        ("discharge_forbidden", for_ms), ("charge_forbidden", for_ms), ("demand_above_max", for_ms),
        ("refuse_current", for_ms), ("demand_flaps", for_ms), ("wrong_mode", for_ms), ("ccd_ignored", for_ms),
        ("soc_frozen", {}), ("contactor_welded", {}), ("contactor_stuck_open", {}), ("open_under_load", {}),
        ("bst", {}), ("bem", {}),
    ))  # fmt: skip


def _converter(chance: Random) -> tuple[str, dict[str, Any]]:
    ms = chance.randrange(10, 3000, 10)
    return chance.choice((
        ("silent", {"ms": ms}), ("fault", {}), ("lose", {"kind": chance.choice(_KINDS), "count": chance.randint(1, 5)}),
        ("lose_reply", {"kind": chance.choice(_KINDS), "count": chance.randint(1, 5)}),
        ("ignore_mode", {"count": chance.randint(1, 3)}), ("ignore_off", {"ms": ms}), ("hold", {"ms": ms}),
        ("reaction", {"ms": chance.choice((5, 10, 40, 200, 1000))}), ("derate", {"factor": chance.choice((0.2, 0.9))}),
        ("missing", {}), ("wrong_mode", {}), ("runaway", {"extra_A": chance.choice((3.0, 10.0, 30.0))}),
    ))  # fmt: skip


def _pins(chance: Random) -> tuple[str, dict[str, Any]]:
    sensor = {"name": chance.choice(("link", "inlet", "current", "cc1", "temp1")),
              "kind": chance.choice(("open", "short", "stuck"))}  # fmt: skip
    return chance.choice((
        ("cc1_lost", {}), ("cc1_lost", {}), ("estop", {"pressed": True}), ("freeze", {}),
        ("temperature", {"celsius": chance.choice((60.0, 75.0, 95.0))}),
        ("contactor", {"kind": chance.choice(("welded", "stuck_open", "feedback_open", "feedback_closed"))}),
        ("lock", {}), ("sensor", sensor), ("sensor", sensor),
    ))  # fmt: skip


def _other(chance: Random) -> Event:
    then_ms = _ms(chance, 2000, 8000)
    return chance.choice((
        Event("reset", {"cause": chance.choice(("watchdog", "power", "soft"))}, then_ms),
        Event("exception", {}, then_ms),
        Event("unplug", {"force": True}, then_ms),
        Event("lose_frame", {"bus": "converter", "can_id": _TO_CONVERTER, "count": chance.randint(1, 8)}, then_ms),
        Event("lose_frame", {"bus": "car", "can_id": chance.choice(_LOST_ON_CAR), "count": chance.randint(1, 30)},
              then_ms),
    ))  # fmt: skip
