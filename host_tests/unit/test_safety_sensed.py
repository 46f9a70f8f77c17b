# The gate's own sensors. Runs on CPython and on MicroPython.
from array import array

from firmware.boards.bench import SCALE
from firmware.safety.sensed import ALARM_CC1, ALARM_ESTOP, ALARM_SENSOR, ALARM_STALE, Sensed
from firmware.signals import (
    IN_CC1,
    IN_CONTACTOR,
    IN_CURRENT,
    IN_ESTOP,
    IN_INLET,
    IN_LINK,
    IN_LOCKED,
    IN_TEMP1,
    IN_TEMP2,
    INPUTS,
)

# Not the bench's numbers, so that no factor can hide behind a 1.
ODD = {
    "link": (10, 3, 2, 10, 5000),
    "inlet": (20, 5, 4, 20, 4000),
    "current": (2000, 7, 10, 100, 3900),
    "cc1": (100, 2, 3, 0, 20000),
    "temp1": (50, 3, 4, 10, 900),
    "temp2": (60, 5, 4, 10, 900),
}


def inputs(link=1000, inlet=1000, current=32768, cc1=12000, temp1=750, temp2=750, contactor=0, estop=0, locked=0):
    raw = array("i", [0] * INPUTS)
    raw[IN_LINK], raw[IN_INLET], raw[IN_CURRENT], raw[IN_CC1] = link, inlet, current, cc1
    raw[IN_TEMP1], raw[IN_TEMP2] = temp1, temp2
    raw[IN_CONTACTOR], raw[IN_ESTOP], raw[IN_LOCKED] = contactor, estop, locked
    return raw


def seen(scale=SCALE, **raw):
    sensed = Sensed(scale)
    sensed.observe(inputs(**raw), True, 10)
    return sensed


def test_before_the_first_sample_nothing_is_believed():
    sensed = Sensed(SCALE)
    assert (sensed.fresh, sensed.stale, sensed.plugged, sensed.contactor, sensed.alarm) == (0, 1, 0, 0, 0)
    assert (sensed.link_dV, sensed.inlet_dV, sensed.current_dA, sensed.before_dA) == (0, 0, 0, 0)
    assert not sensed.locked()
    assert sensed.hottest_dC() == 0


def test_raw_counts_become_house_units():
    sensed = seen(link=1000 + 2 * 3800, inlet=1000 + 2 * 3790, current=32768 - 10 * 302, contactor=1, locked=1)
    assert (sensed.link_dV, sensed.inlet_dV, sensed.current_dA) == (3800, 3790, -302)
    assert (sensed.contactor, sensed.locked(), sensed.fresh, sensed.stale) == (1, 1, 1, 0)


def test_every_number_of_a_scale_is_used():
    sensed = seen(ODD, link=10 + 200, inlet=20 + 400, current=2000 - 100, cc1=6000, temp1=50 + 400, temp2=60 + 100)
    assert (sensed.link_dV, sensed.inlet_dV, sensed.current_dA) == (300, 500, -70)
    assert sensed.hottest_dC() == 300
    assert seen(ODD, link=10, inlet=20, current=2000, temp1=50, temp2=60 + 200).hottest_dC() == 250


def test_the_hotter_connector_counts_and_a_broken_sensor_is_hot():
    assert seen(temp1=800, temp2=750).hottest_dC() == 300
    assert seen(temp1=750, temp2=801).hottest_dC() == 301
    for raw in (2000, 0):
        assert seen(temp1=raw).hottest_dC() < 2000
        assert seen(temp2=raw).hottest_dC() < 2000
    for raw in (2001, -1):
        assert seen(temp1=raw).hottest_dC() == 10000
        assert seen(temp2=raw).hottest_dC() == 10000


def test_the_current_of_the_sample_before_is_kept():
    sensed = seen(current=32768 + 100)
    sensed.observe(inputs(current=32768 + 300), True, 20)
    assert (sensed.before_dA, sensed.current_dA) == (10, 30)


def test_a_value_at_the_edge_of_its_range_counts_and_one_beyond_does_not():
    for name, slot in (("link", IN_LINK), ("inlet", IN_INLET), ("current", IN_CURRENT)):
        for edge, step in ((SCALE[name][3], -1), (SCALE[name][4], 1)):
            sensed = Sensed(SCALE)
            raw = inputs()
            raw[slot] = edge
            sensed.observe(raw, True, 10)
            assert sensed.fresh == 1
            before = (sensed.link_dV, sensed.inlet_dV, sensed.current_dA)
            raw[slot] = edge + step
            sensed.observe(raw, True, 20)
            assert sensed.fresh == 0
            assert (sensed.link_dV, sensed.inlet_dV, sensed.current_dA) == before


def test_a_sensor_is_broken_after_three_spoiled_samples_in_a_row():
    for slot in (IN_LINK, IN_INLET, IN_CURRENT):
        sensed = Sensed(SCALE)
        bad, good = inputs(), inputs()
        bad[slot] = 65535
        for raw, alarm in ((bad, 0), (bad, 0), (good, 0), (bad, 0), (bad, 0), (bad, ALARM_SENSOR)):
            sensed.observe(raw, True, 10)
            assert sensed.alarm == alarm
        sensed.alarm = 0
        sensed.observe(bad, True, 20)
        assert sensed.alarm == ALARM_SENSOR
        sensed.alarm = 0
        sensed.observe(good, True, 30)
        assert (sensed.alarm, sensed.fresh) == (0, 1)


def test_the_emergency_stop_needs_two_samples():
    sensed = Sensed(SCALE)
    pressed, released = inputs(estop=1), inputs()
    for raw, alarm in ((pressed, 0), (released, 0), (pressed, 0), (pressed, ALARM_ESTOP)):
        sensed.observe(raw, True, 10)
        assert sensed.alarm == alarm
    sensed.alarm = 0
    sensed.observe(pressed, True, 20)
    assert sensed.alarm == ALARM_ESTOP
    sensed.alarm = 0
    sensed.observe(released, True, 20)
    sensed.observe(pressed, True, 20)
    assert sensed.alarm == 0


def plugged(cc1=4000, scale=SCALE, samples=10):
    sensed = Sensed(scale)
    for _ in range(samples):
        sensed.observe(inputs(cc1=cc1), True, 10)
    return sensed


def test_a_plug_is_believed_after_100_ms_inside_the_window():
    assert plugged(samples=9).plugged == 0
    assert plugged(samples=10).plugged == 1
    for cc1, inside in ((3199, 0), (3200, 1), (4800, 1), (4801, 0)):
        assert plugged(cc1).plugged == inside
    # 3200 mV is raw 100 + 4800, 4800 mV raw 100 + 7200
    for cc1, inside in ((4899, 0), (4900, 1), (7300, 1), (7301, 0)):
        assert plugged(cc1, ODD).plugged == inside


def test_a_rounded_window_lies_inside_the_true_one():
    odd = dict(SCALE)
    odd["cc1"] = (0, 7, 1, 0, 15000)  # 7 mV a count: 3200 lies between 457 and 458, 4800 between 685 and 686
    for cc1, inside in ((457, 0), (458, 1), (685, 1), (686, 0)):
        assert plugged(cc1, odd).plugged == inside


def test_one_sample_outside_begins_the_count_anew():
    sensed = plugged(samples=9)
    sensed.observe(inputs(cc1=6000), True, 10)
    for _ in range(9):
        sensed.observe(inputs(cc1=4000), True, 10)
    assert sensed.plugged == 0
    sensed.observe(inputs(cc1=4000), True, 10)
    assert sensed.plugged == 1


def test_a_plug_is_lost_after_two_samples():
    sensed = plugged()
    for cc1, gone in ((6000, 0), (4000, 0), (6000, 0), (12000, 1)):
        assert sensed.alarm == 0
        sensed.observe(inputs(cc1=cc1), True, 10)
        assert sensed.plugged == 1 - gone
    assert sensed.alarm == ALARM_CC1
    sensed.alarm = 0
    sensed.observe(inputs(cc1=12000), True, 10)
    assert sensed.alarm == 0


def test_a_sample_is_fresh_for_50_ms_and_stale_after_100():
    sensed = seen()
    for age, fresh, stale in ((10, 1, 0), (49, 1, 0), (50, 0, 0), (99, 0, 0), (100, 0, 1)):
        sensed.observe(inputs(), False, 10 + age)
        assert (sensed.fresh, sensed.stale) == (fresh, stale)
        assert sensed.alarm == (ALARM_STALE if stale else 0)
    sensed.alarm = 0
    sensed.observe(inputs(), True, 120)
    assert (sensed.fresh, sensed.stale, sensed.alarm) == (1, 0, 0)


def test_no_wrap_makes_an_old_sample_young():
    sensed = seen()
    sensed.observe(inputs(), False, 200)
    sensed.alarm = 0
    sensed.observe(inputs(), False, 15)  # 2^30 ms later
    assert (sensed.fresh, sensed.stale, sensed.alarm) == (0, 1, ALARM_STALE)


def test_ages_go_across_the_wrap():
    sensed = Sensed(SCALE)
    sensed.observe(inputs(), True, 0x3FFFFFFF)
    sensed.observe(inputs(), False, 48)
    assert (sensed.fresh, sensed.stale) == (1, 0)
    sensed.observe(inputs(), False, 99)
    assert (sensed.fresh, sensed.stale) == (0, 1)
