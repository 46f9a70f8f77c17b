# What happens when a monitor trips: the whole gate on its way to safe. Runs on CPython and on MicroPython.
from firmware import faults
from firmware.signals import OUT_AUX, OUT_BLEED, OUT_CONTACTOR, OUT_ENABLE, OUT_LOCK
from host_tests.unit.safety_rig import OFF, ON, RUN_OUTPUTS, Rig, amps, ccs, volts

CCS, CRO = 0x1812F456, 0x100AF456


def tripped(rig, fault, within):
    ticks = 0
    while not rig.gate.trip:
        rig.tick()
        ticks += 1
        assert ticks <= within
    assert rig.gate.trip == fault
    return rig


def pull(rig):
    rig.cc1_mV = 12000


def press(rig):
    rig.estop = 1


def stall(rig):
    rig.sampling = False


def test_in_the_tick_of_an_alarm_everything_is_shut():
    for spoil, fault, within in (
        (pull, faults.F_CC1_LOST, 2),
        (press, faults.F_ESTOP, 2),
        (stall, faults.F_SENSOR_STALE, 10),
    ):
        rig = Rig().discharging(30)
        spoil(rig)
        tripped(rig, fault, within)
        assert rig.gate.off_needed == 1
        assert (rig.gate.limit_dA, rig.gate.allowed_dA) == (0, 0)
        assert not rig.outputs & OUT_ENABLE
        for data in (amps(30), amps(1), ON, volts(800)):
            assert not rig.send(data)
        assert not rig.to_car(CCS, ccs(2)) and not rig.to_car(CRO, b"\xaa")
        assert rig.send(OFF) and rig.send(amps(0))


def test_the_contactors_open_without_load_when_the_converter_obeys():
    rig = Rig().discharging(30)
    pull(rig)
    tripped(rig, faults.F_CC1_LOST, 2)
    rig.send(OFF)
    rig.tick(2)
    assert not rig.outputs & OUT_CONTACTOR
    rig.tick(4)
    assert not rig.contactor
    assert (rig.gate.openings, rig.gate.opened_under_load) == (1, 0)


def test_the_contactors_open_under_load_when_it_does_not_and_once():
    rig = Rig().discharging(30)
    rig.stray_A = -30
    pull(rig)
    tripped(rig, faults.F_CC1_LOST, 2)
    for _ in range(4):
        assert rig.outputs & OUT_CONTACTOR
        rig.tick()
    assert not rig.outputs & OUT_CONTACTOR
    rig.tick(3)
    rig.stray_A = None
    rig.tick(3)
    assert (rig.gate.openings, rig.gate.opened_under_load) == (1, 1)


def test_a_shut_gate_bleeds_and_lets_nothing_back():
    rig = Rig().charging(30)
    press(rig)
    tripped(rig, faults.F_ESTOP, 2)
    rig.send(OFF)
    rig.battery_V = 0
    rig.tick(8)
    assert rig.outputs & OUT_BLEED
    rig.tick(40)
    assert rig.outputs == OUT_LOCK | OUT_AUX
    rig.estop = 0
    rig.tick(50)
    assert rig.asked == RUN_OUTPUTS and rig.outputs == OUT_LOCK | OUT_AUX
    assert rig.gate.trip == faults.F_ESTOP and rig.gate.off_needed


def test_a_trip_ends_when_the_plug_is_pulled_and_all_is_safe():
    rig = Rig().charging(30)
    press(rig)
    tripped(rig, faults.F_ESTOP, 2)
    rig.gate.replugged(rig.now)  # it is not
    assert rig.gate.trip == faults.F_ESTOP
    rig.asked = OUT_LOCK | OUT_AUX
    rig.tick(8)
    pull(rig)
    rig.tick(5)
    assert rig.gate.trip == faults.F_ESTOP  # OFF has not left
    rig.send(OFF)
    rig.tick(5)
    assert rig.gate.trip == faults.F_ESTOP  # still pressed
    rig.estop = 0
    rig.tick(8)
    assert (rig.gate.trip, rig.gate.off_needed) == (0, 0)


def test_control_forgets_the_fault_at_once_and_the_gate_when_all_is_safe():
    rig = Rig().discharging(30)
    rig.stray_A = -30
    rig.gate.soc.doubted = 1
    rig.gate.car.vin = 77
    pull(rig)
    tripped(rig, faults.F_CC1_LOST, 2)
    rig.gate.replugged(rig.now)
    assert rig.gate.trip == 0
    assert (rig.gate.soc.doubted, rig.gate.car.vin) == (0, 0)
    rig.tick()
    assert (rig.gate.trip, rig.gate.off_needed) == (0, 1)
    rig.stray_A = None
    rig.send(OFF)
    rig.soc = None
    rig.says = {}
    rig.tells = {}
    rig.tick(10)
    assert not rig.contactor
    assert rig.gate.off_needed == 0


def test_shut_lasts_until_open_fed_back_and_off():
    for spoil in ("held", "contactor", "on_left"):
        rig = Rig()
        rig.tick()
        gate = rig.gate
        gate.sequence.shut = 1
        thing = {"held": gate.sequence, "contactor": gate.sensed, "on_left": gate.converter}[spoil]
        setattr(thing, spoil, 1)
        gate._shut(rig.now)
        assert gate.sequence.shut == 1
        setattr(thing, spoil, 0)
        gate._shut(rig.now)
        assert gate.sequence.shut == 0


def test_a_fault_that_is_no_emergency_leaves_time_for_an_orderly_stop():
    rig = Rig().charging(30)
    rig.bcs_V = 300
    tripped(rig, faults.F_VOLTAGE_DISAGREES, 560)
    assert (rig.gate.off_needed, rig.gate.limit_dA) == (0, 0)
    assert rig.outputs & OUT_CONTACTOR
    assert rig.send(amps(29)) and not rig.send(amps(30))
    assert rig.to_car(CCS, ccs(1))
    assert not rig.to_car(CRO, b"\xaa")
    rig.send(amps(0))
    at = rig.now
    while not rig.gate.off_needed:
        rig.tick()
        assert rig.now - at <= 15020
    assert rig.now - at >= 15000
    assert rig.gate.trip == faults.F_VOLTAGE_DISAGREES


def test_a_current_below_the_floor_is_shut_though_it_is_only_a_warning():
    rig = Rig(floor_permille=500).discharging(30)
    rig.gate.raise_floor(0, 900)
    rig.stray_A = -3
    rig.tick(20)
    rig.send(amps(0))
    tripped(rig, faults.F_CURRENT_AT_FLOOR, 600)
    assert rig.gate.off_needed == 1


def test_pulled_without_a_session_nothing_trips():
    rig = Rig().plug()
    rig.asked = OUT_LOCK
    rig.tick(2)
    pull(rig)
    rig.tick(5)
    assert rig.gate.trip == 0
    assert rig.gate.sensed.plugged == 0


def test_a_stale_link_without_a_session_refuses_and_does_not_trip():
    rig = Rig()
    stall(rig)
    rig.tick(50)
    assert rig.gate.trip == 0


def test_a_stay_of_14_days_across_the_wrap():
    rig = Rig(now=0x3FFFFFFF - 3000).charging(0)
    rig.tick(100)
    for _ in range(14 * 24):
        # an hour passes: the gate hears nothing of it but its end
        rig.now = (rig.now + 3600 * 1000) & 0x3FFFFFFF
        rig.tick(30)
        assert rig.gate.trip == 0 and rig.gate.refused == 0
        assert rig.gate.limit_dA == 550
    assert rig.send(amps(30))
    rig.tick(100)
    assert rig.current_A == 30 and rig.gate.trip == 0


def test_the_account_leaves_the_sensors_offset_out():
    rig = Rig().charging(0)
    rows = ((0.9, 1, 0, 0), (-0.9, 1, 0, 0), (1, 1, 0, 1), (-1, 1, 0, 1), (0.5, 1, 0.1, 1), (0.5, 0, 30, 0))
    for stray_A, on, set_A, counted in rows:
        gate = rig.gate
        rig.stray_A = stray_A
        gate.converter.on_left = on
        gate.converter.current_left_dA = int(set_A * 10)
        gate.limit_dA = gate.allowed_dA = 550
        rig.tick(2)
        gate.soc._energy = 0
        gate._judged_ms = 0
        rig.tick(2)
        expected = (3800 * int(stray_A * 10) >> 3) * 20 if counted else 0
        assert gate.soc._energy == expected, (stray_A, on, set_A)


def test_a_stalled_tick_counts_100_ms_at_most():
    rig = Rig().charging(30)
    rig.gate.soc._energy = rig.gate._judged_ms = 0
    rig.now += 5000
    rig.tick(2)
    assert rig.gate._judged_ms == 0  # judged
    soc = rig.gate.soc
    before = soc.low_mWh
    rig.tick(20)
    assert 600 < soc.low_mWh - before < 680  # 11.4 kW for 200 ms


def test_a_contact_that_opens_by_itself_under_load_is_counted():
    rig = Rig().charging(30)
    rig.tick(2)
    rig.contactor = 0
    rig.relay_works = False
    rig.tick(2)
    assert (rig.gate.openings, rig.gate.opened_under_load) == (0, 1)
