# Contactors that close onto a dead cable, for the insulation test. Runs on CPython and on MicroPython.
from firmware.signals import OUT_BLEED, OUT_CONTACTOR, OUT_ENABLE, OUT_LOCK
from host_tests.unit.safety_rig import IDLE_OUTPUTS, RUN_OUTPUTS, Rig
from host_tests.unit.test_safety_sequence import closed, made, set_


def test_it_is_known_what_the_contactors_were_closed_for():
    sequence, sensed, car, converter = made()
    set_(car, insulating=1)
    set_(converter, on_left=0)
    assert sequence.dead == 0
    assert sequence.vet(RUN_OUTPUTS, 10) & OUT_CONTACTOR
    assert sequence.dead == 1
    assert not sequence.vet(IDLE_OUTPUTS, 20) & OUT_CONTACTOR
    assert sequence.dead == 0
    assert closed(0)[0].dead == 0


def test_until_the_current_is_down_a_test_is_not_over():
    sequence, sensed, car, converter = made()
    set_(car, insulating=1)
    set_(converter, on_left=0)
    sequence.vet(RUN_OUTPUTS, 10)
    sensed.current_dA = 51
    assert sequence.vet(IDLE_OUTPUTS, 20) & OUT_CONTACTOR and sequence.dead == 1


CHM = 0x1826F456
TEST_OUTPUTS = IDLE_OUTPUTS | OUT_CONTACTOR


def in_the_test():
    rig = Rig().plug()
    assert rig.to_car(CHM, b"\x01\x01\x00")
    rig.tick(2)
    rig.asked = TEST_OUTPUTS
    rig.tick(8)
    assert rig.contactor and rig.gate.sequence.dead
    return rig


def bled_ms(rig, ticks):
    # How long it was bled with the contactors closed.
    rig.asked = (TEST_OUTPUTS | OUT_BLEED) & ~OUT_ENABLE
    ms = 0
    for _ in range(ticks):
        rig.tick()
        ms += 10 if rig.outputs & OUT_BLEED and rig.contactor else 0
    return ms


def test_a_car_that_closes_its_contactors_in_the_test_is_not_bled_for_long():
    rig = in_the_test()
    rig.battery_V = 380
    assert 5000 <= bled_ms(rig, 3000) <= 5000 + 100
    assert not rig.contactor and rig.gate.opened_under_load == 0


def test_link_and_cable_are_bled_together_as_long_as_it_takes():
    rig = in_the_test()
    rig.link_V = rig.inlet_V = 400
    assert bled_ms(rig, 499) == 4990 and rig.contactor and rig.gate.refused == 0
    rig.asked = TEST_OUTPUTS  # each bleeding has its own time
    rig.tick(300)
    assert bled_ms(rig, 499) == 4990 and rig.contactor and rig.gate.refused == 0


def test_a_test_that_takes_its_time_is_no_bleeding():
    rig = in_the_test()
    assert bled_ms(rig, 10) == 100
    rig.asked = TEST_OUTPUTS
    rig.tick(800)
    assert rig.contactor and rig.gate.sequence.dead


def bleeding(at):
    # K1/K2 closed onto a dead cable, and the resistor on since `at`.
    sequence, sensed, car, converter = made()
    set_(car, insulating=1)
    set_(converter, on_left=0)
    sequence.vet(TEST_OUTPUTS, at - 10)
    assert sequence.vet(TEST_OUTPUTS | OUT_BLEED, at) & OUT_BLEED
    return sequence


def test_5_s_are_5_s():
    sequence = bleeding(100)
    assert not sequence.burns(5100) and sequence.burns(5101)


def test_another_pin_begins_no_new_bleeding():
    sequence = bleeding(100)
    sequence.vet((TEST_OUTPUTS | OUT_BLEED) & ~OUT_LOCK, 3000)
    assert sequence.refused_bits == OUT_LOCK and sequence.held == TEST_OUTPUTS | OUT_BLEED
    assert sequence.burns(5101)


def test_a_hello_in_a_session_makes_no_dead_cable_of_a_battery():
    rig = Rig().charging(0)
    assert rig.to_car(CHM, b"\x01\x01\x00")
    rig.tick(2)
    rig.asked = RUN_OUTPUTS | OUT_BLEED
    rig.tick(3)
    assert rig.contactor and not rig.outputs & OUT_BLEED
    assert rig.gate.sequence.refused_bits == OUT_BLEED
