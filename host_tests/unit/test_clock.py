# Wall time from a board's clock, with both epochs, unset, and set while running.
from firmware.clock import Clock, epoch_year
from firmware.units import TICKS_MASK

UNIX_s = 1795000000  # 2026-11-18
SINCE_2000_s = 848315200


def test_both_epochs_give_the_same_time():
    assert Clock(lambda: UNIX_s, 1970).now_s() == SINCE_2000_s
    assert Clock(lambda: SINCE_2000_s, 2000).now_s() == SINCE_2000_s


def test_a_fraction_of_a_second_is_dropped():
    assert Clock(lambda: UNIX_s + 0.75, 1970).now_s() == SINCE_2000_s


def test_a_clock_that_was_never_set_says_nothing():
    # An ESP32 starts in 2000, other ports in 1970; some in between.
    assert Clock(lambda: 12, 2000).now_s() is None
    assert Clock(lambda: 12, 1970).now_s() is None
    assert Clock(lambda: 946684800, 1970).now_s() is None
    assert Clock(lambda: 789004799, 2000).now_s() is None
    assert Clock(lambda: 789004800, 2000).now_s() == 789004800


def test_an_unknown_epoch_is_refused():
    try:
        Clock(lambda: 0, 1980)
    except ValueError as error:
        assert "1980" in str(error)
    else:
        raise AssertionError("1980 was taken for an epoch")


def test_the_epoch_of_this_machine_is_one_of_both():
    assert epoch_year() in (1970, 2000)


def test_uptime_counts_whole_seconds_across_the_wrap():
    clock = Clock(lambda: 0, 2000)
    now = TICKS_MASK - 2500
    clock.step(now)
    for _ in range(100):
        now = (now + 70) & TICKS_MASK
        clock.step(now)
    assert clock.up_s == 7


def test_uptime_lasts_longer_than_ticks():
    # 30 days, a step a minute: more than twice round the ticks.
    clock = Clock(lambda: 0, 2000)
    now = 0
    clock.step(now)
    for _ in range(30 * 1440):
        now = (now + 60000) & TICKS_MASK
        clock.step(now)
    assert clock.up_s == 30 * 86400


def test_the_moment_of_an_uptime_does_not_jitter_and_follows_a_new_setting():
    wall = [0]
    clock = Clock(lambda: wall[0], 2000)
    clock.step(0)
    clock.step(5000)
    assert clock.unix_s(3) is None
    wall[0] = SINCE_2000_s + 10
    clock.step(10000)
    assert clock.unix_s(3) == UNIX_s + 3
    wall[0] = SINCE_2000_s + 12  # a second early by rounding: the same answer
    clock.step(11000)
    assert clock.unix_s(3) == UNIX_s + 3
    wall[0] = SINCE_2000_s + 3612  # set an hour forward
    clock.step(12000)
    assert clock.unix_s(3) == UNIX_s + 3603


def test_conversion_from_mqtt():
    assert Clock(lambda: 0, 2000).from_unix_s(UNIX_s) == SINCE_2000_s
