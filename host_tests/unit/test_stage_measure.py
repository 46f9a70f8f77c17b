"""The insulation test with a monitor. Runs on CPython and on MicroPython."""

from firmware.contract import INSULATE, OFF
from firmware.faults import (
    F_BLEED,
    F_CAR_CONTACTOR_WELDED,
    F_CONTACTOR_FEEDBACK,
    F_CONVERTER_MISSING,
    F_INSULATION,
    F_MONITOR,
)
from firmware.signals import OUT_BLEED, OUT_CONTACTOR
from firmware.station import (
    E_CODE,
    E_DATA,
    E_STATE,
    EV_INSULATION,
    EVENT_SLOTS,
    I_ALARM,
    I_COUNT,
    I_TEST,
    RESULT_ALARM,
    RESULT_PASSED,
    TEST_NONE,
    TEST_PASSED,
    V_READY,
    I_AGE_ms,
    I_R_kohm,
)
from firmware.units import UNKNOWN
from host_tests.unit.power_rig import Power


class Rig(Power):
    """A monitor that answers every 80 ms."""

    def __init__(self, test=TEST_PASSED, ready=1, pack_dV=UNKNOWN):
        super().__init__(insulation_monitor="isocha425")
        self.insulation = self.station.insulation.now
        self.insulation[I_AGE_ms] = self.insulation[I_ALARM] = self.insulation[I_COUNT] = 0
        self.insulation[I_R_kohm] = 5000
        self.insulation[I_TEST] = test
        self.station.converter.now[V_READY] = ready
        self.closed_kohm = 5000  # with the cable connected
        self.speaks = True
        self.tick(3)
        self.pack_dV = pack_dV
        self.want.mode, self.want.voltage_dV = INSULATE, 4000
        self.tick()  # what OFF had reached no longer counts

    def _physics(self):
        super()._physics()
        if self.closed and self.pack_dV == UNKNOWN:
            self.inlet_dV = self.link_dV

    def tick(self, count=1):
        for _ in range(count):
            super().tick()
            if self.now % 80 == 0 and getattr(self, "speaks", False):
                self.insulation[I_COUNT] += 1
                self.insulation[I_AGE_ms] = 0
                if self.insulation[I_R_kohm] != UNKNOWN:
                    self.insulation[I_R_kohm] = self.closed_kohm if self.closed else 5000
            elif hasattr(self, "insulation"):
                self.insulation[I_AGE_ms] += 10

    def held(self):
        self.until(lambda: self.link_dV >= 3990)
        return self


def reached(rig):
    return rig.stage.reached


def fails_with(rig, code, ticks=3000):
    rig.until(lambda: reached(rig).fault, ticks)
    assert reached(rig).fault == code, reached(rig).fault
    assert rig.faults.has(code)
    rig.want.mode = OFF
    rig.until(lambda: reached(rig).mode == OFF and not rig.closed and rig.link_dV < 600)
    assert not rig.stage.order.on


def told(rig):
    """The results that were told: (sum of RESULT_..., kohm) of each."""
    event, found = [0] * EVENT_SLOTS, []
    while rig.station.events.get(event):
        if event[E_CODE] == EV_INSULATION:
            found.append((event[E_STATE], event[E_DATA]))
    return found


def test_closed_dead_raised_read_bled_and_opened():
    rig = Rig()
    highest_dV = closed_at_dV = 0
    while not reached(rig).done:
        was = rig.closed
        rig.tick()
        if rig.closed and not was:
            closed_at_dV = max(rig.link_dV, 1)
        highest_dV = max(highest_dV, rig.link_dV)
        assert not (rig.stage.relays & OUT_BLEED and rig.on)
        assert rig.closed or rig.link_dV < 600  # no voltage on open contactors
        assert not reached(rig).fault and rig.now < 20000
    assert closed_at_dV == 1 and highest_dV == 4000 and rig.link_dV < 600 and not rig.closed
    rig.want.mode = OFF
    rig.until(lambda: reached(rig).mode == OFF and reached(rig).done)


def test_it_waits_for_the_self_test_and_closes_nothing():
    rig = Rig(TEST_NONE)
    rig.tick(1000)
    assert not rig.stage.relays & OUT_CONTACTOR and not rig.stage.order.on
    rig.insulation[I_TEST] = TEST_PASSED
    rig.until(lambda: reached(rig).done)
    rig = Rig(TEST_NONE)
    fails_with(rig, F_MONITOR)


def test_too_little_fails_and_the_limit_does_not():
    for kohm, found in ((99, True), (100, False)):
        rig = Rig()
        rig.closed_kohm = kohm
        if found:
            fails_with(rig, F_INSULATION)
        else:
            rig.until(lambda rig=rig: reached(rig).done)


def test_an_alarm_of_the_device_fails():
    rig = Rig().held()
    rig.insulation[I_ALARM] = 1
    fails_with(rig, F_INSULATION, 200)


def test_what_was_read_before_the_voltage_stood_does_not_count():
    rig = Rig().held()
    rig.speaks = False
    rig.tick(300)
    assert not reached(rig).done and not reached(rig).fault
    rig.speaks = True
    rig.until(lambda: reached(rig).done)


def test_no_value_is_no_evidence():
    rig = Rig().held()
    rig.insulation[I_R_kohm] = UNKNOWN
    fails_with(rig, F_INSULATION)


def test_a_monitor_that_falls_silent():
    rig = Rig().held()
    rig.speaks = False
    fails_with(rig, F_MONITOR, 520)


def test_contactors_that_do_not_close():
    rig = Rig()
    rig.faulty.add("contact sticks")
    fails_with(rig, F_CONTACTOR_FEEDBACK, 100)
    assert rig.link_dV < 100


def test_a_link_that_does_not_rise_or_sags_or_leaks():
    rig = Rig()
    rig.until(lambda: rig.closed)
    rig.faulty.add("link stays down")
    fails_with(rig, F_INSULATION)
    rig = Rig().held()
    rig.tick(5)
    rig.faulty.add("link stays down")
    rig.link_dV = 3500
    fails_with(rig, F_INSULATION, 5)
    rig = Rig().held()
    rig.tick(5)
    rig.faulty.add("runs away")
    fails_with(rig, F_INSULATION, 5)


def test_a_car_that_closes_in_the_test_is_not_charged():
    rig = Rig()
    rig.until(lambda: rig.on)
    assert not reached(rig).fault
    rig.pack_dV = 3700  # the link cannot rise to where the test is
    fails_with(rig, F_INSULATION, 5)


def bled(faulty=""):
    """Bleeding has just begun, with K1/K2 closed."""
    rig = Rig()
    rig.until(lambda: rig.stage.relays & OUT_BLEED and rig.closed)
    rig.faulty.add(faulty)
    return rig


def test_a_car_that_closes_while_it_is_bled_is_named_before_the_gate_opens():
    for after in (0, 5, 20):
        rig = bled()
        rig.tick(after)
        rig.pack_dV = 3700
        fails_at = after + rig.until(lambda rig=rig: not rig.stage.relays & OUT_CONTACTOR)
        assert 440 <= fails_at <= 460 and not reached(rig).fault  # the gate opens after 5 s
        fails_with(rig, F_CAR_CONTACTOR_WELDED, 60)


def test_a_bleeder_that_does_not_work_is_no_car_s_contactor():
    rig = bled("no bleed")
    rig.until(lambda: reached(rig).fault, 610)
    rig.faulty.clear()
    fails_with(rig, F_BLEED, 1)


def test_contactors_that_stay_closed_after_the_bleeding():
    rig = bled("contact sticks")
    rig.pack_dV = 3700
    rig.until(lambda: reached(rig).fault, 610)
    assert reached(rig).fault == F_CONTACTOR_FEEDBACK


def test_voltage_outside_is_the_cars_contactor():
    rig = Rig(pack_dV=3800)
    fails_at = rig.until(lambda: reached(rig).fault)
    assert reached(rig).fault == F_CAR_CONTACTOR_WELDED and fails_at < 2600
    assert not rig.stage.relays & OUT_CONTACTOR and not rig.closed


def test_no_converter_no_test():
    rig = Rig(ready=0)
    fails_with(rig, F_CONVERTER_MISSING)


def test_contactors_that_the_gate_opens_end_it():
    rig = Rig().held()
    rig.stage.relays &= ~OUT_CONTACTOR  # what is read from here on is of the link alone
    fails_with(rig, F_INSULATION, 200)
    rig = Rig()
    rig.until(lambda: rig.stage.relays & OUT_BLEED and rig.closed)
    rig.stage.relays &= ~OUT_CONTACTOR
    fails_with(rig, F_BLEED, 200)


def test_a_result_is_told_with_what_was_measured():
    rig = Rig()
    rig.closed_kohm = 321
    rig.until(lambda: reached(rig).done)
    assert told(rig) == [(RESULT_PASSED, 321)]
    rig = Rig()
    rig.closed_kohm = 99
    fails_with(rig, F_INSULATION)
    assert told(rig) == [(0, 99)]
    rig = Rig().held()
    rig.insulation[I_ALARM] = 1
    fails_with(rig, F_INSULATION, 200)
    assert told(rig) == [(RESULT_ALARM, 5000)]


def test_a_test_that_came_to_no_number_is_told_as_failed_without_one():
    rig = Rig().held()
    rig.speaks = False
    fails_with(rig, F_MONITOR, 520)
    assert told(rig) == [(0, UNKNOWN)]
    rig = Rig()
    rig.faulty.add("contact sticks")
    fails_with(rig, F_CONTACTOR_FEEDBACK, 100)
    assert told(rig) == [(0, UNKNOWN)]


def test_what_did_not_begin_and_what_went_wrong_afterwards_is_no_result():
    rig = Rig(pack_dV=3800)
    fails_with(rig, F_CAR_CONTACTOR_WELDED)
    assert told(rig) == []
    rig = bled("no bleed")
    rig.until(lambda: reached(rig).fault, 610)
    assert told(rig) == [(RESULT_PASSED, 5000)]
    rig = Rig().held()
    rig.want.mode = OFF  # broken off
    rig.until(lambda: reached(rig).mode == OFF and not rig.closed)
    assert told(rig) == []


def test_each_test_has_its_own_number():
    rig = Rig()
    rig.until(lambda: reached(rig).done)
    rig.want.mode = OFF
    rig.until(lambda: reached(rig).mode == OFF and reached(rig).done)
    rig.want.mode = INSULATE
    rig.until(lambda: rig.closed)
    rig.faulty.add("link stays down")
    fails_with(rig, F_INSULATION)
    assert told(rig) == [(RESULT_PASSED, 5000), (0, UNKNOWN)]


def test_a_value_that_still_falls_is_waited_for():
    """A monitor that comes from 5 Mohm to what there is by a quarter every reading, as the bench's do, or slower."""
    for share in (2, 4, 8, 16):
        for kohm in (60, 95, 130):
            rig = Rig().held()
            measured = 5000
            while not reached(rig).done and not reached(rig).fault:
                if rig.now % 80 == 0:
                    measured -= (measured - kohm + share - 1) // share
                    rig.closed_kohm = max(measured, kohm)
                rig.tick()
                assert rig.now < 30000
            assert reached(rig).fault == (0 if kohm == 130 else F_INSULATION), (share, kohm)


def test_a_value_that_wavers_passes():
    rig = Rig().held()
    for turn in range(400):
        rig.closed_kohm = (2000, 2100, 1900, 2200)[turn & 3]
        rig.tick(8)
        if reached(rig).done:
            break
    assert reached(rig).done and not reached(rig).fault
