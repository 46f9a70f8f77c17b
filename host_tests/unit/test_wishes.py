"""Wishes: leases, ranks and torn writes. Runs on CPython and on MicroPython."""

from firmware.units import TICKS_MASK, UNKNOWN
from firmware.wishes import (
    SRC_AGGREGATOR,
    SRC_PLAN,
    W_CHARGE_MAX_W,
    W_DISCHARGE_MAX_W,
    W_POWER_W,
    W_SEQ,
    W_SERIAL,
    W_STOP,
    TTL_MAX_ms,
    W_FLOOR_permille,
    Wishes,
)


def taken(wishes, now, slot, source=SRC_AGGREGATOR):
    wishes.take(now)
    return wishes.taken[source][slot]


def test_nothing_is_wished_at_start():
    assert taken(Wishes(), 0, W_POWER_W) == UNKNOWN
    assert taken(Wishes(), 0, W_CHARGE_MAX_W) == UNKNOWN


def test_a_wish_lives_as_long_as_its_lease():
    wishes = Wishes()
    wishes.post_power(SRC_AGGREGATOR, 7, -5000, 1000, 500)
    assert taken(wishes, 1010, W_POWER_W) == -5000
    assert wishes.taken[SRC_AGGREGATOR][W_SERIAL] == 7
    assert taken(wishes, 1499, W_POWER_W) == -5000
    assert taken(wishes, 1500, W_POWER_W) == UNKNOWN
    assert taken(wishes, 1500 + 12 * 3600000, W_POWER_W) == UNKNOWN


def test_a_lapsed_wish_does_not_come_back_when_the_ticks_wrap():
    wishes = Wishes()
    wishes.post_power(SRC_AGGREGATOR, 1, 4000, 100, 500)
    seen = {taken(wishes, 600, W_POWER_W)}
    for passed in range(600, 14 * 86400000, 1800000):
        seen.add(taken(wishes, passed & TICKS_MASK, W_POWER_W))
    assert seen == {UNKNOWN}


def test_nor_when_its_source_posts_something_else_then():
    wishes = Wishes()
    wishes.post_power(SRC_AGGREGATOR, 1, -20000, 100, 500)
    wishes.post_limit(SRC_AGGREGATOR, 2, 3000, 4000, 100, 500)
    wishes.post_floor(SRC_AGGREGATOR, 900, 100, 500)
    assert taken(wishes, 100, W_POWER_W) == -20000
    wishes.take(700)
    wishes.post_stop(SRC_AGGREGATOR, 150)  # 2^30 ms later
    wishes.take(150)
    for slot in (W_POWER_W, W_CHARGE_MAX_W, W_DISCHARGE_MAX_W, W_FLOOR_permille):
        assert wishes.taken[SRC_AGGREGATOR][slot] == UNKNOWN
    assert wishes.taken[SRC_AGGREGATOR][W_STOP] == 1
    wishes.post_power(SRC_AGGREGATOR, 3, -1000, 150, 500)
    assert taken(wishes, 200, W_POWER_W) == -1000
    wishes.post_floor(SRC_AGGREGATOR, 800, 160, 500)  # what is alive stays
    assert taken(wishes, 200, W_POWER_W) == -1000


def test_a_lease_across_the_wrap():
    wishes = Wishes()
    wishes.post_power(SRC_PLAN, 1, 100, TICKS_MASK - 50, 200)
    assert taken(wishes, 100, W_POWER_W, SRC_PLAN) == 100
    assert taken(wishes, 149, W_POWER_W, SRC_PLAN) == UNKNOWN


def test_a_lease_is_at_most_a_day():
    wishes = Wishes()
    wishes.post_power(SRC_PLAN, 1, 100, 0, TTL_MAX_ms * 3)
    assert taken(wishes, TTL_MAX_ms - 1, W_POWER_W, SRC_PLAN) == 100
    assert taken(wishes, TTL_MAX_ms, W_POWER_W, SRC_PLAN) == UNKNOWN


def test_a_post_stamped_just_after_the_tick_that_takes_it_is_alive():
    wishes = Wishes()
    wishes.post_power(SRC_PLAN, 1, 100, 1005, 500)
    assert taken(wishes, 1000, W_POWER_W, SRC_PLAN) == 100


def test_limits_and_floor_have_leases_of_their_own():
    wishes = Wishes()
    wishes.post_power(SRC_AGGREGATOR, 1, 3000, 0, 1000)
    wishes.post_limit(SRC_AGGREGATOR, 2, 2000, 0, 0, 300)
    wishes.post_floor(SRC_AGGREGATOR, 600, 0, 600)
    assert taken(wishes, 200, W_DISCHARGE_MAX_W) == 0
    assert taken(wishes, 300, W_CHARGE_MAX_W) == UNKNOWN
    assert taken(wishes, 300, W_DISCHARGE_MAX_W) == UNKNOWN
    assert taken(wishes, 599, W_FLOOR_permille) == 600
    assert taken(wishes, 600, W_FLOOR_permille) == UNKNOWN
    assert taken(wishes, 999, W_POWER_W) == 3000


def test_a_half_written_wish_is_not_taken():
    wishes = Wishes()
    wishes.post_power(SRC_AGGREGATOR, 1, 3000, 0, 10000)
    wishes.take(0)
    half = wishes._begin(SRC_AGGREGATOR)  # the writer stopped in the middle
    half[W_POWER_W] = -9000
    assert taken(wishes, 10, W_POWER_W) == 3000
    wishes._end(half, 3, 20, 10000)
    assert taken(wishes, 20, W_POWER_W) == -9000


def test_a_stop_is_counted_so_that_none_is_missed():
    wishes = Wishes()
    wishes.post_stop(SRC_AGGREGATOR, 0)
    wishes.post_stop(SRC_AGGREGATOR, 1)
    assert taken(wishes, 5, W_STOP) == 2


def test_the_sequence_number_stays_a_small_int():
    wishes = Wishes()
    wishes.posted[SRC_PLAN][W_SEQ] = TICKS_MASK - 1
    wishes.take(0)
    wishes.post_power(SRC_PLAN, 1, 5, 0, 100)
    assert wishes.posted[SRC_PLAN][W_SEQ] == 0
    assert taken(wishes, 1, W_POWER_W, SRC_PLAN) == 5
