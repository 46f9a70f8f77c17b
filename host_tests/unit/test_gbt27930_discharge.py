"""The V1.12 trial: discharge only where the car has offered it whole, and only through zero. On both interpreters."""

from firmware import faults as f
from firmware import station as st
from firmware.contract import CHARGE, DISCHARGE, RUN
from firmware.units import UNKNOWN
from firmware.vehicle.gbt27930 import states as s
from host_tests.gbt27930_rig import Car, Rig, u16
from host_tests.vectors_gbt27930 import CHARGER_IDS, octets


def discharging(**more):
    rig = Rig(v112=1, **more)
    rig.wanted_dA = -100
    rig.plug_in()
    rig.until(lambda: rig.sense[st.S_CURRENT_dA] == -100)
    return rig


def watch(rig, ms):
    """Runs and checks at every tick what must never be otherwise."""
    for _ in range(ms // 10):
        before = rig.session.want.direction
        current_dA = rig.sense[st.S_CURRENT_dA]
        rig.tick()
        after = rig.session.want.direction
        if before and after and before != after:
            raise AssertionError("the direction changed without zero between")
        if after != 0:
            assert current_dA * after >= 0, (current_dA, after)
            assert rig.session.direction == after


def test_cdc_comes_before_chm_and_bdc_makes_it_a_trial_session():
    rig = Rig(v112=1)
    rig.plug_in()
    rig.until(lambda: rig.session.state == s.ENERGY)
    names = {can_id: name for name, can_id in CHARGER_IDS.items()}
    order = []
    for _, can_id, _ in rig.sent:
        if names[can_id] not in order and names[can_id] != "TP":
            order.append(names[can_id])
    assert order == ["CDC", "CHM", "CRM", "CML", "CMLP", "CTS", "CRO", "CCD", "CCS"]
    assert rig.facts[st.C_PROTOCOL] == st.PROTO_GBT27930_V112
    assert rig.of(CHARGER_IDS["CCD"])[0] == b"\x00"  # charge first
    assert rig.of(CHARGER_IDS["CMLP"])[0] == u16(7500) + u16(1500) + u16(4600) + u16(4000)


def test_what_is_offered_is_in_the_facts():
    rig = Rig(v112=1).charging()
    rig.run(300)
    car = rig.facts
    assert car[st.C_CAN_DISCHARGE] == 1 and car[st.C_DISCHARGE_dA] == 500
    assert car[st.C_FLOOR_permille] == 200 and car[st.C_VOLTAGE_MIN_dV] == 3200
    assert rig.session.want.voltage_min_dV == 3200
    assert car[st.C_CHARGE_dA] == 200


def test_there_and_back_again():
    rig = Rig(v112=1).charging()
    watch(rig, 500)
    rig.wanted_dA = -100
    watch(rig, 1000)
    assert rig.sense[st.S_CURRENT_dA] == -100 and rig.facts[st.C_PHASE] == st.PH_DISCHARGE
    assert rig.of(CHARGER_IDS["CCD"])[-1] == b"\x01"
    assert rig.of(CHARGER_IDS["CCS"])[-1] == u16(3800) + u16(4100) + octets("00 00 FE FF")
    assert rig.facts[st.C_DISCHARGE_dA] == 150 and rig.facts[st.C_CHARGE_dA] == 550
    assert rig.session.want.discharge_dA == 150 and rig.session.want.charge_dA == 0
    rig.wanted_dA = 100
    watch(rig, 1000)
    assert rig.sense[st.S_CURRENT_dA] == 100 and rig.facts[st.C_PHASE] == st.PH_CHARGE
    assert rig.of(CHARGER_IDS["CCS"])[-1][6] == 0xFD


def test_ccd_is_told_only_at_zero_current():
    rig = Rig(v112=1).charging()
    rig.run(500)
    rig.stage.hold_dA = 100  # the converter does not let go
    rig.wanted_dA = -100
    rig.run(2000)
    assert rig.of(CHARGER_IDS["CCD"])[-1] == b"\x00"
    assert rig.session.want.direction == 0
    rig.stage.hold_dA = None
    watch(rig, 1000)
    assert rig.of(CHARGER_IDS["CCD"])[-1] == b"\x01"
    assert rig.sense[st.S_CURRENT_dA] == -100


def test_between_the_directions_ccs_says_pause():
    rig = Rig(v112=1).charging()
    rig.run(500)
    rig.car.obeys_ccd = 0
    rig.wanted_dA = -100
    rig.run(1000)
    assert rig.of(CHARGER_IDS["CCS"])[-1][6] == 0xFC and rig.session.want.direction == 0
    rig = Rig(v112=1)
    rig.settings.turn_permission = 1
    rig.charging()
    rig.run(500)
    rig.car.obeys_ccd = 0
    rig.wanted_dA = -100
    rig.run(1000)
    assert rig.of(CHARGER_IDS["CCS"])[-1][6] == 0xFE and rig.session.want.direction == 0


def test_zero_wanted_keeps_the_direction():
    rig = discharging()
    rig.wanted_dA = 0
    watch(rig, 5000)
    assert rig.sense[st.S_CURRENT_dA] == 0 and rig.facts[st.C_PHASE] == st.PH_DISCHARGE
    assert rig.session.want.direction == DISCHARGE


def plain(rig):
    """However much is wanted, this session never discharges, and it charges."""
    rig.wanted_dA = -100
    rig.plug_in()
    rig.until(lambda: rig.session.state == s.ENERGY)
    for _ in range(1000):
        rig.tick()
        assert rig.sense[st.S_CURRENT_dA] >= 0 and rig.session.want.direction >= 0
        assert rig.session.want.discharge_dA == 0 and rig.facts[st.C_DISCHARGE_dA] == 0
        assert rig.facts[st.C_CAN_DISCHARGE] == 0
    assert b"\x01" not in rig.of(CHARGER_IDS["CCD"])
    assert all(ccs[6] in (0xFC, 0xFD) for ccs in rig.of(CHARGER_IDS["CCS"]))
    rig.wanted_dA = 100
    rig.until(lambda: rig.sense[st.S_CURRENT_dA] == 100, 2000)


def test_a_plain_car_with_the_trial_on_is_charged_only():
    rig = Rig(v112=1, car=Car(v112=0))
    plain(rig)
    assert rig.facts[st.C_PROTOCOL] == st.PROTO_GBT27930_2015
    assert not rig.of(CHARGER_IDS["CMLP"]) and not rig.of(CHARGER_IDS["CCD"])
    chm = [ms for ms, can_id, _ in rig.sent if can_id == CHARGER_IDS["CHM"]][0]
    assert 4900 < chm < 5600  # CDC was given its time
    cdc = [ms for ms, can_id, _ in rig.sent if can_id == CHARGER_IDS["CDC"]]
    assert 19 <= len(cdc) <= 21


def test_untrusted_in_a_plain_session_is_never_discharge_allowed():
    for v112 in (0, 1):
        car = Car(v112=0)
        rig = Rig(v112=v112, car=car)
        rig.wanted_dA = -100
        rig.plug_in()
        rig.until(lambda: rig.session.want.mode == RUN)  # noqa: B023
        rig.run(500)
        car.bsm = (0x00, 0xE0)
        for mode in (None, 3):
            car.mode = mode
            for _ in range(300):
                rig.tick()
                assert rig.sense[st.S_CURRENT_dA] >= 0 and rig.session.want.direction >= 0


def test_the_trial_off_no_word_of_it():
    rig = Rig(v112=0, car=Car(v112=1))
    plain(rig)
    for name in ("CDC", "CMLP", "CCD"):
        assert not rig.of(CHARGER_IDS[name])


def test_no_bdc_no_discharge():
    rig = Rig(v112=1)
    rig.car.mute.add("BDC")
    plain(rig)


def test_no_bcpp_no_discharge():
    rig = Rig(v112=1)
    rig.car.mute.add("BCPP")
    plain(rig)


def test_no_cycles_left_no_discharge():
    for left in (0, 0xFFFF):
        rig = Rig(v112=1)
        rig.car.cycles_left = left
        plain(rig)


def test_cycles_not_told_may_be_taken_for_many():
    rig = Rig(v112=1)
    rig.settings.cycles_unknown = 1
    rig.car.cycles_left = 0xFFFF
    rig.charging()
    assert rig.facts[st.C_CAN_DISCHARGE] == 1


def test_a_bdc_that_nobody_asked_for_is_no_offer():
    rig = Rig(v112=0, car=Car(v112=1))
    rig.plug_in()
    rig.until(lambda: rig.session.state == s.HELLO)
    rig.car.state = "proposed"
    rig.run(300)
    assert rig.car.transfer is None  # it was taken whole
    rig.car.state = "hello"
    rig.until(lambda: rig.sense[st.S_CURRENT_dA] > 0)
    assert rig.facts[st.C_CAN_DISCHARGE] == 0 and rig.facts[st.C_PROTOCOL] == st.PROTO_GBT27930_2015


def test_an_offer_ends_with_its_session():
    rig = Rig(v112=1).charging()
    assert rig.facts[st.C_CAN_DISCHARGE] == 1
    rig.unplug()
    rig.until_phase(st.PH_IDLE)
    assert rig.facts[st.C_CAN_DISCHARGE] == 0 and rig.facts[st.C_FLOOR_permille] == UNKNOWN
    rig.car = Car(v112=0)
    plain(rig)


def test_bcpp_must_come_again_after_a_retry():
    rig = Rig(v112=1).charging()
    rig.car.bem = octets("F0 F0 F1 FC")
    rig.until_phase(st.PH_RETRY)
    rig.car.mute.add("BCPP")
    rig.until(lambda: rig.sense[st.S_CURRENT_dA] > 0, 20000)
    assert rig.facts[st.C_CAN_DISCHARGE] == 0


def test_cml_waits_a_little_for_bcpp():
    rig = Rig(v112=1)
    rig.car.mute.add("BCPP")
    rig.plug_in()
    rig.until(lambda: not rig.session.lacks(5))  # BCP
    rig.run(300)
    assert not rig.of(CHARGER_IDS["CML"])
    rig.car.mute.remove("BCPP")
    rig.until(lambda: rig.of(CHARGER_IDS["CML"]), 100)
    rig.until(lambda: rig.sense[st.S_CURRENT_dA] > 0)
    assert rig.facts[st.C_CAN_DISCHARGE] == 1


def test_a_car_that_does_not_confirm_discharge_is_charged():
    rig = Rig(v112=1).charging()
    rig.car.obeys_ccd = 0
    rig.wanted_dA = -100
    rig.until(lambda: CHARGER_IDS["CCD"] == rig.sent[-1][1] and rig.sent[-1][2] == b"\x01", 2000)
    watch(rig, 4500)
    assert rig.sense[st.S_CURRENT_dA] == 0
    watch(rig, 1000)
    assert rig.facts[st.C_CAN_DISCHARGE] == 0 and rig.facts[st.C_DISCHARGE_dA] == 0
    rig.wanted_dA = 100
    watch(rig, 1000)
    assert rig.sense[st.S_CURRENT_dA] == 100 and rig.of(CHARGER_IDS["CCD"])[-1] == b"\x00"


def test_bclp_without_permission_is_no_confirmation():
    rig = Rig(v112=1).charging()
    rig.car.discharging = lambda: False
    rig.car.mode = 3  # demand of the wrong sign, mode of discharge; BSM stays at charge
    rig.wanted_dA = -100
    watch(rig, 3000)
    assert rig.sense[st.S_CURRENT_dA] == 0


def test_permission_without_bclp_is_no_confirmation():
    rig = Rig(v112=1).charging()
    rig.car.discharging = lambda: False
    rig.car.bsm = (0x00, 0xE0)
    rig.wanted_dA = -100
    watch(rig, 3000)
    assert rig.sense[st.S_CURRENT_dA] == 0


def test_a_bclp_of_before_ccd_confirms_nothing():
    rig = Rig(v112=1).charging()
    rig.run(300)
    rig.car.mode = 3
    rig.run(100)
    assert rig.session.want.direction == 0
    rig.car.mute.add("BCL")
    rig.wanted_dA = -100
    rig.run(300)
    assert rig.session.direction == DISCHARGE and rig.session.want.direction == 0


def test_a_car_that_turns_by_itself_gets_no_current():
    rig = Rig(v112=1).charging()
    rig.run(300)
    rig.car.discharging = lambda: True
    rig.run(300)
    assert rig.session.want.direction == 0 and rig.sense[st.S_CURRENT_dA] == 0
    rig.until(lambda: rig.faults.has(f.F_CAR_TIMEOUT), 6000)
    rig.until_phase(st.PH_FAULT, 20000)


def test_pause_while_discharging():
    rig = discharging()
    rig.car.bsm = (0x00, 0xC0)
    rig.until_phase(st.PH_PAUSE, 500)
    watch(rig, 500)
    assert rig.sense[st.S_CURRENT_dA] == 0 and rig.of(CHARGER_IDS["CCS"])[-1][6] == 0xFC
    rig.car.bsm = (0x00, 0xD0)
    watch(rig, 1000)
    assert rig.sense[st.S_CURRENT_dA] == -100 and rig.facts[st.C_PHASE] == st.PH_DISCHARGE


def test_the_gate_says_no_more_discharge():
    rig = discharging()
    rig.stage.slow = 1
    rig.facts[st.C_GATE_DISCHARGE_OK] = 0
    sent = rig.ms()
    watch(rig, 2000)
    # From that tick on no frame speaks of discharge, and the car is turned back.
    for ms, can_id, data in rig.sent:
        if ms >= sent:
            assert can_id != CHARGER_IDS["CCD"] or data == b"\x00"
            assert can_id != CHARGER_IDS["CCS"] or data[6] != 0xFE
    assert rig.of(CHARGER_IDS["CCD"])[-1] == b"\x00"
    assert rig.session.direction == CHARGE and rig.sense[st.S_CURRENT_dA] == 0
    assert rig.facts[st.C_CAN_DISCHARGE] == 1
    rig.facts[st.C_GATE_DISCHARGE_OK] = 1
    watch(rig, 1000)
    assert rig.sense[st.S_CURRENT_dA] == -100


def test_a_cell_too_low_withdraws_discharge():
    for alarms in (0x02, 0x08):  # BSM: cell voltage, SOC too low
        rig = discharging()
        rig.car.bsm = (alarms, 0xD0)
        watch(rig, 2000)
        assert rig.facts[st.C_CAN_DISCHARGE] == 0 and rig.session.direction == CHARGE
        assert rig.sense[st.S_CURRENT_dA] == 0 and rig.facts[st.C_PHASE] == st.PH_CHARGE


def test_the_lowest_cell_of_bmv_withdraws_discharge():
    for low_cV, good in ((281, 1), (280, 1), (279, 0)):
        rig = discharging()
        rig.until(lambda: rig.car.transfer is None)  # noqa: B023
        message = u16(370) + u16(low_cV) + u16(365)
        rig.car.transfer = (0x15, message, 0, 0)
        rig.session.receive(0x1CEC56F4, 1, octets("10 06 00 01 FF 00 15 00"), rig.now)
        watch(rig, 2000)
        assert rig.facts[st.C_CAN_DISCHARGE] == good


def test_the_demand_limits_the_discharge():
    rig = discharging()
    rig.wanted_dA = -1000
    rig.run(500)
    assert rig.sense[st.S_CURRENT_dA] == -150
    rig.car.discharge_dA = 900
    rig.run(500)
    assert rig.sense[st.S_CURRENT_dA] == -500  # BCPP
    rig.car.discharge_dA = 0
    rig.run(500)
    assert rig.sense[st.S_CURRENT_dA] == 0 and rig.facts[st.C_DISCHARGE_dA] == 0


def test_stops_from_discharge():
    for what in ("stop", "estop", "plug", "bcl", "bsm", "bst", "bem"):
        rig = discharging()
        if what == "stop":
            rig.stop = 1
        elif what == "estop":
            rig.faults.set(f.F_ESTOP, 0, rig.now)
        elif what == "plug":
            rig.unplug()
        elif what == "bcl":
            rig.car.mute.add("BCL")
            rig.run(950)
        elif what == "bsm":
            rig.car.bsm = (0x40, 0xD0)
            rig.run(240)
        elif what == "bst":
            rig.car.bst = octets("00 00 04 00")
        else:
            rig.car.bem = octets("F0 F0 F1 FC")
        rig.run(60)
        want = rig.session.want
        assert want.mode != RUN and want.direction == 0 and want.discharge_dA == 0, what
        assert rig.facts[st.C_DISCHARGE_dA] == 0
        assert bool(want.emergency) == (what != "stop") or rig.stage.reached.done, what


def test_a_discharge_across_the_wrap():
    rig = discharging(start=0x3FFFFFFF - 3000)
    watch(rig, 20000)
    assert rig.sense[st.S_CURRENT_dA] == -100 and rig.facts[st.C_PHASE] == st.PH_DISCHARGE
