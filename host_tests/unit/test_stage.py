"""The steps of the power path. Runs on CPython and on MicroPython."""

from firmware.contract import INSULATE, MATCH, OFF, RUN, WELD
from firmware.faults import (
    EMERGENCY,
    F_BLEED,
    F_CAR_CONTACTOR_WELDED,
    F_CAR_VOLTAGE_ABSENT,
    F_CONTACTOR_FEEDBACK,
    F_CONTACTOR_WELDED,
    F_CONVERTER_MISSING,
    F_INSULATION,
    F_PRECHARGE,
    severity,
)
from firmware.signals import OUT_BLEED, OUT_CONTACTOR
from firmware.station import (
    V_READY,
    S_AGE_ms,
)
from firmware.units import TICKS_MASK, UNKNOWN
from host_tests.unit.power_rig import Power


def reached(rig):
    return rig.stage.reached


def relays(rig, bit):
    return 1 if rig.stage.relays & bit else 0


def fails_with(rig, code, ticks=3000):
    rig.until(lambda: reached(rig).fault, ticks)
    assert reached(rig).fault == code, reached(rig).fault
    assert rig.faults.has(code)
    assert not relays(rig, OUT_CONTACTOR) and not rig.stage.order.on
    return rig


def insulating(voltage_dV=4000, **changes):
    rig = Power(**changes)
    rig.tick(3)
    rig.want.mode, rig.want.voltage_dV = INSULATE, voltage_dV
    return rig


def test_the_insulation_test_raises_holds_and_bleeds_with_open_contactors():
    rig = insulating()
    highest_dV = 0
    rig.tick()
    assert not reached(rig).done
    while not reached(rig).done:
        rig.tick()
        highest_dV = max(highest_dV, rig.link_dV)
        assert not relays(rig, OUT_CONTACTOR) and not reached(rig).fault
        assert not (relays(rig, OUT_BLEED) and rig.on)
        assert rig.now < 15000
    assert highest_dV == 4000 and rig.link_dV < 600 and not rig.stage.order.on
    rig.want.mode = OFF
    rig.until(lambda: reached(rig).mode == OFF and reached(rig).done)


def test_the_test_voltage_is_no_more_than_the_station_stands():
    rig = insulating(9000)
    rig.until(lambda: rig.stage.order.on)
    assert rig.stage.order.voltage_dV == 7500


def test_voltage_outside_before_the_test_is_the_cars_contactor():
    rig = Power()
    rig.tick(3)
    rig.pack_dV = 3800
    rig.want.mode, rig.want.voltage_dV = INSULATE, 4000
    fails_with(rig, F_CAR_CONTACTOR_WELDED)
    assert not any(rig.relays)


def test_a_link_that_does_not_rise_fails_the_test():
    rig = insulating()
    rig.faulty.add("link stays down")
    fails_with(rig, F_INSULATION)


def test_an_inlet_that_follows_the_link_is_our_contactor():
    rig = insulating()
    rig.faulty.add("inlet follows")
    fails_with(rig, F_CONTACTOR_WELDED)


def test_no_converter_no_test():
    rig = insulating()
    rig.station.converter.now[V_READY] = 0
    fails_with(rig, F_CONVERTER_MISSING)


def test_the_protocols_deadline_counts_when_it_is_shorter():
    rig = insulating()
    rig.want.deadline_ms = 3000
    rig.faulty.add("link stays down")
    assert rig.until(lambda: reached(rig).fault) <= 302
    rig = insulating()
    rig.want.deadline_ms = 900000
    rig.faulty.add("link stays down")
    assert 1490 <= rig.until(lambda: reached(rig).fault) <= 1510


def test_a_link_that_sags_while_held_fails():
    rig = insulating()
    rig.until(lambda: rig.link_dV >= 3990)
    rig.tick(3)
    rig.faulty.add("link stays down")
    rig.link_dV = 3500
    fails_with(rig, F_INSULATION, 5)


# --- MATCH ---
def matching(pack_dV=3800, told_dV=3800):
    rig = Power()
    rig.tick(3)
    rig.pack_dV = pack_dV
    rig.want.mode, rig.want.voltage_dV, rig.want.deadline_ms = MATCH, told_dV, 20000
    return rig


def test_precharge_closes_just_below_the_battery():
    for pack_dV, told_dV in ((3800, 3800), (3800, 3950), (3800, 3650), (2500, 2500), (7400, 7300)):
        rig = matching(pack_dV, told_dV)
        rig.until(lambda rig=rig: relays(rig, OUT_CONTACTOR))
        assert pack_dV - 100 <= rig.link_dV <= pack_dV - 10
        rig.until(lambda rig=rig: reached(rig).done)
        assert rig.closed == 1 and rig.stage.order.current_dA == 0 and not reached(rig).fault


def test_a_battery_that_is_not_what_the_car_told_is_not_matched():
    for pack_dV, told_dV in ((3800, 4100), (3800, 3500), (0, 3800), (7600, 7600), (3800, 0)):
        rig = matching(pack_dV, told_dV)
        fails_with(rig, F_CAR_VOLTAGE_ABSENT)


def test_nothing_closes_without_a_rise_in_this_precharge():
    rig = matching()
    rig.link_dV = 3780  # already there: stuck sensor, or our own contact is welded
    fails_with(rig, F_CONTACTOR_WELDED)


def test_nothing_closes_when_one_of_three_readings_does_not_fit():
    for faulty in ("link stays down", "converter reads wrong"):
        rig = matching()
        rig.faulty.add(faulty)
        fails_with(rig, F_PRECHARGE)


def test_nothing_closes_on_an_old_sample():
    rig = matching()
    rig.station.sense.now[S_AGE_ms] = 50
    fails_with(rig, F_PRECHARGE)


def test_no_feedback_is_a_fault_within_half_a_second():
    rig = matching()
    rig.faulty.add("contact sticks")
    rig.until(lambda: relays(rig, OUT_CONTACTOR))
    fails_with(rig, F_CONTACTOR_FEEDBACK, 60)


def test_match_has_a_deadline_of_its_own():
    rig = matching()
    rig.faulty.add("never on")
    rig.want.deadline_ms = 0
    fails_with(rig, F_PRECHARGE, 2010)
    rig = matching()
    rig.station.converter.now[V_READY] = UNKNOWN
    fails_with(rig, F_CONVERTER_MISSING, 2010)


def test_only_match_leads_to_run():
    rig = Power()
    rig.tick(3)
    rig.want.mode = RUN
    rig.tick(20)
    assert not relays(rig, OUT_CONTACTOR)
    rig = matching()
    rig.tick(5)
    rig.want.mode = RUN  # before MATCH was done
    rig.tick()
    assert reached(rig).mode == OFF


# --- WELD ---
def welding(rig):
    rig.want.mode = OFF
    rig.until(lambda: rig.closed == 0 and relays(rig, OUT_BLEED))
    rig.want.mode, rig.want.deadline_ms = WELD, 5000
    rig.tick()
    assert reached(rig).mode == WELD
    return rig


def test_weld_passes_when_the_inlet_falls():
    rig = welding(Power().to_run())
    rig.pack_dV = UNKNOWN
    rig.until(lambda: reached(rig).done, 400)
    assert not reached(rig).fault and rig.inlet_dV < 600


def test_weld_tells_the_cars_contactor_from_ours():
    rig = welding(Power().to_run())
    fails_with(rig, F_CAR_CONTACTOR_WELDED, 510)
    rig = welding(Power().to_run())
    rig.pack_dV, rig.link_dV, rig.inlet_dV = UNKNOWN, 3800, 3800
    rig.faulty.add("inlet follows")
    rig.station.sense.now[S_AGE_ms] = 0
    rig.closed = 1
    rig.faulty.add("contact sticks")
    fails_with(rig, F_CONTACTOR_WELDED, 510)


def test_weld_waits_until_the_contactors_are_open():
    rig = Power().to_run()
    rig.order_W(10000)
    rig.tick(100)
    rig.want.mode = WELD
    rig.tick()
    assert reached(rig).mode == OFF and rig.stage.order.current_dA > 0  # first the ramp
    rig.until(lambda: reached(rig).mode == WELD)
    assert rig.closed == 0


# --- failures ---
def test_a_failed_step_keeps_its_fault_until_off_is_wanted_and_done():
    rig = insulating()
    rig.faulty.add("link stays down")
    fails_with(rig, F_INSULATION)
    rig.tick(500)
    assert reached(rig).fault == F_INSULATION and reached(rig).mode == OFF
    rig.want.mode = OFF
    rig.tick(2)
    assert reached(rig).fault == 0


def test_a_grave_failure_of_the_stage_cuts_at_once():
    assert severity[F_CONTACTOR_FEEDBACK] == EMERGENCY
    rig = Power().to_run()
    rig.order_W(15000)
    rig.tick(200)
    rig.closed = 0
    rig.faulty.add("contact sticks")
    rig.until(lambda: rig.faults.has(F_CONTACTOR_FEEDBACK), 10)
    assert rig.stage.order.now and not rig.stage.order.on and not relays(rig, OUT_CONTACTOR)


def test_deadlines_hold_across_the_wrap():
    rig = Power(TICKS_MASK - 8000)
    rig.tick(3)
    rig.want.mode, rig.want.voltage_dV = INSULATE, 4000
    rig.faulty.add("link stays down")
    assert 1490 <= rig.until(lambda: reached(rig).fault) <= 1510
    assert F_BLEED != reached(rig).fault == F_INSULATION

