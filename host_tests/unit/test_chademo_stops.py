"""Every way out of a CHAdeMO session (facts 2.5), each with its fault. Runs on CPython and on MicroPython."""

from firmware import faults as f
from firmware import station as st
from firmware.contract import INSULATE, MATCH, OFF, RUN, WELD
from firmware.vehicle.chademo import states as s
from host_tests.chademo_rig import Rig


def ended(rig, *faults):
    """It ends, with exactly these faults, and nothing is on."""
    rig.until_state(s.ENDED)
    want = rig.session.want
    assert rig.named() == sorted(faults), rig.named()
    assert want.mode == OFF and not (want.lock or want.d1 or want.d2 or want.aux or want.emergency)
    worst = [name for name in faults if f.severity[getattr(f, name)] >= f.STOP]
    assert rig.facts[st.C_PHASE] == (st.PH_FAULT if worst else st.PH_ENDED)
    return rig


# --- the car stops ---
def test_the_car_stops_in_good_order():
    rig = ended(Rig(stops_ms=8000).running(), "F_CAR_STOPPED")
    assert rig.facts[st.C_STOP_REASON] == f.F_CAR_STOPPED


def test_each_bit_that_stops():
    for name, value, fault in (
        ("errors", 1, "F_CAR_FAULT"), ("errors", 2, "F_CAR_FAULT"), ("errors", 4, "F_CAR_FAULT"),
        ("errors", 8, "F_CAR_FAULT"), ("errors", 16, "F_CAR_FAULT"), ("bits", 0x84, "F_CAR_FAULT"),
        ("bits", 0x82, "F_CAR_STOPPED"), ("target_V", 0, "F_CAR_STOPPED"),
    ):  # fmt: skip
        rig = Rig().running()
        setattr(rig.car, name, value)
        rig.run(200)
        assert rig.session.state >= s.STOPPING, name
        assert rig.session.want.emergency == (1 if fault == "F_CAR_FAULT" else 0)
        ended(rig, fault)


def test_stop_before_charge_counts_before_the_first_current_only():
    rig = Rig(bits=0x90).plug_in()
    ended(rig, "F_CAR_STOPPED")
    rig = Rig().running()
    rig.car.bits = 0x90
    rig.run(1000)
    assert rig.session.state == s.ENERGY


def test_without_k_the_current_is_gone_at_once():
    rig = Rig().running(300)
    rig.car.stopped = True  # both, at the same moment
    rig.run(200)
    assert rig.session.state >= s.STOPPING and rig.session.want.stop_dA_s == 0
    ended(rig, "F_CAR_STOPPED")
    rig = Rig().running()
    rig.stop = 1
    rig.run(20)
    assert rig.session.want.stop_dA_s == 1000


def test_a_blink_of_k_is_nothing():
    rig = Rig().running()
    rig.k_broken = 0
    rig.run(70)
    rig.k_broken = None
    rig.run(2000)
    assert rig.session.state == s.ENERGY


def test_k_lost_without_can_and_can_without_k():
    rig = Rig().running()
    rig.k_broken = 0
    rig.car.receive = lambda can_id, data, now: None  # it does not answer our stop
    ended(rig, "F_CAR_STOPPED", "F_PERMISSION_LOST")
    rig = Rig().running()
    rig.k_broken = 1
    rig.car.can_works = False
    ended(rig, "F_CAR_INCONSISTENT", "F_CAR_STOPPED")


def test_silence_of_102_for_a_second():
    for state in (s.OFFER, s.LOCKING, s.INSULATION, s.ENERGY):
        rig = Rig(permit_ms=1200)
        rig.stage.lag_ms[INSULATE] = 2000
        rig.lock_works = state != s.LOCKING
        rig.plug_in()
        rig.until_state(state)
        rig.car.mute = {0x102}
        rig.run(900)
        assert rig.faults.worst == 0, state
        rig.run(300)
        assert rig.named() == ["F_CAR_SILENT"], (state, rig.named())
        ended(rig, "F_CAR_SILENT")


def test_contactors_that_open_in_mid_session():
    rig = Rig().running()
    rig.car.contactor = False
    rig.car.closed_at = rig.now
    rig.car.close_ms = 1 << 28
    rig.run(200)
    assert rig.session.state >= s.STOPPING and rig.session.want.emergency
    rig.until_state(s.ENDED)
    assert "F_CAR_INCONSISTENT" in rig.named() or "F_CAR_VOLTAGE_ABSENT" in rig.named()


def test_contactors_that_open_without_a_word():
    rig = Rig().running(-100)
    rig.car.pack_dV = 500
    rig.run(100)
    assert "F_UNDER_VOLTAGE" in rig.named()
    rig = Rig().running(-100)
    rig.stage.hold_dA = rig.sense[st.S_CURRENT_dA] = 0
    rig.car.pack_dV = 2500
    rig.run(100)
    assert rig.named() == ["F_CAR_VOLTAGE_ABSENT"]
    rig = Rig().running(100)
    rig.stage.hold_dA = 0  # it asks for 50 A, takes none, and the voltage is the converter's own
    rig.car.pack_dV = 4090
    rig.run(4500)
    assert rig.session.state == s.ENERGY
    rig.run(1500)
    assert rig.named() == ["F_CAR_VOLTAGE_ABSENT"]


def test_a_full_car_that_asks_for_little_goes_on():
    rig = Rig(request_A=5).running(50)
    rig.stage.hold_dA = 0
    rig.car.pack_dV = 4090
    rig.run(20000)
    assert rig.session.state == s.ENERGY


# --- limits of voltage ---
def test_the_threshold_ends_it():
    rig = Rig().running()
    rig.car.pack_dV = 4349
    rig.run(200)
    assert rig.session.state == s.ENERGY
    rig.car.pack_dV = 4350
    rig.run(200)
    assert rig.named() == ["F_OVER_VOLTAGE"]


def test_the_least_voltage_ends_a_discharge_only():
    rig = Rig().running(-100)
    rig.car.pack_dV = 2500
    rig.run(100)
    ended(rig, "F_UNDER_VOLTAGE")
    rig = Rig().running(100)
    rig.car.pack_dV = 2500
    rig.run(1000)
    assert rig.session.state == s.ENERGY


# --- it does not begin ---
def test_each_deadline_of_the_start_has_its_fault():
    for changes, least_ms, most_ms, fault in (
        ({"mute": {0x100, 0x102}}, 9900, 10200, "F_CAR_TIMEOUT"),
        ({"permit_ms": 1 << 28}, 7900, 8300, "F_CAR_TIMEOUT"),
        ({"k_works": False}, 7900, 8300, "F_CAR_INCONSISTENT"),
        ({"can_works": False}, 7900, 8300, "F_CAR_INCONSISTENT"),
        ({"close_ms": 1 << 28}, 3900, 6500, "F_CAR_TIMEOUT"),
        ({"close_ms": 1 << 28, "flag_stuck": True}, 3900, 6500, "F_CAR_VOLTAGE_ABSENT"),
        ({"request_A": 0}, 3900, 7000, "F_CAR_TIMEOUT"),
        ({"number": 1, "bits": 0, "close_ms": 1 << 28}, 1900, 5000, "F_CAR_VOLTAGE_ABSENT"),
    ):
        rig = Rig(**changes).plug_in()
        took_ms = rig.until_fault()
        assert rig.named() == [fault] and least_ms <= took_ms <= most_ms, (changes, rig.named(), took_ms)
        rig.until_state(s.ENDED)


def test_a_lock_that_does_not_lock_or_lets_go():
    rig = Rig()
    rig.lock_works = False
    ended(rig.plug_in(), "F_LOCK")
    rig = Rig().running()
    rig.lock_works = False
    rig.run(100)
    ended(rig, "F_LOCK")


def test_what_does_not_fit_is_said_and_not_begun():
    for changes in ({"target_V": 501}, {"target_V": 0}, {"max_V": 160}):
        rig = Rig(**changes).plug_in()
        rig.until_fault()
        assert rig.named() == ["F_CAR_INCOMPATIBLE"] and INSULATE not in rig.stage.history
        rig.run(200)
        assert rig.newest(0x109)[5] & 0x08
        ended(rig, "F_CAR_INCOMPATIBLE")


def test_the_stage_s_failures_are_the_session_s():
    for mode, fault in ((INSULATE, f.F_INSULATION), (MATCH, f.F_PRECHARGE), (RUN, f.F_CONVERTER_FAULT)):
        rig = Rig()
        rig.stage.fail[mode] = fault
        rig.plug_in()
        rig.until_fault()
        assert rig.faults.worst == fault
        rig.until_state(s.ENDED)
        assert rig.facts[st.C_STOP_REASON] == fault


def test_a_battery_above_its_own_target_is_not_closed_onto():
    rig = Rig(target_V=340).plug_in()
    rig.until_fault()
    assert rig.named() == ["F_CAR_VOLTAGE_ABSENT"] and MATCH not in rig.stage.history
    assert Rig(target_V=360).running().session.state == s.ENERGY


def test_an_insulation_test_that_takes_the_time_of_d2():
    rig = Rig()
    rig.stage.lag_ms[OFF] = 1 << 28
    rig.stage.reached.done = 1
    rig.plug_in()
    rig.until_state(s.DISCHARGED)
    rig.until_fault()
    assert rig.named() == ["F_INSULATION"] and not rig.session.want.d2


# --- the station stops ---
def test_an_emergency_in_every_state():
    for state in range(s.HELLO, s.RELEASE):
        rig = Rig()
        if state > s.ENERGY:
            rig.running().stop = 1
        rig.plug_in()
        rig.until_state(state)
        rig.faults.set(f.F_ESTOP, 0, rig.now)
        rig.tick()
        assert rig.session.want.mode == OFF and rig.session.want.emergency, state
        rig.until_state(s.ENDED)
        assert rig.sense[st.S_CURRENT_dA] == 0
        assert not (rig.session.want.d1 or rig.session.want.d2 or rig.session.want.lock), state


def test_a_stop_in_every_state():
    for state in range(s.HELLO, s.ENERGY + 1):
        rig = Rig().plug_in()
        rig.until_state(state)
        rig.stop = 1
        rig.tick()
        assert rig.session.want.mode in (OFF, WELD) and not rig.session.want.emergency, state
        rig.until_state(s.ENDED)
        assert rig.faults.worst == 0 or rig.named() == ["F_CAR_TIMEOUT"]


def test_a_pulled_plug_in_every_state():
    for state in range(s.HELLO, s.BLEEDING + 1):
        rig = Rig().plug_in()
        if state > s.ENERGY:
            rig.running().stop = 1
        rig.until_state(state)
        rig.unplug()
        rig.tick()
        assert rig.session.want.mode == OFF and rig.session.want.emergency, state
        assert "F_CC1_LOST" in rig.named()
        rig.stop = 0
        rig.run(30000)
        assert rig.session.state in (s.ENDED, s.IDLE)
        assert not (rig.session.want.d1 or rig.session.want.d2 or rig.session.want.lock), state
        sent = len(rig.sent)
        rig.run(500)
        assert len(rig.sent) == sent
        rig.plug_in().run(3000)
        assert rig.session.session == 2


# --- the end of the end ---
def test_current_that_does_not_go_keeps_109_5_0():
    rig = Rig().running(200)
    rig.stage.hold_dA = 200
    rig.stop = 1
    rig.run(2000)
    assert rig.session.state == s.STOPPING and rig.newest(0x109)[5] == 0x25
    rig.run(1500)
    assert rig.session.state == s.OPENING and rig.session.want.d2


def test_a_car_that_never_opens_is_told_and_let_go():
    rig = Rig(open_ms=1 << 28).running()
    rig.stop = 1
    rig.until_state(s.OPENING)
    assert 9900 <= rig.until_fault() <= 10100
    assert rig.named() == ["F_CAR_TIMEOUT"]
    rig.until_state(s.ENDED)


def test_a_welded_car_stays_locked():
    rig = Rig().running()
    rig.car.welded = True
    rig.stage.fail[WELD] = f.F_CAR_CONTACTOR_WELDED
    rig.stop = 1
    rig.run(40000)
    assert "F_CAR_CONTACTOR_WELDED" in rig.named() and "F_BLEED" in rig.named()
    assert rig.session.state == s.BLEEDING and rig.session.want.lock and not rig.session.want.d2
    rig.car.welded = False
    rig.until_state(s.ENDED)


def test_unlocked_below_10_v_only():
    rig = Rig().running()
    rig.stop = 1
    rig.until_state(s.RELEASE)
    rig.car.welded = True
    rig.car.pack_dV = 80
    rig.run(12000)
    assert rig.session.state == s.BLEEDING and rig.session.want.lock and rig.newest(0x109)[5] & 4
    rig.car.pack_dV = 79
    rig.run(100)
    assert not rig.newest(0x109)[5] & 4
    rig.until_state(s.ENDED)


def test_our_own_contactor_that_sticks_does_not_keep_d2():
    rig = Rig().running()
    rig.stop = 1
    rig.until_state(s.RELEASE)
    assert rig.session.want.d2
    rig.stage.step = lambda now, want, wanted_dA: None
    rig.stage.reached.open = 0
    rig.run(2500)
    assert rig.session.want.d2
    rig.run(1000)
    assert not rig.session.want.d2
