# What may flow and what may be said, fact by fact. Runs on CPython and on MicroPython.
from firmware import faults
from firmware.signals import OUT_AUX, OUT_CONTACTOR, OUT_LOCK
from firmware.units import UNKNOWN
from host_tests.unit.safety_rig import (
    IDLE_OUTPUTS,
    INVERTER,
    ON,
    RECTIFIER,
    RUN_OUTPUTS,
    Rig,
    amps,
    ccs,
    command,
    raw_A,
    u16,
    volts,
)

CCS, CCD, CRO, CML, CMLP = 0x1812F456, 0x1832F456, 0x100AF456, 0x1808F456, 0x1831F456


def healthy(rig):
    assert (rig.gate.refused, rig.gate.trip, rig.gate.off_needed) == (0, 0, 0), (rig.gate.refused_id, rig.gate.trip)
    return rig


def idle():
    rig = Rig().plug()
    rig.asked = IDLE_OUTPUTS
    return rig.tick(12)


def prepared(mode=RECTIFIER):
    rig = Rig().charging(0)
    rig.stop_flow()
    rig.tick(11)
    rig.send(mode)
    rig.tick(11)
    return rig


# --- volts ---
def test_volts_stay_below_what_car_and_board_stand():
    rig = idle()
    assert rig.send(volts(750)) and not rig.send(volts(750.1))
    rig.hear(0x182756F4, u16(4300))
    assert rig.send(volts(430)) and not rig.send(volts(430.001))
    rig.hear(0x182756F4, u16(9000))
    assert rig.send(volts(750)) and not rig.send(volts(750.1))


# --- amperes ---
def test_with_open_contactors_5_A_charge_the_cables():
    rig = idle()
    rig.send(RECTIFIER)
    assert not rig.send(amps(1))
    rig.tick(11)
    assert rig.send(amps(5)) and not rig.send(amps(5.1))
    rig = Rig().charging(0)
    rig.stop_flow()
    rig.gate.car.insulating = 1
    rig.start()
    assert rig.send(amps(5)) and not rig.send(amps(5.1))
    rig = prepared(INVERTER)
    rig.gate.car.insulating = 1
    assert not rig.send(amps(1))
    rig = prepared(INVERTER)
    rig.gate.sensed.contactor = 0
    assert not rig.send(amps(1))


def test_what_may_flow_needs_every_fact():
    for spoil in (
        lambda rig: setattr(rig.gate.converter, "direction", 0),
        lambda rig: setattr(rig.gate, "trip", 25),
        lambda rig: setattr(rig.gate.sequence, "shut", 1),
        lambda rig: setattr(rig.gate.sensed, "fresh", 0),
        lambda rig: setattr(rig.gate.sensed, "plugged", 0),
        lambda rig: rig.demand(0),
    ):
        rig = Rig().charging(0)
        assert rig.gate._may_flow_dA() == 550
        spoil(rig)
        rig._car()
        assert rig.gate._may_flow_dA() == 0


def test_the_board_bounds_what_the_car_would_take():
    rig = Rig().charging(0, charge_A=100)
    rig.demand(100)
    rig.to_car(CML, u16(7500, 1500, raw_A(60), 4000))
    rig.tick(2)
    rig.gate.car._charge_told_dA = 1000
    assert rig.gate._may_flow_dA() == 600


def test_a_discharge_ends_at_the_floor():
    rig = Rig(floor_permille=500).discharging(30)
    assert rig.gate.discharge_ok == 1 and rig.gate.why == 0
    rig.gate.raise_floor(1, 600)
    rig.tick(12)
    assert (rig.gate.discharge_ok, rig.gate.why, rig.gate.limit_dA, rig.gate.floor_permille) == (0, 5, 0, 600)
    assert not rig.send(amps(31))
    assert rig.send(amps(30))  # it may ramp down
    rig.gate.raise_floor(1, UNKNOWN)
    rig.gate.ratchet(700)
    rig.tick(12)
    assert rig.gate.floor_permille == 700
    assert rig.gate.soc_low_permille == rig.gate.soc.low_permille > 500


# --- a limit that falls ---
def test_the_way_down_is_the_slowest_healthy_ramp():
    for ready, slope_dA in ((1, 4), (0, 18)):
        rig = Rig().charging(50)
        gate = rig.gate
        rig.demand(10)
        if not ready:
            rig.hear(0x101956F4, bytes(4))
        limit_dA = 100 if ready else 0
        while gate.limit_dA != limit_dA:
            rig.tick()
        for _ in range(28):
            rig.tick()
            assert gate.allowed_dA == 550
        rig.tick(2)
        fell = []
        for _ in range(10):
            before = gate.allowed_dA
            rig.tick(2)
            fell.append(before - gate.allowed_dA)
        assert fell == [slope_dA] * 10
    rig = Rig().charging(50)
    rig.demand(54.9)
    rig.tick(40)
    assert rig.gate.allowed_dA == 549 and rig.gate._falling == 0


def test_off_ends_the_way_down():
    rig = Rig().charging(50)
    rig.stop_flow()
    assert rig.gate.allowed_dA == 0


def test_a_set_point_that_nobody_lowers_ends_in_off():
    rig = Rig().charging(55)
    rig.demand(10)
    waited = 0
    while not rig.gate.trip:
        rig.tick()
        waited += 10
        assert waited < 2000
    assert rig.gate.trip == faults.F_OVER_CURRENT and rig.gate.off_needed
    assert 800 <= waited <= 880  # grace 300, overdue 500
    rig = Rig().charging(55)
    rig.demand(10)
    rig.tick(60)
    assert rig.gate._excess == 1
    rig.demand(55)
    rig.tick(30)
    assert rig.gate._excess == 0
    healthy(rig)


def test_at_its_limit_a_set_point_is_not_overdue():
    rig = Rig().charging(55)
    rig.tick(200)
    healthy(rig)


# --- to the car ---
def test_contactors_closed_is_said_only_when_they_are():
    def say(**spoil):
        rig = Rig().charging(0)
        for name in spoil:
            thing = rig.gate.sequence if name == "shut" else rig.gate if name == "trip" else rig.gate.sensed
            setattr(thing, name, spoil[name])
        return rig.to_car(CRO, b"\xaa")

    assert say()
    assert not say(contactor=0)
    assert not say(fresh=0)
    assert not say(plugged=0)
    assert not say(shut=1)
    assert not say(trip=25)
    for link_dV, leaves in ((3699, 0), (3700, 1), (3900, 1), (3901, 0)):
        assert say(link_dV=link_dV, inlet_dV=3800) == leaves


def test_permission_is_said_only_when_it_is_true():
    def say(permission, spoil=lambda rig: None):
        rig = Rig().discharging(0)
        spoil(rig)
        return bool(rig.to_car(CCS, ccs(permission)))

    for permission in (0, 1, 2):
        assert say(permission)
    assert not say(3)
    assert not say(2, lambda rig: setattr(rig.gate.car, "_parameters", 0))
    assert say(1, lambda rig: setattr(rig.gate.car, "_parameters", 0))
    for name, thing, value in (
        ("ready", "car", 0),
        ("contactor", "sensed", 0),
        ("plugged", "sensed", 0),
        ("shut", "sequence", 1),
    ):
        for permission in (1, 2):
            assert not say(permission, lambda rig, n=name, t=thing, v=value: setattr(getattr(rig.gate, t), n, v))


def test_the_turn_is_said_only_to_a_car_that_offered():
    assert Rig().charging(0).to_car(CCD, b"\x01")
    assert Rig().charging(0).to_car(CCD, b"\x00")
    rig = Rig().plug()
    assert not rig.to_car(CCD, b"\x01")
    assert rig.to_car(CCD, b"\x00")


def test_no_promise_beyond_the_board():
    for can_id, sign in ((CML, 1), (CMLP, -1)):
        for dV, current_A, leaves in ((7500, 60, 1), (7501, 60, 0), (7500, 60.1, 0), (0, 0, 1), (7500, -0.1, 0)):
            assert Rig().to_car(can_id, u16(dV, 0, raw_A(current_A * sign), 0)) == leaves


def test_facts_of_this_tick_count_in_this_tick():
    rig = idle()
    rig.send(RECTIFIER)
    rig.reply(0x1111, 0)
    assert rig.gate.allowed_dA == 0
    assert rig.send(amps(5)) and rig.send(volts(375)) and rig.send(ON)
    assert (rig.gate.limit_dA, rig.gate.allowed_dA) == (50, 50)


def test_the_kinds_are_different():
    from firmware.safety import kinds

    names = ("NEVER ALWAYS FREE ON MODE CURRENT VOLTAGE SETUP READY PERMIT OFFER TURN").split()
    assert [getattr(kinds, name) for name in names] == list(range(12))


def test_what_is_not_listed_does_not_leave():
    rig = idle()
    assert rig.gate.vet_converter(0x02A43FF0, 1, command(0x2105, 1000), rig.now) is False
    assert rig.gate.vet_car(0x12345, 1, bytes(8), rig.now) is False


def test_what_is_not_said_again_is_over():
    rig = Rig().charging(30)
    rig.tells = {}
    rig.tick(99)
    assert rig.gate.limit_dA == 550
    rig.tick(6)
    assert rig.gate.limit_dA == 0
    rig = Rig().charging(30)
    rig.reports = False
    rig.tick(50)
    assert rig.gate.limit_dA == 550
    rig.tick(25)
    assert rig.gate.limit_dA == 0


def test_on_its_way_down_a_set_point_may_stand_at_the_edge():
    rig = Rig().charging(30)
    gate = rig.gate
    rig.demand(0)
    rig._car()
    gate.limit_dA, gate.allowed_dA = 0, 300
    assert gate._fits(300, gate.converter)
    assert not gate._fits(301, gate.converter)


def test_a_new_gate_is_at_rest():
    gate = Rig().gate
    assert (gate.refused_id, gate._falling, gate._excess, gate._judged_ms) == (0, 0, 0, 0)


def test_not_a_tenth_of_an_ampere_out_of_a_car_whose_contacts_are_open():
    rig = prepared(INVERTER)
    rig.gate.sensed.contactor = 0
    assert not rig.send(amps(0.1))


# --- contactors that were closed for the insulation test ---
def closed_for_the_test():
    rig = Rig().plug()
    assert rig.to_car(0x1826F456, b"\x01\x01\x00")
    rig.hear(0x182756F4, u16(4300))
    rig.asked = RUN_OUTPUTS
    rig.tick(5)
    assert rig.contactor and rig.gate.sequence.dead and not rig.gate.refused
    return rig


def test_a_dead_cable_is_closed_for_the_insulation_test_and_opened_again():
    rig = closed_for_the_test()
    rig.tick(50)
    assert rig.contactor and not rig.gate.off_needed
    rig.asked = OUT_LOCK | OUT_AUX
    rig.tick(5)
    assert not rig.contactor and not rig.gate.sequence.dead
    assert rig.to_car(0x1801F456, bytes(8))
    rig.tick(5)
    assert not rig.gate.off_needed and not rig.gate.refused


def test_who_goes_on_with_them_closed_finds_them_opened():
    rig = closed_for_the_test()
    assert rig.to_car(0x1801F456, bytes(8))
    rig.tick(2)
    assert rig.gate.off_needed and rig.gate.refused == 1 and rig.gate.refused_id == OUT_CONTACTOR
    rig.tick(8)
    assert not rig.contactor and rig.gate.refused == 2  # who still asks for them is refused
    rig.asked = OUT_LOCK | OUT_AUX
    rig.tick(3)
    assert not rig.gate.off_needed


def test_that_they_stayed_closed_is_seen_once_and_in_the_step_that_sees_it():
    rig = closed_for_the_test()
    assert rig.to_car(0x1801F456, bytes(8))
    sequence = rig.gate.sequence
    while not rig.gate.refused:
        rig.gate.step(rig.now)
    assert (sequence.dead, sequence.shut, rig.gate.off_needed) == (0, 1, 1)
    for _ in range(8):
        rig.gate.step(rig.now)
    assert rig.gate.refused == 1
