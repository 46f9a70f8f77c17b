"""The Infypower driver before modules that answer, forget, refuse and fall silent. CPython and MicroPython."""

from firmware.contract import CHARGE, DISCHARGE
from firmware.faults import (
    F_CONVERTER_MODE,
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
    V_CURRENT_dA,
    V_MAX_dA,
    V_MAX_dV,
    V_MIN_dV,
    V_TEMP_dC,
    V_VOLTAGE_dV,
)
from firmware.units import UNKNOWN
from host_tests.unit.infypower_rig import Rig

SWITCH, VOLTAGE, CURRENT, MODE, CUTOFF = 0x1110, 0x1001, 0x1002, 0x2110, 0x1132


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
    rig.modules.deaf.add(SWITCH)
    rig.tick(60)
    assert rig[V_ON] == UNKNOWN
    rig.modules.deaf.clear()
    rig.wire.until(lambda: rig[V_ON] == 1, 60)  # ON is repeated


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
    rig.order.current_dA = 510
    rig.tick()
    rig.order.current_dA = 490  # within 20 ms of the last, but lower
    rig.tick()
    assert rig.modules.set[CURRENT] == 49000
    rig.order.current_dA = 0
    rig.tick()
    assert rig.modules.set[CURRENT] == 0


def fall_while_on_is_repeated(rig):
    """The order falls in the tick in which ON is repeated; the writes of that tick."""
    rig.tick(20)
    for _ in range(200):
        rig.order.current_dA -= 1
        mark = rig.mark()
        rig.tick()
        writes = rig.writes(mark)
        if (SWITCH, 0xA0) in writes:
            return writes
    raise AssertionError("ON was never repeated")


def test_a_lower_current_leaves_before_on_is_repeated():
    for mode in (CHARGE, DISCHARGE):
        rig = Rig().ready().start(mode, 300)
        writes = fall_while_on_is_repeated(rig)
        assert writes.index((CURRENT, rig.order.current_dA * 100)) < writes.index((SWITCH, 0xA0))


def test_on_is_not_repeated_while_a_lower_current_cannot_leave():
    rig = Rig().ready().start(CHARGE, 300).tick(20)
    rig.wire.blocked = lambda item: item == CURRENT
    rig.order.current_dA = 290
    mark = rig.mark()
    rig.tick(100)
    assert (SWITCH, 0xA0) not in rig.writes(mark)
    rig.wire.blocked = lambda item: False
    rig.tick(100)
    writes = rig.writes(mark)
    assert writes.index((CURRENT, 29000)) < writes.index((SWITCH, 0xA0))


def test_on_is_repeated_while_a_higher_current_is_refused():
    rig = Rig().ready().start(CHARGE, 300).tick(20)
    rig.wire.blocked = lambda item: item == CURRENT
    rig.order.current_dA = 310
    mark = rig.mark()
    rig.tick(100)
    assert (SWITCH, 0xA0) in rig.writes(mark)


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


def test_after_a_discharge_only_off_and_zero_are_repeated():
    rig = Rig().ready().start(DISCHARGE, 100)
    rig.order.on = rig.order.current_dA = 0
    rig.wire.until(lambda: rig[V_ON] == 0)
    mark = rig.mark()
    rig.tick(200)
    assert set(rig.writes(mark)) == {(SWITCH, 0xA1), (CURRENT, 0)}
