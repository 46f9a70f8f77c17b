"""Ages, clamps, and the wrap of the ticks at 2^30 ms. Runs on CPython and on MicroPython."""

from firmware.units import TICKS_MASK, UNKNOWN, AGE_MAX_ms, Ages, after, age_ms, clamp

DAY_ms = 24 * 3600 * 1000


def test_age_counts_forward():
    assert age_ms(1500, 1000) == 500
    assert age_ms(1000, 1000) == 0


def test_age_across_the_wrap():
    assert age_ms(20, TICKS_MASK - 9) == 30
    assert after(TICKS_MASK, 1) == 0
    assert age_ms(after(TICKS_MASK - 5, 50), TICKS_MASK - 5) == 50


def test_a_stamp_from_the_future_is_old_not_fresh():
    assert age_ms(1000, 1001) == AGE_MAX_ms


def test_age_saturates_past_half_the_range():
    assert age_ms(7 * DAY_ms, 0) == AGE_MAX_ms


def test_clamp():
    assert [clamp(v, -5, 5) for v in (-6, -5, 0, 5, 6)] == [-5, -5, 0, 5, 5]


def test_a_slot_never_marked_is_old():
    ages = Ages(2)
    assert ages.ms(0, 0) == AGE_MAX_ms
    ages.mark(0, 100)
    assert ages.ms(0, 130) == 30
    assert ages.ms(1, 130) == AGE_MAX_ms
    ages.forget(0)
    assert ages.ms(0, 130) == AGE_MAX_ms


def test_a_stay_of_14_days_never_looks_fresh():
    ages = Ages(3)
    ages.mark(1, 5)
    now, minute = 5, 60000
    youngest_late = AGE_MAX_ms
    for passed in range(0, 14 * DAY_ms, minute):
        now = (5 + passed) & TICKS_MASK
        ages.keep(now)
        if passed > 4 * DAY_ms:
            youngest_late = min(youngest_late, ages.ms(1, now))
    assert youngest_late == AGE_MAX_ms


def test_a_slot_that_keeps_happening_stays_fresh_for_14_days():
    ages = Ages(1)
    worst = 0
    for passed in range(0, 14 * DAY_ms, 600000):
        now = passed & TICKS_MASK
        ages.mark(0, now)
        ages.keep(now)
        worst = max(worst, ages.ms(0, (now + 1000) & TICKS_MASK))
    assert worst == 1000


def test_unknown_is_a_small_int_that_no_value_comes_near():
    assert UNKNOWN == -(2**30)
