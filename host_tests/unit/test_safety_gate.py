# The gate as a whole: what a healthy session sends leaves, what does not fit does not. Runs on CPython and MicroPython.
from firmware import faults
from firmware.signals import OUT_AUX, OUT_BLEED, OUT_CONTACTOR, OUT_ENABLE, OUT_LOCK
from firmware.units import UNKNOWN
from host_tests.unit.safety_rig import (
    IDLE_OUTPUTS,
    INVERTER,
    OFF,
    ON,
    READ,
    RECTIFIER,
    RUN_OUTPUTS,
    Rig,
    amps,
    command,
    cutoff,
    volts,
)

CCS, CCD, CRO, CML, CMLP = 0x1812F456, 0x1832F456, 0x100AF456, 0x1808F456, 0x1831F456


def healthy(rig):
    assert (rig.gate.refused, rig.gate.trip, rig.gate.off_needed) == (0, 0, 0), (rig.gate.refused_id, rig.gate.trip)
    return rig


# --- healthy sessions ---
def test_a_session_that_charges_is_never_refused():
    rig = Rig().charging()
    rig.tick(100)
    assert rig.current_A == 30
    healthy(rig)


def test_a_session_that_discharges_is_never_refused():
    for now in (1000, 0x3FFFFFFF - 6000):
        rig = Rig(now=now).discharging()
        rig.tick(100)
        assert rig.current_A == -30
        healthy(rig)


def test_a_normal_stop_is_never_refused():
    rig = Rig().charging(50)
    del rig.tells[CCS]
    assert rig.to_car(0x101AF456, bytes((4, 0, 0xF0, 0xF0)))
    current_A = 50
    while current_A > 0:  # 100 A/s, begun 100 ms late
        if rig.now % 100 == 0 or current_A < 49:
            current_A -= 1
        rig.tick()
        assert rig.send(amps(current_A))
    assert rig.send(OFF)
    rig.tick(5)
    rig.asked = OUT_LOCK | OUT_AUX
    rig.tick(5)
    assert not rig.contactor
    rig.asked = OUT_LOCK | OUT_AUX | OUT_BLEED
    rig.battery_V = 0
    rig.tick(40)
    rig.asked = OUT_LOCK
    rig.tick()
    rig.asked = 0
    rig.tick()
    assert rig.outputs == 0
    healthy(rig)
    assert (rig.gate.openings, rig.gate.opened_under_load) == (1, 0)


def test_a_limit_that_falls_is_followed_at_20_A_s():
    rig = Rig().charging(55)
    rig.demand(10)
    rig.tick(25)
    current_A = 55
    while current_A > 10:
        rig.tick()
        current_A -= 0.2
        assert rig.send(amps(current_A))
    rig.tick(100)
    healthy(rig)


def falls(rig, current_A):
    # Until the gate has heard of the car's smaller demand, to the very tick.
    rig.demand(current_A)
    for _ in range(8):
        rig.tick()
        if rig.gate.limit_dA == current_A * 10:
            return
    raise AssertionError("the limit does not follow")


def test_who_ramps_up_is_not_refused_in_the_tick_in_which_the_limit_falls():
    rig = Rig().charging(20)
    falls(rig, 10)
    assert rig.send(amps(20.4))  # not known yet to who was just ramping up
    rig.tick(4)
    assert not rig.send(amps(20.6)) and rig.send(amps(20.4))


def followed_down_to_its_edge(demand_A=20):
    # The car's demand fell, and what may leave has followed to 0.2 A above what flows: 30 A.
    rig = Rig().charging(30)
    rig.demand(demand_A)
    while rig.gate.allowed_dA > 302 or not rig.gate._falling:
        rig.tick()
    assert rig.gate.allowed_dA >= 300 and rig.send(amps(30)) and rig.send(ON)
    return rig


def test_who_repeats_a_current_is_not_refused_in_the_tick_in_which_the_limit_falls_again():
    rig = followed_down_to_its_edge()
    falls(rig, 0)
    assert rig.gate.allowed_dA < 300  # and yet a tick ago it was enough
    before_dA = rig.gate._fell_dA
    assert before_dA in (300, 301, 302, 303) and not rig.send(amps((before_dA + 1) / 10))
    assert rig.send(ON) and rig.send(amps(30)) and rig.send(amps(before_dA / 10))
    refused = rig.gate.refused
    rig.tick(2)
    assert not rig.send(amps(30)) and not rig.send(ON) and rig.gate.refused == refused + 2


def test_a_limit_that_falls_is_no_licence_for_who_is_off_or_shut():
    rig = followed_down_to_its_edge()
    rig.gate.converter.on_left = 0
    falls(rig, 10)
    assert rig.gate.converter.current_left_dA == 300 and not rig.send(amps(15)) and not rig.send(ON)
    falls(rig, 0)
    assert not rig.send(amps(0.1))
    rig = followed_down_to_its_edge()
    rig.estop = 1
    falls(rig, 0)
    assert rig.gate.off_needed and not rig.send(amps(1)) and not rig.send(ON)


def test_who_ramps_nothing_starts_nothing_when_the_limit_falls():
    rig = Rig().charging(0)
    falls(rig, 10)
    assert rig.gate.allowed_dA > 150 and not rig.send(amps(15)) and rig.send(amps(10))


def test_below_its_limit_the_current_moves_freely_while_the_limit_falls():
    rig = Rig().charging(20)
    rig.demand(30)
    rig.tick(4)
    assert rig.gate.allowed_dA > 300
    assert rig.send(amps(25)) and rig.send(amps(24)) and rig.send(amps(30))
    assert not rig.send(amps(30.2))


# --- before anything ---
def test_the_first_frame_after_a_reset_is_off():
    rig = Rig()
    for data in (ON, RECTIFIER, INVERTER, volts(0), volts(400), cutoff(300), amps(1), command(0x1122, 0xA0)):
        assert not rig.send(data)
    assert not rig.send(command(0x1110, 0), READ)
    assert rig.gate.refused == 9
    assert rig.send(amps(0))
    assert rig.send(OFF)
    assert rig.send(command(0x1110, 0), READ)
    assert rig.gate.refused == 9


def test_after_construction_no_output_is_energised():
    rig = Rig()
    for mask in (OUT_CONTACTOR, OUT_ENABLE, OUT_AUX, RUN_OUTPUTS):
        assert rig.gate.vet_outputs(mask, rig.now) & (OUT_CONTACTOR | OUT_ENABLE | OUT_AUX) == 0
    gate = Rig().gate
    assert (gate.limit_dA, gate.allowed_dA, gate.discharge_ok, gate.floor_permille) == (0, 0, 0, 1000)
    assert (gate.trip, gate.off_needed, gate.soc_low_permille, gate.why, gate.openings, gate.opened_under_load) == (
        0, 0, 0, 2, 0, 0,
    )  # fmt: skip


def test_zero_and_off_leave_in_every_state():
    for rig in (Rig(), Rig().plug(), Rig().charging(), Rig().discharging()):
        for spoil in ("", "estop", "stale", "cc1", "silent"):
            rig.estop = 1 if spoil == "estop" else 0
            rig.sampling = spoil != "stale"
            rig.cc1_mV = 12000 if spoil == "cc1" else 4000
            rig.reports = spoil != "silent"
            for _ in range(30):
                rig.tick()
                assert rig.gate.vet_converter(0x02A43FF0, 1, OFF, rig.now)
                assert rig.gate.vet_converter(0x02E400F0, 1, amps(0), rig.now)


def test_what_was_refused_is_counted_and_named():
    rig = Rig()
    assert not rig.send(ON)
    assert (rig.gate.refused, rig.gate.refused_id) == (1, 0x02A43FF0)
    assert not rig.to_car(0x12345, bytes(8))
    assert (rig.gate.refused, rig.gate.refused_id) == (2, 0x12345)
    rig.asked = OUT_CONTACTOR
    rig.tick(5)
    assert (rig.gate.refused, rig.gate.refused_id) == (3, OUT_CONTACTOR)  # once, not each tick
    rig.asked = OUT_CONTACTOR | OUT_ENABLE
    rig.tick(5)
    assert rig.gate.refused == 4
    rig.asked = OUT_CONTACTOR
    rig.tick(5)
    assert rig.gate.refused == 4
    rig.asked = 0
    rig.tick()
    rig.asked = OUT_CONTACTOR
    rig.tick()
    assert rig.gate.refused == 5


# --- the mode ---
def idle():
    rig = Rig().plug()
    rig.asked = IDLE_OUTPUTS
    return rig.tick(12)


def test_the_mode_changes_only_with_off_reported_and_no_current():
    assert idle().send(RECTIFIER)
    rig = idle()
    rig.gate.converter.off = 0
    assert not rig.send(RECTIFIER)
    rig = idle()
    rig.gate.converter.on_left = 1
    assert not rig.send(RECTIFIER)
    rig = idle()
    rig.gate.sensed.fresh = 0
    assert not rig.send(RECTIFIER)
    for current_A, leaves in ((-1, False), (-0.9, True), (0.9, True), (1, False)):
        rig = idle()
        rig.stray_A = current_A
        rig.tick()
        assert rig.send(RECTIFIER) == leaves
        assert rig.send(command(0x1126, 0xA0)) == leaves


def test_the_mode_that_is_may_be_said_again():
    rig = Rig().charging(30)
    assert rig.send(RECTIFIER)
    assert not rig.send(INVERTER)
    assert not rig.send(command(0x1126, 0xA0))
    assert rig.gate.converter.direction == 1


def test_a_plain_car_never_sees_an_inverter():
    rig = Rig(v112=0).charging(0, discharge=False)
    rig.stop_flow()
    rig.tick(10)
    assert not rig.send(INVERTER)
    assert rig.send(RECTIFIER)


# --- on ---
def prepared(mode=RECTIFIER):
    rig = Rig().charging(0)
    rig.stop_flow()
    rig.tick(11)
    rig.send(mode)
    rig.tick(11)
    return rig


def test_on_needs_set_points_that_left():
    rig = idle()
    rig.send(RECTIFIER)
    rig.tick(11)
    assert not rig.send(ON)
    rig.send(amps(0))
    assert not rig.send(ON)
    rig.send(volts(375))
    assert rig.send(ON)
    rig = idle()
    rig.send(RECTIFIER)
    rig.tick(11)
    rig.send(volts(375))
    rig.gate.converter.current_left_dA = UNKNOWN
    assert not rig.send(ON)


def test_on_needs_set_points_that_fit():
    rig = prepared()
    rig.gate.converter.current_left_dA = 551
    assert not rig.send(ON)
    rig.gate.converter.current_left_dA = 550
    assert rig.send(ON)
    rig = prepared()
    rig.gate.converter.voltage_left_dV = 4201
    assert not rig.send(ON)
    rig.gate.converter.voltage_left_dV = 4200
    assert rig.send(ON)


def test_on_needs_a_direction_a_plug_and_no_fault():
    for spoil in (
        lambda gate: setattr(gate.converter, "direction", 0),
        lambda gate: setattr(gate.sensed, "plugged", 0),
        lambda gate: setattr(gate.sensed, "stale", 1),
        lambda gate: setattr(gate.sequence, "shut", 1),
        lambda gate: setattr(gate, "trip", 25),
    ):
        rig = prepared()
        spoil(rig.gate)
        assert not rig.send(ON)
    # said again in an orderly stop it does no harm
    rig = Rig().charging(0)
    rig.gate.trip = faults.F_VOLTAGE_DISAGREES
    assert rig.send(ON)


def test_on_as_an_inverter_needs_the_offer_the_contacts_and_the_cut_off():
    def inverter():
        rig = prepared(INVERTER)
        assert rig.gate.converter.direction == -1
        return rig

    assert inverter().send(ON)
    rig = inverter()
    rig.gate.sensed.contactor = 0
    assert not rig.send(ON)
    rig = inverter()
    rig.gate.car._parameters = 0
    assert not rig.send(ON)
    rig = inverter()
    assert rig.send(cutoff(319.9)) and not rig.send(ON)
    assert rig.send(cutoff(320)) and rig.send(ON)
