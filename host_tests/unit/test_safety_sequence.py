# Safe is a sequence (house rule 2). Runs on CPython and on MicroPython.
from firmware.boards import bench
from firmware.safety.sequence import Sequence
from firmware.signals import (
    OUT_AUX,
    OUT_BLEED,
    OUT_CONTACTOR,
    OUT_D1,
    OUT_D2,
    OUT_ENABLE,
    OUT_HEARTBEAT,
    OUT_LOCK,
)
from host_tests.unit.safety_rig import IDLE_OUTPUTS, RUN_OUTPUTS


class Sensed:
    def __init__(self):
        self.link_dV = self.inlet_dV = 0
        self.current_dA = self.before_dA = 0
        self.contactor = 0
        self.plugged = self.fresh = 1
        self.stale = 0
        self.is_locked = 1

    def locked(self):
        return self.is_locked


class Car:
    PINS = OUT_LOCK | OUT_AUX
    UNLOCK_dV = 600

    def __init__(self):
        self.insulating = 0
        self.may_close = 1


class Converter:
    def __init__(self):
        self.on_left = self.off_left = self.live = 1
        self.voltage_dV = 3750


def made():
    sensed, car, converter = Sensed(), Car(), Converter()
    sequence = Sequence(sensed, car, converter, bench)
    assert sequence.vet(IDLE_OUTPUTS, 0) == IDLE_OUTPUTS
    return sequence, sensed, car, converter


def matched():
    # Precharged: the link rose, the contactors may close.
    sequence, sensed, car, converter = made()
    sequence.watch()
    sensed.link_dV, sensed.inlet_dV = 3750, 3800
    sequence.watch()
    return sequence, sensed, car, converter


def closed(current_dA=0):
    sequence, sensed, car, converter = matched()
    assert sequence.vet(RUN_OUTPUTS, 0) == RUN_OUTPUTS
    sensed.contactor = 1
    sensed.link_dV = sensed.inlet_dV = 3800
    sensed.current_dA = sensed.before_dA = current_dA
    sequence.moved()
    assert sequence.vet(RUN_OUTPUTS, 10) == RUN_OUTPUTS
    assert (sequence.opened_under_load, sequence.refused_bits, sequence.opening) == (0, 0, 0)
    return sequence, sensed, car, converter


# --- closing ---
def may_close(spoil):
    sequence, sensed, car, converter = matched()
    spoil(sensed, car, converter)
    mask = sequence.vet(RUN_OUTPUTS, 0)
    assert mask in (RUN_OUTPUTS, IDLE_OUTPUTS)
    assert sequence.refused_bits == RUN_OUTPUTS - mask
    assert sequence.held == mask
    return mask == RUN_OUTPUTS


def set_(thing, **values):
    for name in values:
        assert hasattr(thing, name)
        setattr(thing, name, values[name])


def test_evidence_closes_the_contactors():
    assert may_close(lambda s, c, v: None)


def test_every_piece_of_evidence_counts():
    assert not may_close(lambda s, c, v: set_(s, fresh=0))
    assert not may_close(lambda s, c, v: set_(s, plugged=0))
    assert not may_close(lambda s, c, v: set_(s, is_locked=0))
    assert not may_close(lambda s, c, v: set_(c, may_close=0))
    assert not may_close(lambda s, c, v: set_(v, live=0))


def test_link_and_inlet_are_at_most_10_V_apart():
    for apart_dV, closes in ((-101, 0), (-100, 1), (100, 1), (101, 0)):
        assert may_close(lambda s, c, v, a=apart_dV: set_(s, inlet_dV=3750 - a)) == closes


def test_the_converter_agrees_within_20_V():
    for apart_dV, closes in ((-201, 0), (-200, 1), (200, 1), (201, 0)):
        assert may_close(lambda s, c, v, a=apart_dV: set_(v, voltage_dV=3750 + a)) == closes


def rising(low_dV, on=1, again=0):
    sequence, sensed, car, converter = made()
    sensed.link_dV = low_dV
    converter.on_left = on
    sequence.watch()
    if again:
        converter.on_left = 0
        sequence.watch()
        converter.on_left = 1
        sensed.link_dV = 3750
        sequence.watch()
    sensed.link_dV, sensed.inlet_dV = 3750, 3800
    sequence.watch()
    return sequence.vet(RUN_OUTPUTS, 0) == RUN_OUTPUTS


def test_the_link_must_rise_by_50_V_since_on():
    assert rising(3250)
    assert not rising(3251)
    assert not rising(0, on=0)  # before ON it is another precharge
    assert not rising(0, again=1)


def test_closing_waits_for_off_to_have_left_and_for_the_bleeder():
    sequence, sensed, car, converter = matched()
    converter.off_left = 0
    assert sequence.vet(RUN_OUTPUTS, 0) == OUT_LOCK | OUT_AUX
    assert sequence.refused_bits == OUT_CONTACTOR | OUT_ENABLE
    sequence, sensed, car, converter = matched()
    assert sequence.vet(IDLE_OUTPUTS | OUT_BLEED, 0) & OUT_BLEED
    assert not sequence.vet(RUN_OUTPUTS, 10) & OUT_CONTACTOR
    assert sequence.vet(RUN_OUTPUTS, 20) & OUT_CONTACTOR


def test_without_voltage_the_insulation_test_may_close():
    def dead(sensed, car, converter, link_dV=599, inlet_dV=599):
        set_(sensed, link_dV=link_dV, inlet_dV=inlet_dV)
        set_(car, insulating=1, may_close=0)
        set_(converter, live=0, on_left=0)

    assert may_close(dead)
    assert not may_close(lambda s, c, v: dead(s, c, v, 600, 599))
    assert not may_close(lambda s, c, v: dead(s, c, v, 599, 600))
    assert not may_close(lambda s, c, v: dead(s, c, v, 0, 101))
    assert not may_close(lambda s, c, v: (dead(s, c, v), set_(s, plugged=0)))
    assert not may_close(lambda s, c, v: (dead(s, c, v), set_(v, on_left=1)))
    assert not may_close(lambda s, c, v: (dead(s, c, v), set_(c, insulating=0, may_close=1)))


# --- opening ---
def test_without_load_they_open_at_once():
    for current_dA in (-50, 0, 50):
        sequence, sensed, car, converter = closed(current_dA)
        assert sequence.vet(IDLE_OUTPUTS, 20) == OUT_LOCK | OUT_AUX  # module-enable goes first
        assert (sequence.openings, sequence.opening) == (1, 0)


def test_under_load_they_wait_for_the_current():
    for current_dA in (-51, 51):
        sequence, sensed, car, converter = closed(current_dA)
        assert sequence.vet(IDLE_OUTPUTS, 20) == OUT_CONTACTOR | OUT_LOCK | OUT_AUX
        assert sequence.opening == 1
        assert sequence.vet(RUN_OUTPUTS, 30) == OUT_CONTACTOR | OUT_LOCK | OUT_AUX  # there is no way back
        sensed.current_dA = 50
        assert sequence.vet(RUN_OUTPUTS, 40) == OUT_LOCK | OUT_AUX
        assert (sequence.openings, sequence.opening) == (1, 0)


def test_they_are_open_90_ms_after_the_event_whatever_flows():
    # 20 ms to know of it, 30 ms for the relay
    for begin in (20, 0x3FFFFFF0):
        sequence, sensed, car, converter = closed(500)
        for wait in (0, 10, 39):
            assert sequence.vet(IDLE_OUTPUTS, (begin + wait) & 0x3FFFFFFF) & OUT_CONTACTOR
        assert not sequence.vet(IDLE_OUTPUTS, (begin + 40) & 0x3FFFFFFF) & OUT_CONTACTOR
        assert sequence.openings == 1


def test_a_current_that_is_not_fresh_counts_as_flowing():
    sequence, sensed, car, converter = closed(0)
    sensed.fresh = 0
    assert sequence.vet(IDLE_OUTPUTS, 20) & OUT_CONTACTOR
    assert sequence.vet(IDLE_OUTPUTS, 59) & OUT_CONTACTOR
    assert not sequence.vet(IDLE_OUTPUTS, 60) & OUT_CONTACTOR


def test_a_shut_gate_opens_whatever_is_asked():
    sequence, sensed, car, converter = closed(500)
    sequence.shut = 1
    assert sequence.vet(RUN_OUTPUTS, 20) == OUT_CONTACTOR | OUT_LOCK | OUT_AUX
    sensed.current_dA = 0
    assert sequence.vet(RUN_OUTPUTS, 30) == OUT_LOCK | OUT_AUX
    sensed.contactor = 0
    assert sequence.vet(RUN_OUTPUTS, 40) & (OUT_CONTACTOR | OUT_ENABLE) == 0
    assert sequence.refused_bits == 0


def test_openings_under_load_are_counted_by_what_is_seen():
    for before_dA, counted in ((-51, 1), (-50, 0), (0, 0), (50, 0), (51, 1)):
        sequence, sensed, car, converter = closed()
        sensed.contactor = 0
        sensed.before_dA = before_dA
        sequence.moved()
        assert sequence.opened_under_load == counted
        sequence.moved()
        assert sequence.opened_under_load == counted
        sensed.contactor = 1
        sequence.moved()
        assert sequence.opened_under_load == counted


# --- bleeding ---
def opened(link_dV=3800, inlet_dV=0):
    sequence, sensed, car, converter = closed(0)
    sequence.shut = 1
    sensed.link_dV, sensed.inlet_dV = link_dV, inlet_dV
    assert not sequence.vet(RUN_OUTPUTS, 0x3FFFFF00) & OUT_CONTACTOR
    return sequence, sensed, 0x3FFFFF00


def test_a_shut_gate_bleeds_by_itself_once_open():
    for link_dV, inlet_dV in ((600, 0), (0, 600)):
        sequence, sensed, now = opened(link_dV, inlet_dV)
        assert not sequence.vet(OUT_LOCK, now + 10) & OUT_BLEED  # not fed back open
        sensed.contactor = 0
        assert sequence.vet(OUT_LOCK, now + 20) & OUT_BLEED
        sensed.link_dV = sensed.inlet_dV = 599
        assert not sequence.vet(OUT_LOCK, now + 30) & OUT_BLEED
        sensed.link_dV = 3800
        assert not sequence.vet(OUT_LOCK, now + 40) & OUT_BLEED


def test_our_own_bleeding_ends():
    sequence, sensed, now = opened()
    sensed.contactor = 0
    assert sequence.vet(OUT_LOCK, (now + 5000) & 0x3FFFFFFF) & OUT_BLEED
    assert not sequence.vet(OUT_LOCK, (now + 5001) & 0x3FFFFFFF) & OUT_BLEED


def test_a_normal_opening_is_bled_by_the_stage():
    sequence, sensed, car, converter = closed(0)
    sequence.vet(IDLE_OUTPUTS, 20)
    sensed.contactor = 0
    assert not sequence.vet(OUT_LOCK | OUT_AUX, 30) & OUT_BLEED


def test_nobody_bleeds_a_battery():
    sequence, sensed, car, converter = closed(0)
    assert not sequence.vet(RUN_OUTPUTS | OUT_BLEED, 20) & OUT_BLEED
    assert sequence.refused_bits == OUT_BLEED
    sequence.vet(OUT_LOCK | OUT_AUX, 30)
    assert not sequence.vet(OUT_LOCK | OUT_AUX | OUT_BLEED, 40) & OUT_BLEED  # welded
    sensed.contactor = 0
    assert sequence.vet(OUT_LOCK | OUT_AUX | OUT_BLEED, 50) & OUT_BLEED
    assert sequence.refused_bits == 0
    assert sequence.vet(OUT_LOCK | OUT_AUX, 60) == OUT_LOCK | OUT_AUX
    car.insulating = 1
    sensed.contactor = 1
    assert sequence.vet(OUT_LOCK | OUT_AUX | OUT_BLEED, 70) & OUT_BLEED


# --- pins of the protocol ---
def test_the_auxiliary_supply_goes_last():
    sequence, sensed, car, converter = closed(0)
    assert sequence.vet(RUN_OUTPUTS & ~OUT_AUX, 20) & OUT_AUX
    assert sequence.refused_bits == OUT_AUX
    assert sequence.vet(OUT_LOCK, 30) == OUT_LOCK | OUT_AUX  # not fed back open
    assert sequence.refused_bits == OUT_AUX
    sensed.contactor = 0
    sensed.fresh = 0
    assert sequence.vet(OUT_LOCK, 40) & OUT_AUX
    sensed.fresh = 1
    assert sequence.vet(OUT_LOCK, 50) == OUT_LOCK
    assert sequence.refused_bits == 0


def test_the_auxiliary_supply_needs_a_plug():
    sequence, sensed, car, converter = made()
    sequence.vet(OUT_LOCK, 10)
    sensed.plugged = 0
    assert sequence.vet(OUT_LOCK | OUT_AUX, 20) == OUT_LOCK
    assert sequence.refused_bits == OUT_AUX
    sensed.plugged = 1
    assert sequence.vet(OUT_LOCK | OUT_AUX, 30) == OUT_LOCK | OUT_AUX


def test_unlocking_needs_open_contacts_and_less_than_60_V():
    def unlocks(**values):
        sequence, sensed, car, converter = made()
        sensed.link_dV = sensed.inlet_dV = 599
        set_(sensed, **values)
        mask = sequence.vet(OUT_AUX | OUT_ENABLE, 20)
        assert sequence.refused_bits == mask & OUT_LOCK
        return not mask & OUT_LOCK

    assert unlocks()
    assert not unlocks(link_dV=600)
    assert not unlocks(inlet_dV=600)
    assert not unlocks(contactor=1)
    assert not unlocks(fresh=0)
    sequence, sensed, car, converter = closed(0)
    sensed.link_dV = sensed.inlet_dV = sensed.contactor = 0
    assert sequence.vet(RUN_OUTPUTS & ~OUT_LOCK, 20) & OUT_LOCK  # the coil is on
    sequence.vet(OUT_LOCK, 30)
    assert sequence.vet(0, 40) == 0
    assert sequence.vet(OUT_LOCK, 50) == OUT_LOCK  # locking is free


def test_pins_of_other_protocols_stay_off():
    sequence, sensed, car, converter = made()
    assert sequence.vet(IDLE_OUTPUTS | OUT_D1 | OUT_D2, 10) == IDLE_OUTPUTS
    assert sequence.vet(IDLE_OUTPUTS | OUT_HEARTBEAT, 10) == IDLE_OUTPUTS | OUT_HEARTBEAT
    assert sequence.vet(IDLE_OUTPUTS | 256, 10) == IDLE_OUTPUTS


def test_module_enable_needs_living_sensors():
    sequence, sensed, car, converter = made()
    sensed.fresh = 0
    assert sequence.vet(IDLE_OUTPUTS, 10) & OUT_ENABLE
    sensed.stale = 1
    assert not sequence.vet(IDLE_OUTPUTS, 20) & OUT_ENABLE
    assert sequence.refused_bits == OUT_ENABLE
    sensed.stale = 0
    assert sequence.vet(IDLE_OUTPUTS, 30) & OUT_ENABLE


def test_a_new_sequence_holds_nothing():
    sequence = Sequence(Sensed(), Car(), Converter(), bench)
    assert (sequence.held, sequence.shut, sequence.opening, sequence.closed) == (0, 0, 0, 0)
    assert (sequence.openings, sequence.opened_under_load, sequence.refused_bits) == (0, 0, 0)
    assert (sequence.open_after_ms, sequence._forced, sequence.bleeding) == (40, 0, 0)
    assert sequence.vet(OUT_CONTACTOR, 0) == 0


def test_what_was_refused_is_forgotten_when_nothing_changes():
    sequence, sensed, car, converter = made()
    sensed.inlet_dV = 600
    sequence.vet(OUT_AUX | OUT_ENABLE, 10)
    assert sequence.refused_bits == OUT_LOCK
    sequence.vet(IDLE_OUTPUTS, 20)
    assert sequence.refused_bits == 0


def test_an_opening_by_time_counts_as_one_under_load_and_once():
    sequence, sensed, car, converter = closed(500)
    sequence.vet(IDLE_OUTPUTS, 20)
    assert sequence.opened_under_load == 0
    sequence.vet(IDLE_OUTPUTS, 60)
    assert (sequence.openings, sequence.opened_under_load) == (1, 1)
    sensed.contactor = 0
    sequence.moved()
    assert sequence.opened_under_load == 1
    # and the next one, by itself, counts again
    sensed.contactor = 1
    sequence.moved()
    sensed.contactor = 0
    sequence.moved()
    assert sequence.opened_under_load == 2


def test_what_does_not_change_is_not_out_of_order():
    sequence, sensed, car, converter = made()
    sensed.plugged = 0
    assert sequence.vet(OUT_AUX | OUT_LOCK | OUT_BLEED, 10) == OUT_AUX | OUT_LOCK | OUT_BLEED  # the supply stays on
    sensed.contactor = 1
    assert sequence.vet(OUT_AUX | OUT_LOCK, 20) == OUT_AUX | OUT_LOCK  # bleeding may always end
    assert sequence.refused_bits == 0
    sequence, sensed, car, converter = made()
    sensed.link_dV = 599
    assert sequence.vet(0, 10) == 0
    sensed.link_dV = 600
    assert sequence.vet(OUT_AUX, 20) == OUT_AUX  # unlocked it stays
    assert sequence.refused_bits == 0
    assert sequence.vet(OUT_AUX | OUT_LOCK, 30) == OUT_AUX | OUT_LOCK
    sequence, sensed, car, converter = made()
    sequence.vet(OUT_BLEED, 10)
    sensed.contactor = 1
    assert sequence.vet(OUT_BLEED | OUT_LOCK, 20) == OUT_BLEED | OUT_LOCK
    assert sequence.vet(OUT_LOCK, 30) == OUT_LOCK
    assert sequence.vet(OUT_LOCK | OUT_BLEED, 40) == OUT_LOCK
    assert sequence.refused_bits == OUT_BLEED
