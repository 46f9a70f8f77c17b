"""GB/T 27930-2015: all states times all ways to stop. Runs on CPython and on MicroPython."""

from firmware import faults as f
from firmware import station as st
from firmware.contract import INSULATE, MATCH, OFF, RUN, WELD
from firmware.vehicle.gbt27930 import states as s
from host_tests.gbt27930_rig import MASK, Rig, ended_well, in_state
from host_tests.vectors_gbt27930 import CHARGER_IDS, octets


# --- the car stops ---
def test_every_alarm_in_bsm_stops_at_once():
    for alarms, last in ((0x01, 0xD0), (0x04, 0xD0), (0x10, 0xD0), (0x40, 0xD0), (0x00, 0xD1), (0x00, 0xD4)):
        rig = Rig().charging()
        rig.car.bsm = (alarms, last)
        rig.until_phase(st.PH_STOPPING, 400)
        assert rig.session.want.emergency and rig.session.want.mode == OFF
        assert rig.faults.has(f.F_CAR_FAULT)
        assert rig.of(CHARGER_IDS["CST"])[0] == octets("10 00 F4 F0")
        rig.until_phase(st.PH_FAULT, 20000)
        ended_well(rig)


def test_bst_of_a_full_car():
    for reason in ("01 00 00 F0", "04 00 00 00", "10 00 00 00"):
        rig = Rig().charging()
        rig.car.bst = octets(reason)
        rig.until_phase(st.PH_STOPPING, 100)
        assert not rig.session.want.emergency
        assert rig.of(CHARGER_IDS["CST"])[0] == octets("40 00 F0 F0")
        rig.until_phase(st.PH_ENDED, 20000)
        assert rig.facts[st.C_STOP_REASON] == f.F_CAR_STOPPED
        ended_well(rig)


def test_bst_with_a_fault():
    for reason in ("00 01 00 00", "00 40 00 00", "00 00 04 00", "00 00 00 01", "00 00 00 04"):
        rig = Rig().charging()
        rig.car.bst = octets(reason)
        rig.until_phase(st.PH_STOPPING, 100)
        assert rig.session.want.emergency and rig.faults.has(f.F_CAR_FAULT)
        rig.until_phase(st.PH_FAULT, 20000)


def test_bst_in_the_handshake():
    rig = in_state(s.CONFIGURE)
    rig.session.receive(0x101956F4, 1, octets("00 00 40 00"), rig.now)
    rig.tick()
    assert rig.facts[st.C_PHASE] == st.PH_STOPPING
    assert rig.of(CHARGER_IDS["CST"])[0] == octets("40 00 F0 F0")
    rig.until_phase(st.PH_FAULT, 30000)


# --- the station stops: all states times all stop events ---
ALL = range(s.IDLE, s.ENDED + 1)
CONVERSATION = range(s.ACCEPT, s.ENERGY + 1)  # where CST is understood


def test_stop_in_every_state():
    for state in ALL:
        if state in (s.PROPOSE, s.RETRY):
            continue
        rig = in_state(state)
        rig.stop = 1
        rig.tick()
        want = rig.session.want
        if s.LOCKING <= state < s.WELD:
            assert want.mode == OFF and not want.emergency, state
        if state in CONVERSATION:
            assert rig.of(CHARGER_IDS["CST"])[0] == octets("04 00 F0 F0")
        elif state < s.ACCEPT:
            assert not rig.of(CHARGER_IDS["CST"])
        rest(rig, state, st.PH_ENDED)


def rest(rig, state, phase):
    """Where a stopped session comes to rest."""
    if state == s.IDLE:
        rig.run(1000)
        assert rig.facts[st.C_PHASE] == st.PH_IDLE
    elif state == s.PLUGGED:
        rig.run(1000)
        assert rig.facts[st.C_PHASE] == st.PH_PLUGGED and not rig.session.want.lock
    else:
        rig.until_phase(phase, 30000)
        ended_well(rig)


def test_emergency_in_every_state():
    for state in ALL:
        if state == s.PROPOSE:
            continue
        rig = in_state(state)
        rig.faults.set(f.F_ESTOP, 0, rig.now)
        rig.tick()
        want = rig.session.want
        if state >= s.LOCKING:
            assert want.mode == OFF, state
        if s.LOCKING <= state < s.WELD:
            assert want.emergency or rig.stage.reached.done, state
        if state in CONVERSATION:
            cst = [row for row in rig.sent if row[1] == CHARGER_IDS["CST"]]
            assert cst[0][2] == octets("10 00 F1 F0")
            assert cst[0][0] == rig.ms() - 10  # in the same tick
        rest(rig, state, st.PH_FAULT if state < s.STOPPING else st.PH_ENDED)


def test_the_plug_pulled_in_every_state():
    for state in ALL:
        if state == s.PROPOSE:
            continue
        rig = in_state(state)
        rig.unplug()
        rig.stop = 0
        rig.tick()
        want = rig.session.want
        assert want.mode == OFF
        if s.LOCKING <= state <= s.BLEEDING:
            assert rig.faults.has(f.F_CC1_LOST), state
            assert want.emergency or rig.stage.reached.done, state
        else:
            assert not rig.faults.has(f.F_CC1_LOST), state
        if state in CONVERSATION:
            assert rig.of(CHARGER_IDS["CST"])[0] == octets("10 04 F0 F0")
        rig.until_phase(st.PH_IDLE, 3000)
        assert not want.lock and not want.aux
        # and the next car is served
        rig.car = type(rig.car)()
        rig.charging()
        assert not rig.faults.has(f.F_CC1_LOST)


def test_the_lock_lost_in_every_state_of_the_conversation():
    for state in range(s.IDENTIFY, s.ENERGY + 1):
        rig = in_state(state)
        rig.session.want.lock = 1
        rig.sense[st.S_LOCKED] = 0
        rig.tick()
        assert rig.faults.has(f.F_LOCK) and rig.session.want.mode == OFF
        if state in CONVERSATION:
            assert rig.of(CHARGER_IDS["CST"])[0] == octets("10 04 F0 F0")
        rig.until_phase(st.PH_FAULT, 30000)


def test_a_fault_of_the_stage_in_every_mode():
    for mode, code, urgent in ((INSULATE, f.F_INSULATION, 0), (MATCH, f.F_PRECHARGE, 0),
                               (RUN, f.F_CONTACTOR_FEEDBACK, 1), (RUN, f.F_BLEED, 0)):  # fmt: skip
        rig = Rig()
        rig.stage.fail[mode] = code
        rig.stage.lag_ms[RUN] = 500
        rig.plug_in()
        rig.until(lambda: rig.faults.has(code), 20000)  # noqa: B023
        assert rig.session.want.mode == OFF and bool(rig.session.want.emergency) == bool(urgent)
        rig.until_phase(st.PH_FAULT, 30000)
        assert rig.facts[st.C_STOP_REASON] == code
        assert st.PH_RETRY not in rig.phases
        ended_well(rig)


def test_a_weld_is_told():
    rig = in_state(s.ENERGY)
    rig.stage.fail[WELD] = f.F_CAR_CONTACTOR_WELDED
    rig.stop = 1
    rig.until_phase(st.PH_FAULT, 30000)
    assert rig.faults.has(f.F_CAR_CONTACTOR_WELDED)
    ended_well(rig)


def test_no_weld_check_where_no_contactor_was_closed():
    for state in (s.HELLO, s.IDENTIFY, s.CONFIGURE):
        rig = in_state(state)
        rig.stop = 1
        rig.until_phase(st.PH_ENDED, 30000)
        assert WELD not in rig.stage.history


def test_a_stage_that_never_judges_the_weld_does_not_hold_the_car():
    rig = in_state(s.ENERGY)
    rig.stage.lag_ms[WELD] = 1000000
    rig.stop = 1
    rig.until_phase(st.PH_ENDED, 20000)


def test_the_reason_bits_of_cst():
    for code, text in ((f.F_ESTOP, "10 00 F1 F0"), (f.F_TEMPERATURE, "10 01 F0 F0"), (f.F_OVER_VOLTAGE, "10 00 F0 F4"),
                       (f.F_UNDER_VOLTAGE, "10 00 F0 F4"), (f.F_OVER_CURRENT, "10 00 F0 F1"),
                       (f.F_DIRECTION, "10 00 F0 F1"), (f.F_CONVERTER_FAULT, "10 00 F4 F0"),
                       (f.F_CONVERTER_SILENT, "10 00 F4 F0"), (f.F_TICK, "10 00 F4 F0")):  # fmt: skip
        rig = in_state(s.ENERGY)
        rig.faults.set(code, 0, rig.now)
        rig.tick()
        assert rig.of(CHARGER_IDS["CST"])[0] == octets(text), code
        assert rig.facts[st.C_STOP_REASON] == code


def test_an_emergency_without_a_fault_says_other():
    rig = in_state(s.ENERGY)
    rig.stop = 2  # the gate's sequence
    rig.tick()
    assert rig.of(CHARGER_IDS["CST"])[0] == octets("10 00 F4 F0")


def test_a_normal_stop_becomes_an_emergency():
    rig = in_state(s.ENERGY)
    rig.stage.lag_ms[OFF] = 2000
    rig.stop = 1
    rig.run(100)
    assert not rig.session.want.emergency and rig.session.want.stop_dA_s == 1000
    rig.faults.set(f.F_ESTOP, 0, rig.now)
    rig.tick()
    assert rig.session.want.emergency
    rig.until_phase(st.PH_ENDED, 20000)


def test_no_lock_no_session():
    rig = Rig()
    rig.plug_in()
    rig.until(lambda: rig.session.want.lock)
    for _ in range(350):
        rig.sense[st.S_LOCKED] = 0
        rig.session.step(rig.now, rig.stage.reached, 0, 0)
        rig.now = (rig.now + 10) & MASK
        assert not rig.session.want.aux
    assert rig.faults.has(f.F_LOCK)


# --- voltages that do not fit ---
def test_a_battery_beyond_our_range_is_refused():
    for pack_dV, max_dV in ((1400, 4200), (7600, 8000), (4300, 4200)):
        rig = Rig()
        rig.car.pack_dV, rig.car.pack_max_dV = pack_dV, max_dV
        rig.plug_in()
        rig.until_phase(st.PH_STOPPING)
        assert rig.faults.has(f.F_CAR_INCOMPATIBLE)
        assert rig.of(CHARGER_IDS["CST"])[0] == octets("10 40 F0 F4")
        assert not rig.of(CHARGER_IDS["CML"])


def test_the_inlet_must_agree_with_bcp_within_five_percent():
    for inlet_dV, good in ((3800, 1), (3611, 1), (3989, 1), (3600, 0), (4000, 0), (0, 0)):
        rig = Rig()
        rig.plug_in()
        rig.until(lambda: rig.session.state == s.CONFIGURE)  # noqa: B023
        rig.car.pack_dV = inlet_dV
        if good:
            rig.until(lambda: rig.sense[st.S_CURRENT_dA] == 100, 10000)  # noqa: B023
            assert rig.of(CHARGER_IDS["CRO"])[0] == b"\x00"
        else:
            ms = rig.until(lambda: rig.faults.has(f.F_CAR_VOLTAGE_ABSENT), 10000)  # noqa: B023
            assert 3000 <= ms <= 4500
            assert MATCH not in rig.stage.history
            assert rig.of(CHARGER_IDS["CST"])[0] == octets("10 00 F0 F4")


def test_cro_stays_00_until_the_contactors_are_closed():
    rig = Rig()
    rig.stage.lag_ms[MATCH] = 16000
    rig.plug_in()
    rig.until(lambda: rig.sense[st.S_CURRENT_dA] == 100, 30000)
    cro = rig.of(CHARGER_IDS["CRO"])
    assert cro.count(b"\x00") > 60 and cro[-1] == b"\xaa"


def test_a_readiness_taken_back_ends_the_precharge():
    # BRO (facts 1.4): 00 not ready, FF invalid. Contactors are closed on AA only.
    for said in ("00", "FF"):
        rig = in_state(s.PRECHARGE)
        rig.until(lambda: rig.session.want.mode == MATCH)  # noqa: B023
        rig.session.receive(0x100956F4, 1, octets(said), rig.now)
        rig.run(20)
        assert rig.session.want.mode == OFF and rig.facts[st.C_STOP_REASON] == f.F_CAR_INCONSISTENT
        assert rig.facts[st.C_PHASE] == st.PH_STOPPING
