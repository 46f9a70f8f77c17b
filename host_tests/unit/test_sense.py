"""The board's own sensors. Runs on CPython and on MicroPython."""

from firmware.boards import bench
from firmware.faults import F_ESTOP, F_SENSOR, F_SENSOR_STALE, Active
from firmware.sense import Sense
from firmware.signals import IN_CC1, IN_CURRENT, IN_ESTOP, IN_INLET, IN_LINK, IN_TEMP1, INPUTS
from firmware.station import (
    S_CONTACTOR,
    S_ESTOP,
    S_LOCKED,
    S_PERMISSION,
    S_PLUGGED,
    S_AGE_ms,
    S_CC1_mV,
    S_CURRENT_dA,
    S_INLET_dV,
    S_LINK_dV,
    S_TEMP1_dC,
    S_TEMP2_dC,
    Station,
)
from firmware.units import TICKS_MASK, UNKNOWN, AGE_MAX_ms
from host_tests.unit.power_rig import raw_inputs


class Rig:
    def __init__(self, start_ms=0):
        self.station = Station()
        self.faults = Active(self.station.events)
        self.sense = Sense(self.station, self.faults, bench.SCALE)
        self.now_ms = start_ms
        self.inputs = raw_inputs()

    def tick(self, count=1, fresh=True):
        for _ in range(count):
            self.now_ms = (self.now_ms + 10) & TICKS_MASK
            self.sense.step(self.inputs, fresh, self.now_ms)

    def __getitem__(self, slot):
        return self.station.sense.now[slot]


def test_before_the_first_sample_nothing_is_known():
    rig = Rig()
    rig.tick(50, fresh=False)
    assert rig[S_AGE_ms] == AGE_MAX_ms
    assert rig[S_LINK_dV] == rig[S_CURRENT_dA] == UNKNOWN
    assert rig[S_PLUGGED] == 0
    assert not rig.faults.has(F_SENSOR_STALE)


def test_scale_of_the_bench_board():
    rig = Rig()
    rig.inputs[IN_LINK] = 1000 + 2 * 3812
    rig.inputs[IN_INLET] = 1000 - 2 * 7
    rig.inputs[IN_CURRENT] = 32768 - 10 * 501
    rig.inputs[IN_CC1] = 4012
    rig.inputs[IN_TEMP1] = 500 + 313
    rig.tick(INPUTS)
    assert rig[S_LINK_dV] == 3812
    assert rig[S_INLET_dV] == -7
    assert rig[S_CURRENT_dA] == -501
    assert rig[S_CC1_mV] == 4012
    assert rig[S_TEMP1_dC] == 313 and rig[S_TEMP2_dC] == 250
    assert rig[S_AGE_ms] == 0


def test_every_input_reaches_its_slot():
    for slot in range(6, INPUTS):
        rig = Rig()
        rig.inputs[slot] = 1
        rig.tick(8)
        for other in range(6, INPUTS):
            assert rig[other + 1] == (1 if other == slot else 0)


def test_contactor_and_estop_are_read_in_every_sample():
    rig = Rig()
    for level in (1, 0, 1, 0):
        rig.inputs[6] = rig.inputs[IN_ESTOP] = level
        rig.tick()
        assert rig[S_CONTACTOR] == rig[S_ESTOP] == level
    assert rig.faults.has(F_ESTOP)


def test_the_slow_inputs_are_at_most_60_ms_old():
    rig = Rig()
    rig.tick(20)
    rig.inputs[9] = rig.inputs[10] = 1
    rig.inputs[IN_TEMP1] = 500 + 700
    rig.tick(7)
    assert rig[S_LOCKED] == rig[S_PERMISSION] == 1 and rig[S_TEMP1_dC] == 700


def test_one_spike_is_unknown_three_are_a_broken_sensor():
    for slot, name in ((IN_LINK, S_LINK_dV), (IN_INLET, S_INLET_dV), (IN_CURRENT, S_CURRENT_dA), (IN_CC1, S_CC1_mV)):
        for broken in (0, 65535):
            rig = Rig()
            rig.tick(5)
            good = rig.inputs[slot]
            if slot == IN_CC1 and broken == 0:
                broken = -1
            rig.inputs[slot] = broken
            rig.tick(2)
            assert rig[name] == UNKNOWN and not rig.faults.has(F_SENSOR)
            rig.inputs[slot] = good
            rig.tick()
            assert rig[name] != UNKNOWN
            rig.inputs[slot] = broken
            rig.tick(2)
            assert not rig.faults.has(F_SENSOR)
            rig.tick()
            assert rig.faults.has(F_SENSOR)


def test_a_broken_temperature_is_found_within_100_ms():
    for slot, name in ((IN_TEMP1, S_TEMP1_dC), (5, S_TEMP2_dC)):
        rig = Rig()
        rig.tick(20)
        rig.inputs[slot] = 4095
        rig.tick(10)
        assert rig[name] == UNKNOWN and rig.faults.has(F_SENSOR)


def test_the_edge_of_the_range_is_inside():
    rig = Rig()
    rig.inputs[IN_LINK] = 500
    rig.tick(5)
    assert rig[S_LINK_dV] == -250
    rig.inputs[IN_LINK] = 25000
    rig.tick(5)
    assert rig[S_LINK_dV] == 12000
    assert not rig.faults.has(F_SENSOR)


def test_age_and_stale_data():
    rig = Rig()
    rig.tick(3)
    rig.tick(5, fresh=False)
    assert rig[S_AGE_ms] == 50
    rig.tick(14, fresh=False)
    assert rig[S_AGE_ms] == 190 and rig[S_LINK_dV] == 0
    rig.tick(1, fresh=False)
    assert rig[S_AGE_ms] == AGE_MAX_ms and rig[S_LINK_dV] == UNKNOWN and rig[S_TEMP2_dC] == UNKNOWN
    assert rig.faults.has(F_SENSOR_STALE)
    rig.now_ms = (rig.now_ms + TICKS_MASK - 5) & TICKS_MASK  # 12 days without a sample, once round
    rig.tick(1, fresh=False)
    assert rig[S_AGE_ms] == AGE_MAX_ms
    rig.tick(1)
    assert rig[S_AGE_ms] == 0 and rig[S_LINK_dV] == 0


def plugged(start_ms=0):
    rig = Rig(start_ms)
    rig.inputs[IN_CC1] = 4000
    rig.tick(30)
    return rig


def test_the_plug_counts_after_200_ms_and_is_lost_after_20():
    for start_ms in (0, TICKS_MASK - 105, TICKS_MASK - 305):
        rig = Rig(start_ms)
        rig.tick(5)
        rig.inputs[IN_CC1] = 4000
        rig.tick(19)
        assert rig[S_PLUGGED] == 0
        rig.tick(1)
        assert rig[S_PLUGGED] == 1
        rig.tick(10)
        rig.inputs[IN_CC1] = 6000
        rig.tick(1)
        assert rig[S_PLUGGED] == 1
        rig.tick(1)
        assert rig[S_PLUGGED] == 0


def test_a_bouncing_contact_is_no_plug():
    rig = Rig()
    for _ in range(50):
        rig.inputs[IN_CC1] = 4000
        rig.tick(15)
        rig.inputs[IN_CC1] = 6000
        rig.tick(1)
    assert rig[S_PLUGGED] == 0


def test_one_bad_sample_does_not_pull_the_plug():
    rig = plugged()
    for _ in range(20):
        rig.inputs[IN_CC1] = 6000
        rig.tick(1)
        rig.inputs[IN_CC1] = 4000
        rig.tick(3)
        assert rig[S_PLUGGED] == 1


def test_the_window_of_cc1():
    for cc1_mV, expected in ((3199, 0), (3200, 1), (4800, 1), (4801, 0), (0, 0), (12000, 0)):
        rig = Rig()
        rig.inputs[IN_CC1] = cc1_mV
        rig.tick(30)
        assert rig[S_PLUGGED] == expected


def test_a_broken_cc1_is_no_plug_but_an_old_sample_pulls_none():
    rig = plugged()
    rig.inputs[IN_CC1] = 20000
    rig.tick(3)
    assert rig[S_PLUGGED] == 0
    rig = plugged()
    rig.tick(50, fresh=False)
    assert rig[S_PLUGGED] == 1


def test_spikes_of_a_temperature_far_apart_do_not_add_up():
    rig = Rig()
    rig.tick(20)
    for _ in range(10):
        rig.inputs[IN_TEMP1] = 4095
        while rig[S_TEMP1_dC] != UNKNOWN:
            rig.tick()
        rig.inputs[IN_TEMP1] = 750
        rig.tick(15)
        assert rig[S_TEMP1_dC] == 250 and not rig.faults.has(F_SENSOR)
