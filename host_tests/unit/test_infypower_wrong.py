"""What goes wrong around the Infypower driver: silence, faults, a mode that turns, echoes that do not come."""

from firmware.contract import CHARGE
from firmware.faults import (
    F_CONVERTER_FAULT,
    F_CONVERTER_MODE,
    F_CONVERTER_OFF,
    F_CONVERTER_SILENT,
)
from firmware.station import (
    V_FAULT,
    V_ON,
    V_READY,
    V_AGE_ms,
)
from firmware.units import TICKS_MASK, UNKNOWN
from host_tests.unit.infypower_rig import Rig

SWITCH, VOLTAGE, CURRENT, MODE, CUTOFF = 0x1110, 0x1001, 0x1002, 0x2110, 0x1132


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


def silenced(rig, ticks=500):
    """In use, and then not heard for so long; what the stage makes of it."""
    rig.ready().start(CHARGE, 100).modules.silent.add(0)
    rig.wire.until(lambda: rig.faults.has(F_CONVERTER_SILENT))
    rig.order.on, rig.order.current_dA = 0, 0
    rig.tick(ticks)
    return rig


def test_a_converter_that_is_heard_again_has_its_time_to_report_off():
    for modules in (1, 3):
        rig = silenced(Rig(modules))
        rig.modules.silent.clear()
        rig.ready()
        assert rig[V_ON] == 0 and not rig.faults.has(F_CONVERTER_OFF), "it was silent, nothing else"


def test_one_that_is_heard_again_and_stays_on_is_told_in_that_time():
    rig = silenced(Rig())
    rig.modules.on[0] = 1
    rig.modules.deaf.add(SWITCH)
    rig.modules.silent.clear()
    begun = rig.wire.now
    rig.wire.until(lambda: rig.faults.has(F_CONVERTER_OFF))
    assert 1650 <= rig.wire.now - begun <= 1750  # 1.5 s and twice the reaction


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


def tripped(rig):
    """All modules go off by themselves, and what they report arrives."""
    begun = len(rig.modules.frames)
    rig.modules.on = [0] * rig.modules.count
    for module in range(rig.modules.count):  # before ON is repeated and switches them on again
        rig.modules.say(module, SWITCH, 0x100, rig.wire.now)
    rig.wire.until(lambda: (SWITCH, 0xA1) in rig.writes(begun), 40)
    rig.order.current_dA = 0  # what the stage makes of it
    return rig


def test_modules_that_went_off_by_themselves_are_started_again():
    for modules in (1, 3):
        rig = Rig(modules).ready().start(CHARGE, 100)
        rig.tick(20)
        begun = len(rig.modules.frames)
        tripped(rig).wire.until(lambda rig=rig: rig[V_ON] == 1, 60)
        written = rig.writes(begun)
        way = [written.index(each) for each in ((SWITCH, 0xA1), (MODE, 0xA0), (SWITCH, 0xA0))]
        assert way == sorted(way) and all(rig.modules.on)
        assert [value for item, value in written[: way[2]] if item == CURRENT][-1] == 0
        assert not rig.faults.worst


def test_on_is_repeated_until_the_modules_are_on():
    rig = Rig().ready()
    rig.order.on, rig.order.voltage_dV = 1, 4000
    rig.wire.until(lambda: (SWITCH, 0xA0) in rig.writes())
    rig.modules.on = [0]  # echoed, and not obeyed
    rig.modules.say(0, SWITCH, 0x100, rig.wire.now)
    rig.wire.until(lambda: rig[V_ON] == 1, 80)
    assert not rig.faults.worst


def test_twice_within_a_minute_is_a_fault_and_off():
    for wait_ticks, is_fault in ((5500, 1), (6200, 0)):
        rig = Rig().ready().start(CHARGE, 100)
        rig.tick(20)
        tripped(rig).wire.until(lambda rig=rig: rig[V_ON] == 1, 60)
        tripped(rig.tick(wait_ticks))
        assert rig.faults.has(F_CONVERTER_FAULT) == is_fault


def test_a_module_that_was_told_off_did_not_go_off_by_itself():
    rig = Rig().ready().start(CHARGE, 100)
    for _ in range(3):
        rig.tick(20).order.on = 0
        rig.wire.until(lambda: rig[V_ON] == 0, 60)
        rig.start(CHARGE, 100)
    assert not rig.faults.worst


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
