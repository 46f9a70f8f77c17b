"""Which wish counts. Runs on CPython and on MicroPython."""

from firmware.arbiter import Arbiter
from firmware.station import P_AGGREGATOR_SERIAL, P_SERIAL, P_SOURCE, P_WANTED_W, Station
from firmware.units import UNKNOWN
from firmware.wishes import SRC_AGGREGATOR, SRC_OWNER, SRC_PLAN, Wishes


def judged(now, *posts):
    station, wishes = Station(), Wishes()
    for source, serial, power_W, ttl_ms in posts:
        wishes.post_power(source, serial, power_W, 0, ttl_ms)
    arbiter = Arbiter(station, wishes)
    wishes.take(now)
    arbiter.step(now)
    return station.power.now


def test_no_wish_is_zero():
    power = judged(0)
    assert power[P_SOURCE] == UNKNOWN and power[P_WANTED_W] == 0 and power[P_SERIAL] == 0


def test_the_lower_source_wins():
    owner, aggregator, plan = (SRC_OWNER, 1, 3000, 5000), (SRC_AGGREGATOR, 2, -4000, 5000), (SRC_PLAN, 3, 5000, 5000)
    for posts, source, power_W in (
        ((owner, aggregator, plan), SRC_OWNER, 3000),
        ((aggregator, plan), SRC_AGGREGATOR, -4000),
        ((plan,), SRC_PLAN, 5000),
        ((owner, plan), SRC_OWNER, 3000),
        ((owner,), SRC_OWNER, 3000),
    ):
        power = judged(10, *posts)
        assert power[P_SOURCE] == source and power[P_WANTED_W] == power_W and power[P_SERIAL] == source + 1


def test_a_lapsed_wish_hands_over_to_the_next():
    posts = ((SRC_AGGREGATOR, 7, -4000, 1000), (SRC_PLAN, 8, 2000, 60000))
    assert judged(999, *posts)[P_WANTED_W] == -4000
    power = judged(1000, *posts)
    assert power[P_WANTED_W] == 2000 and power[P_SOURCE] == SRC_PLAN
    assert judged(60001, *posts)[P_SOURCE] == UNKNOWN


def test_a_wish_for_zero_is_a_wish():
    power = judged(10, (SRC_AGGREGATOR, 5, 0, 1000), (SRC_PLAN, 6, 5000, 1000))
    assert power[P_SOURCE] == SRC_AGGREGATOR and power[P_WANTED_W] == 0


def test_the_plan_never_exports():
    assert judged(10, (SRC_PLAN, 1, -5000, 1000))[P_WANTED_W] == 0
    assert judged(10, (SRC_OWNER, 1, -5000, 1000))[P_WANTED_W] == -5000


def test_what_no_station_can_do_is_cut_to_size():
    assert judged(10, (SRC_OWNER, 1, 0x3FFFFFFF, 1000))[P_WANTED_W] == 1000000
    assert judged(10, (SRC_AGGREGATOR, 1, -0x3FFFFFFF, 1000))[P_WANTED_W] == -1000000
    assert judged(10, (SRC_PLAN, 1, 0x3FFFFFFF, 1000))[P_WANTED_W] == 1000000


def test_the_aggregators_serial_is_told_whoever_counts():
    power = judged(10, (SRC_OWNER, 1, 100, 1000), (SRC_AGGREGATOR, 42, 5, 1000))
    assert power[P_AGGREGATOR_SERIAL] == 42 and power[P_SERIAL] == 1


def test_the_newest_copy_counts_though_the_lists_change_places():
    station, wishes = Station(), Wishes()
    arbiter = Arbiter(station, wishes)
    for serial in range(1, 20):
        wishes.post_power(SRC_AGGREGATOR, serial, serial * 100, 0, 1000)
        wishes.take(0)
        arbiter.step(0)
        assert station.power.now[P_WANTED_W] == serial * 100
        assert station.power.now[P_AGGREGATOR_SERIAL] == serial
