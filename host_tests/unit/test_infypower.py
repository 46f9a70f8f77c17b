"""The Infypower driver before modules that answer, forget, refuse and fall silent. CPython and MicroPython."""

from firmware.contract import CHARGE, DISCHARGE
from firmware.converter.infypower import Driver
from firmware.faults import (
    F_CONVERTER_FAULT,
    F_CONVERTER_MODE,
    F_CONVERTER_OFF,
    F_CONVERTER_SILENT,
    Active,
)
from firmware.station import (
    V_FAULT,
    V_MODE,
    V_MODE_SET,
    V_MODULES,
    V_ON,
    V_POWER_AC_W,
    V_RATED_W,
    V_READY,
    V_STATUS,
    S_CURRENT_dA,
    Station,
    V_AGE_ms,
    V_CURRENT_dA,
    V_MAX_dA,
    V_MAX_dV,
    V_MIN_dV,
    V_TEMP_dC,
    V_VOLTAGE_dV,
)
from firmware.units import TICKS_MASK, UNKNOWN
from host_tests.unit.power_rig import Modules, Wire, config

SWITCH, VOLTAGE, CURRENT, MODE, CUTOFF = 0x1110, 0x1001, 0x1002, 0x2110, 0x1132


class Rig:
    def __init__(self, modules=1, configured=None, start_ms=0):
        self.station = Station()
        self.faults = Active(self.station.events)
        self.driver = Driver(self.station, self.faults, config(modules=configured or modules))
        self.modules = Modules(self.driver, modules)
        self.wire = Wire(self.driver, self.modules, start_ms)
        self.order = self.wire.order
        self.station.sense.now[S_CURRENT_dA] = 0

    def __getitem__(self, slot):
        return self.station.converter.now[slot]

    def tick(self, count=1):
        self.wire.tick(count)
        return self

    def ready(self):
        self.wire.until(lambda: self[V_READY] == 1)
        return self

    def start(self, mode=CHARGE, current_dA=0):
        order = self.order
        order.mode, order.voltage_dV, order.current_dA, order.on = mode, 4000, current_dA, 1
        order.cutoff_dV = 3200 if mode == DISCHARGE else 0
        self.wire.until(lambda: self[V_ON] == 1 and self[V_MODE] == mode)
        return self

    def writes(self, since=0):
        return [
            (data[0] << 8 | data[1], int.from_bytes(data[4:8], "big"))
            for can_id, data in self.modules.frames[since:]
            if can_id >> 16 & 0x3F == 0x24
        ]

    def mark(self):
        return len(self.modules.frames)


# --- start ---
def test_the_first_frame_after_a_reset_is_off():
    rig = Rig()
    rig.tick()
    assert rig.modules.frames[0] == (0x02E400F0, b"\x11\x10\0\0\0\0\0\xa1")


def test_only_off_and_zero_are_written_before_everything_is_known():
    rig = Rig()
    rig.order.on, rig.order.voltage_dV, rig.order.current_dA = 1, 4000, 100
    while rig[V_READY] != 1:
        for item, value in rig.writes():
            assert (item, value) in ((SWITCH, 0xA1), (CURRENT, 0))
        rig.tick()
        assert rig.wire.now < 3000


def test_what_the_modules_tell():
    rig = Rig().ready()
    rig.modules.actual = {VOLTAGE: 380824, CURRENT: 0, 0x2108: 15000}
    rig.tick(200)
    assert rig[V_MODULES] == 1 and rig[V_ON] == 0 and rig[V_FAULT] == 0 and rig[V_STATUS] == 0x100
    assert rig[V_MAX_dV] == 10000 and rig[V_MIN_dV] == 1500 and rig[V_MAX_dA] == 733 and rig[V_RATED_W] == 22000
    assert rig[V_TEMP_dC] == 300 and rig[V_VOLTAGE_dV] == 3808 and rig[V_CURRENT_dA] == 0 and rig[V_POWER_AC_W] == 15
    assert rig[V_MODE] == UNKNOWN  # OFF: nothing was echoed since


def test_ready_within_a_second_and_a_half():
    for modules in (1, 3):
        rig = Rig(modules)
        rig.ready()
        assert rig.wire.now <= 1500


def test_fewer_modules_than_configured_are_not_ready():
    rig = Rig(modules=1, configured=2)
    rig.tick(500)
    assert rig[V_READY] == 0
    rig = Rig(modules=2, configured=1)
    rig.tick(500)
    assert rig[V_READY] == 0


def test_several_modules_are_one_converter():
    rig = Rig(3).ready()
    assert rig[V_MODULES] == 3 and rig[V_MAX_dA] == 2199 and rig[V_RATED_W] == 66000
    rig.start()
    rig.modules.actual[0x2108] = 5000000
    rig.tick(100)
    assert rig[V_POWER_AC_W] == 15000
    rig.modules.on[1] = 0
    rig.tick(60)
    assert rig[V_ON] == UNKNOWN


# --- the way to ON ---
def first(writes):
    order = []
    for item, _ in writes:
        if item not in order:
            order.append(item)
    return order


def test_the_order_of_the_way_to_on():
    for mode, way in (
        (CHARGE, [MODE, VOLTAGE, CURRENT, SWITCH]),
        (DISCHARGE, [MODE, CUTOFF, VOLTAGE, CURRENT, SWITCH]),
    ):
        rig = Rig().ready().tick(50)
        mark = rig.mark()
        rig.start(mode, 100)
        writes = rig.writes(mark)
        assert (SWITCH, 0xA1) not in writes[writes.index((MODE, 0xA0 if mode == CHARGE else 0xA1)) :]
        steps = first(item for item in writes if item not in ((SWITCH, 0xA1), (CURRENT, 0)))
        assert steps[0] == MODE and steps[-1] == SWITCH and sorted(steps) == sorted(way)
        assert rig.modules.set[VOLTAGE] == 400000 and rig.modules.set[CURRENT] == 10000
        if mode == DISCHARGE:
            assert rig.modules.set[CUTOFF] == 320000
        assert rig[V_MODE] == rig[V_MODE_SET] == mode
        assert not rig.faults.worst


def test_on_takes_less_than_half_a_second():
    rig = Rig().ready()
    begun = rig.wire.now
    rig.start()
    assert rig.wire.now - begun <= 400


def test_the_mode_waits_for_off_and_for_less_than_an_ampere():
    rig = Rig().ready()
    for current_dA in (10, -10, 500, UNKNOWN):
        rig.station.sense.now[S_CURRENT_dA] = current_dA
        rig.order.on = 1
        rig.order.voltage_dV = 4000
        mark = rig.mark()
        rig.tick(100)
        assert not [item for item, _ in rig.writes(mark) if item == MODE]
    rig.station.sense.now[S_CURRENT_dA] = 0
    rig.modules.on[0] = 1  # it says that it is on
    rig.tick(20)
    rig.station.sense.now[S_CURRENT_dA] = 9


def test_on_waits_for_the_reported_mode():
    rig = Rig().ready()
    rig.modules.deaf.add(MODE)
    rig.order.mode, rig.order.on, rig.order.voltage_dV, rig.order.cutoff_dV = DISCHARGE, 1, 4000, 3200
    mark = rig.mark()
    rig.tick(400)
    assert (SWITCH, 0xA0) not in rig.writes(mark)
    assert rig.faults.has(F_CONVERTER_MODE)  # never echoed


def test_one_lost_frame_of_each_kind_only_costs_time():
    for lost in range(12):
        rig = Rig().ready()
        rig.order.on, rig.order.voltage_dV, rig.order.mode, rig.order.cutoff_dV = 1, 4000, DISCHARGE, 3200
        rig.tick(lost)
        rig.wire.lost = 1
        rig.start(DISCHARGE, 50)
        assert not rig.faults.worst


def test_a_frame_that_did_not_leave_stays_due():
    rig = Rig().ready().start()
    rig.order.current_dA = 300
    rig.wire.lost = 1000
    rig.tick(5)
    assert rig.modules.set[CURRENT] == 0
    rig.wire.lost = 0
    rig.tick(3)
    assert rig.modules.set[CURRENT] == 30000


# --- on ---
def test_set_points_go_out_at_once():
    rig = Rig().ready().start()
    rig.tick(20)
    rig.order.current_dA = 300
    rig.tick()
    assert rig.modules.set[CURRENT] == 30000
    rig.order.voltage_dV = 3950
    rig.tick()
    assert rig.modules.set[VOLTAGE] == 395000


def test_a_ramp_is_sent_every_20_ms_zero_at_once():
    rig = Rig().ready().start()
    rig.tick(20)
    mark = rig.mark()
    for current_dA in range(10, 510, 10):
        rig.order.current_dA = current_dA
        rig.tick()
    sent = [value for item, value in rig.writes(mark) if item == CURRENT]
    assert 24 <= len(sent) <= 28
    rig.order.current_dA = 500
    rig.tick(3)
    rig.order.current_dA = 490
    rig.tick()
    rig.order.current_dA = 0
    rig.tick()
    assert rig.modules.set[CURRENT] == 0


def test_everything_is_repeated():
    rig = Rig().ready().start(DISCHARGE, 100)
    rig.tick(50)
    mark = rig.mark()
    rig.tick(50)
    heard = [(can_id >> 16 & 0x3F, data[0] << 8 | data[1]) for can_id, data in rig.modules.frames[mark:]]
    for wanted in ((0x24, SWITCH), (0x24, CURRENT), (0x24, VOLTAGE), (0x24, CUTOFF), (0x23, 0x1001), (0x23, 0x1002),
                   (0x23, 0x1110), (0x23, 0x1111), (0x23, 0x2108)):  # fmt: skip
        assert wanted in heard
    assert (0x24, MODE) not in heard  # the mode is written only while OFF is reported
    assert len(heard) <= 20  # in half a second


def test_a_module_that_forgot_a_set_point_is_told_again():
    rig = Rig().ready().start(CHARGE, 200)
    rig.modules.set = {}
    rig.tick(50)
    assert rig.modules.set[VOLTAGE] == 400000 and rig.modules.set[CURRENT] == 20000


def test_signs_follow_the_mode():
    for mode in (CHARGE, DISCHARGE):
        for raw in (1, -1):  # a module may tell magnitudes
            rig = Rig().ready().start(mode, 100)
            rig.modules.actual = {VOLTAGE: 380000, CURRENT: raw * 10000, 0x2108: raw * 3700000}
            rig.tick(60)
            assert rig[V_CURRENT_dA] == 100 * mode and rig[V_POWER_AC_W] == 3700 * mode and rig[V_VOLTAGE_dV] == 3800
    rig.modules.actual[0x2108] = 20000
    rig.tick(60)
    assert rig[V_POWER_AC_W] == 20  # an inverter at no power draws its own consumption


# --- off ---
def test_off_and_zero_leave_in_the_tick_that_orders_them():
    for now in (0, 1):
        rig = Rig().ready().start(CHARGE, 300)
        rig.tick(7)
        mark = rig.mark()
        rig.order.on = rig.order.current_dA = 0
        rig.order.now = now
        rig.tick()
        assert rig.writes(mark)[:2] == [(SWITCH, 0xA1), (CURRENT, 0)]
        assert rig[V_MODE] == UNKNOWN and rig[V_MODE_SET] == UNKNOWN


def test_an_emergency_overrides_an_order_that_says_on():
    rig = Rig().ready().start(CHARGE, 300)
    mark = rig.mark()
    rig.order.now = 1
    rig.tick()
    assert rig.writes(mark)[:2] == [(SWITCH, 0xA1), (CURRENT, 0)]
    rig.tick(50)
    assert rig.modules.on == [0]


def test_an_off_that_is_lost_is_sent_again_every_20_ms_in_an_emergency():
    rig = Rig().ready().start(CHARGE, 300)
    rig.order.on, rig.order.now = 0, 1
    rig.modules.deaf.add(SWITCH)
    mark = rig.mark()
    rig.tick(20)
    assert rig.writes(mark).count((SWITCH, 0xA1)) >= 9
    rig.modules.deaf.clear()
    rig.tick(3)
    assert rig.modules.on == [0]


def test_after_off_the_mode_is_set_anew():
    rig = Rig().ready().start(CHARGE, 100)
    rig.order.on = 0
    rig.wire.until(lambda: rig[V_ON] == 0)
    mark = rig.mark()
    rig.start(CHARGE, 100)
    assert (MODE, 0xA0) in rig.writes(mark)


def test_on_again_before_off_was_reported_waits():
    rig = Rig().ready().start(CHARGE, 100)
    rig.order.on = 0
    rig.tick()
    rig.order.on, rig.order.mode, rig.order.cutoff_dV = 1, DISCHARGE, 3200
    rig.modules.deaf.add(SWITCH)
    rig.modules.on[0] = 1
    mark = rig.mark()
    rig.tick(60)
    assert MODE not in [item for item, _ in rig.writes(mark)]


def test_another_mode_in_the_order_while_on_goes_off_first():
    rig = Rig().ready().start(CHARGE, 100)
    rig.order.mode, rig.order.cutoff_dV, rig.order.current_dA = DISCHARGE, 3200, 0
    mark = rig.mark()
    rig.wire.until(lambda: rig[V_ON] == 1 and rig[V_MODE] == DISCHARGE)
    steps = [write for write in rig.writes(mark) if write[0] in (SWITCH, MODE)]
    assert steps[0] == (SWITCH, 0xA1) and (MODE, 0xA1) in steps
    assert steps.index((MODE, 0xA1)) < steps.index((SWITCH, 0xA0))
    assert not rig.faults.worst


# --- what goes wrong ---
def test_silence_is_a_fault_only_when_it_matters():
    for start_ms in (0, TICKS_MASK - 4000):
        rig = Rig(start_ms=start_ms).ready()
        rig.modules.silent.add(0)
        rig.tick(200)
        assert rig[V_READY] == 0 and rig[V_ON] == UNKNOWN and not rig.faults.worst and rig[V_AGE_ms] >= 1900
        rig.modules.silent.clear()
        rig.ready().start(CHARGE, 100)
        begun = rig.wire.now
        rig.modules.silent.add(0)
        rig.wire.until(lambda rig=rig: rig.faults.has(F_CONVERTER_SILENT))
        assert 500 <= (rig.wire.now - begun) & TICKS_MASK <= 700
        assert rig.writes()[-1] in ((SWITCH, 0xA1), (CURRENT, 0))


def test_one_silent_module_of_three_is_silence():
    rig = Rig(3).ready().start(CHARGE, 100)
    rig.modules.silent.add(2)
    rig.wire.until(lambda: rig.faults.has(F_CONVERTER_SILENT), 80)


def test_silence_never_wraps_to_fresh():
    rig = Rig().ready()
    rig.modules.silent.add(0)
    rig.tick(100)
    for _ in range(5):
        rig.wire.now = (rig.wire.now + TICKS_MASK - 20) & TICKS_MASK
        rig.tick(2)
        assert rig[V_AGE_ms] >= 900 and rig[V_READY] == 0


def test_zero_and_off_go_on_while_it_is_silent():
    rig = Rig().ready().start(CHARGE, 100)
    rig.modules.silent.add(0)
    rig.tick(80)
    mark = rig.mark()
    rig.tick(100)
    writes = rig.writes(mark)
    assert (SWITCH, 0xA1) in writes and (CURRENT, 0) in writes
    assert set(writes) == {(SWITCH, 0xA1), (CURRENT, 0)}


def test_a_status_bit_that_ends_the_work():
    rig = Rig().ready().start(CHARGE, 100)
    rig.modules.status[0] = 0x000200
    rig.wire.until(lambda: rig.faults.has(F_CONVERTER_FAULT), 20)
    assert rig[V_FAULT] == F_CONVERTER_FAULT and rig[V_READY] == 0
    rig.tick(5)
    assert rig.modules.on == [0]
    idle = Rig().ready()
    idle.modules.status[0] = 0x000200
    idle.tick(100)
    assert idle[V_READY] == 0 and not idle.faults.worst  # nobody is using it
    idle.modules.status[0] = 0
    idle.tick(100)
    assert idle[V_READY] == 1 and idle[V_FAULT] == 0


def test_any_module_of_three_may_complain():
    for module in range(3):
        rig = Rig(3).ready().start(CHARGE, 100)
        rig.modules.status[module] = 0x400000
        rig.wire.until(lambda rig=rig: rig.faults.has(F_CONVERTER_FAULT), 40)


def test_a_mode_that_turns_by_itself_is_a_fault():
    rig = Rig().ready().start(CHARGE, 100)
    rig.modules.mode[0] = 0xA1
    rig.wire.until(lambda: rig.faults.has(F_CONVERTER_MODE), 40)
    assert rig.writes()[-1] in ((SWITCH, 0xA1), (CURRENT, 0))


def test_off_that_is_never_reported_is_a_fault():
    rig = Rig().ready().start(CHARGE, 100)
    rig.order.on = 0
    rig.modules.deaf.add(SWITCH)
    begun = rig.wire.now
    rig.wire.until(lambda: rig.faults.has(F_CONVERTER_OFF))
    assert 1700 <= rig.wire.now - begun <= 1750  # 1.5 s and twice the reaction


def test_a_set_point_that_is_never_echoed_is_a_fault():
    rig = Rig().ready().start(CHARGE, 100)
    rig.modules.refuse[CURRENT] = 3
    rig.order.current_dA = 200
    begun = rig.wire.now
    rig.wire.until(lambda: rig.faults.has(F_CONVERTER_FAULT))
    assert 1400 <= rig.wire.now - begun <= 1700


def test_busy_in_start_is_asked_again_and_not_held_against_it():
    rig = Rig().ready()
    rig.modules.refuse[SWITCH] = 7
    rig.order.on, rig.order.voltage_dV = 1, 4000
    rig.tick(600)
    assert not rig.faults.worst
    rig.modules.refuse.clear()
    rig.start()


def test_an_echo_may_be_off_by_one_but_no_more():
    for off, fits in ((1, True), (-1, True), (2, False), (-2, False)):
        rig = Rig().ready().start(CHARGE, 100)
        rig.modules.deaf.add(CURRENT)
        rig.order.current_dA = 200
        for _ in range(200):
            rig.tick()
            rig.modules.say(0, CURRENT, 20000 + off, rig.wire.now, True)
        assert rig.faults.has(F_CONVERTER_FAULT) == (0 if fits else 1)


def test_strangers_and_nonsense_change_nothing():
    rig = Rig().ready().start(CHARGE, 100)
    before = list(rig.station.converter.now)
    data = memoryview(bytearray(b"\x11\x10\0\0\0\x40\x06\x21"))
    driver, now = rig.driver, rig.wire.now
    driver.receive(0x02E3F000, 0, data, now)  # standard id
    driver.receive(0x02E3F100, 1, data, now)  # to another controller
    driver.receive(0x02E3F009, 1, data, now)  # a module that was not counted
    driver.receive(0x02E3F000, 1, memoryview(bytearray(7)), now)
    driver.receive(0x0AE3F000, 1, data, now)  # an error
    driver.receive(0x02E3F000, 1, memoryview(bytearray(b"\x99\x99\0\0\0\0\0\0")), now)
    driver.receive(0x02E4F000, 1, memoryview(bytearray(b"\x99\x99\0\0\0\0\0\0")), now)
    driver.receive(0x02E3F000, 1, memoryview(bytearray(b"\x10\x01\0\0\x7f\0\0\0")), now)
    assert list(rig.station.converter.now) == before
    rig.tick(50)
    assert not rig.faults.worst and rig[V_ON] == 1


def test_frames_a_second_stay_within_the_bus():
    rig = Rig().ready().start(CHARGE, 100)
    rig.tick(10)
    mark = rig.mark()
    rig.tick(1000)
    assert 200 <= rig.mark() - mark <= 400  # of 781 a second, with as many replies
