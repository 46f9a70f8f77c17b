"""GB/T 27930-2015: every time-out and retry of facts 1.6, and pauses. Runs on CPython and on MicroPython."""

from firmware import faults as f
from firmware import station as st
from firmware.contract import OFF, RUN
from firmware.vehicle.gbt27930 import states as s
from host_tests.gbt27930_rig import Rig, ended_well, in_state
from host_tests.vectors_gbt27930 import CHARGER_IDS, octets


# --- a car that does not answer: every time-out of facts 1.6 ---
def cem(rig):
    return rig.of(CHARGER_IDS["CEM"])


def times_out(mute, pattern):
    """Leaves out a message; CEM comes in time, then the session is back at CRM 00 and, with the message, charges."""
    rig = Rig()
    rig.car.mute.add(mute)
    rig.plug_in()
    rig.until(lambda: cem(rig), 70000)
    state_ms = rig.ms()
    assert cem(rig)[0] == octets(pattern), mute
    assert rig.facts[st.C_PHASE] == st.PH_RETRY
    assert rig.facts[st.C_STOP_REASON] == f.F_CAR_TIMEOUT
    assert rig.faults.worst == 0
    rig.car.mute.remove(mute)
    rig.car.state = "lost"
    rig.until(lambda: rig.sense[st.S_CURRENT_dA] == 100, 30000)
    assert rig.facts[st.C_STOP_REASON] == 0
    last = [ms for ms, can_id, data in rig.sent if can_id == CHARGER_IDS["CRM"] and data[0] == 0]
    assert last[-1] > state_ms
    return state_ms


def test_brm_missing():
    assert 5000 <= times_out("BRM", "F1 F0 F0 FC") <= 6000


def test_bcp_missing():
    assert 5000 <= times_out("BCP", "F0 F1 F0 FC") <= 6500


def test_bro_missing():
    assert 5000 <= times_out("BRO", "F0 F4 F0 FC") <= 6500


def test_bro_never_ready():
    assert 60000 <= times_out("BRO=AA", "F0 F4 F0 FC") <= 61500


def test_bcl_never_begins():
    assert 5000 <= times_out("BCL", "F0 F0 F4 FC") <= 7000


def test_bcs_never_begins():
    assert 5000 <= times_out("BCS", "F0 F0 F1 FC") <= 7000


def test_bcs_stops_coming():
    rig = Rig().charging()
    rig.car.mute.add("BCS")
    ms = rig.until(lambda: cem(rig), 10000)
    assert 4700 <= ms <= 5300
    assert cem(rig)[0] == octets("F0 F0 F1 FC")
    assert rig.session.want.mode == OFF and rig.session.want.emergency


def test_bcl_stops_coming_emergency_stop_within_a_second():
    rig = Rig().charging()
    rig.run(500)
    rig.car.mute.add("BCL")
    ms = rig.until(lambda: rig.session.want.mode == OFF, 3000)
    assert 940 <= ms <= 1020
    assert rig.session.want.emergency and rig.faults.has(f.F_CAR_SILENT)
    assert cem(rig)[0] == octets("F0 F0 F4 FC")
    rig.until_phase(st.PH_FAULT, 5000)
    assert len(cem(rig)) >= 4
    ended_well(rig)


def test_bcl_silence_is_tried_again_where_the_setting_says_so():
    rig = Rig()
    rig.settings.silence_retry = 1
    rig.charging()
    rig.car.mute.add("BCL")
    rig.until_phase(st.PH_RETRY, 3000)
    assert rig.session.want.emergency and rig.faults.worst == 0
    rig.car.mute.remove("BCL")
    rig.until(lambda: rig.sense[st.S_CURRENT_dA] == 100, 20000)
    assert not rig.session.want.emergency


def test_bst_does_not_answer_cst():
    rig = in_state(s.ENERGY)
    rig.car.mute.update(("BST", "BSD"))
    rig.stop = 1
    ms = rig.until(lambda: cem(rig), 20000)
    assert 5000 <= ms <= 5100 and cem(rig)[0] == octets("F0 F0 D0 FC")
    rig.until_phase(st.PH_ENDED, 10000)
    ended_well(rig)


def test_bsd_does_not_follow():
    rig = in_state(s.ENERGY)
    rig.car.mute.add("BSD")
    rig.stop = 1
    ms = rig.until(lambda: cem(rig), 20000)
    assert 10000 <= ms <= 10100 and cem(rig)[0] == octets("F0 F0 F0 FD")
    rig.until_phase(st.PH_ENDED, 10000)
    ended_well(rig)


def test_three_tries_and_no_more():
    rig = Rig()
    rig.car.mute.add("BCP")
    rig.plug_in()
    rig.until_phase(st.PH_FAULT)
    assert rig.phases.count(st.PH_RETRY) == 4  # three lead back, the fourth gives up
    assert rig.phases.count(st.PH_IDENTIFY) == 4
    assert rig.faults.has(f.F_CAR_RETRIES) and rig.facts[st.C_STOP_REASON] == f.F_CAR_RETRIES
    ended_well(rig)


def test_a_car_that_is_gone_has_thirty_seconds_a_try():
    rig = Rig()
    rig.car.mute.add("BRM")
    rig.plug_in()
    ms = rig.until_phase(st.PH_FAULT, 150000)
    assert 5000 + 3 * 30000 <= ms <= 5000 + 3 * 30000 + 4 * 1100 + 2000


def test_ten_good_minutes_give_the_tries_back():
    rig = Rig()
    rig.plug_in()
    for _ in range(5):
        rig.until(lambda: rig.sense[st.S_CURRENT_dA] == 100)
        rig.run(610000)
        rig.car.bem = octets("F0 F0 F1 FC")
        rig.until_phase(st.PH_RETRY)
        assert rig.session.tries == 1


def test_bem_while_running_cuts_at_once_and_is_tried_again():
    rig = Rig().charging()
    rig.car.bem = octets("F0 F0 F1 FC")
    rig.tick()
    assert rig.session.want.mode == OFF and rig.session.want.emergency
    assert rig.faults.has(f.F_CAR_ERROR_FRAME)
    rig.until(lambda: rig.sense[st.S_CURRENT_dA] == 100, 10000)
    assert not rig.faults.has(f.F_CAR_ERROR_FRAME)
    assert not cem(rig)


# --- pause ---
def test_pause_and_resume():
    rig = Rig().charging()
    rig.run(500)
    rig.car.bsm = (0x00, 0xC0)
    rig.until(lambda: rig.facts[st.C_PAUSED] == 1, 500)
    assert rig.session.want.direction == 0 and rig.session.want.mode == RUN
    rig.run(200)
    assert rig.sense[st.S_CURRENT_dA] == 0 and rig.facts[st.C_PHASE] == st.PH_PAUSE
    assert rig.of(CHARGER_IDS["CCS"])[-1][6] == 0xFC
    rig.run(595000)
    rig.car.bsm = (0x00, 0xD0)
    rig.until(lambda: rig.sense[st.S_CURRENT_dA] == 100, 1000)
    assert rig.facts[st.C_PAUSED] == 0 and rig.facts[st.C_PHASE] == st.PH_CHARGE
    rig.run(100)
    assert rig.of(CHARGER_IDS["CCS"])[-1][6] == 0xFD


def test_a_pause_of_ten_minutes_ends_the_session():
    rig = Rig().charging()
    rig.car.bsm = (0x00, 0xC0)
    rig.until_phase(st.PH_PAUSE)
    ms = rig.until_phase(st.PH_STOPPING, 700000)
    assert 599000 <= ms <= 601000
    assert rig.faults.has(f.F_CAR_PAUSE_LONG) and not rig.session.want.emergency
    rig.stop = 0
    rig.until_phase(st.PH_FAULT)


def test_untrusted_keeps_the_last_permission():
    rig = Rig().charging()
    rig.run(500)
    rig.car.bsm = (0xAA, 0xEA)  # everything untrusted
    rig.run(3000)
    assert rig.sense[st.S_CURRENT_dA] == 100
    rig.car.bsm = (0x00, 0xC0)
    rig.run(500)
    rig.car.bsm = (0xAA, 0xEA)
    rig.run(3000)
    assert rig.sense[st.S_CURRENT_dA] == 0
    rig.car.bsm = (0x00, 0xF0)  # 11: not used
    rig.run(3000)
    assert rig.sense[st.S_CURRENT_dA] == 0


def test_no_current_before_the_first_bsm():
    rig = Rig()
    rig.car.mute.add("BSM")
    rig.plug_in()
    rig.until(lambda: rig.session.state == s.ENERGY)
    for _ in range(300):
        rig.tick()
        assert rig.sense[st.S_CURRENT_dA] == 0
    assert rig.of(CHARGER_IDS["CCS"])[-1][6] == 0xFD  # ready: the car may wait for it
    rig.car.mute.remove("BSM")
    rig.until(lambda: rig.sense[st.S_CURRENT_dA] == 100, 1000)


def test_a_silent_bsm_is_a_pause():
    rig = Rig().charging()
    rig.car.mute.add("BSM")
    ms = rig.until(lambda: rig.session.want.direction == 0, 6000)
    assert 4700 <= ms <= 5020
    rig.car.mute.remove("BSM")
    rig.until(lambda: rig.sense[st.S_CURRENT_dA] == 100, 1000)


def test_a_car_that_only_ever_says_untrusted_is_charged_where_the_setting_says_so():
    for first, flows in ((1, 100), (0, 0)):
        rig = Rig()
        rig.settings.untrusted_first = first
        rig.car.bsm = (0x00, 0xE0)
        rig.plug_in()
        rig.run(5000)
        assert rig.sense[st.S_CURRENT_dA] == flows
