# Contactors that close onto a dead cable, for the insulation test. Runs on CPython and on MicroPython.
from firmware.signals import OUT_CONTACTOR
from host_tests.unit.safety_rig import IDLE_OUTPUTS, RUN_OUTPUTS
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
