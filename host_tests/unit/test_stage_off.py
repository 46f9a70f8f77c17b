"""OFF: the ramp, the order of a stop, the emergency, the bleeding. Runs on CPython and on MicroPython."""

from firmware.contract import CHARGE, DISCHARGE, INSULATE, MATCH, OFF
from firmware.faults import (
    F_CAR_CONTACTOR_WELDED,
    F_CAR_FAULT,
    F_CONTACTOR_FEEDBACK,
    F_CONVERTER_OFF,
    F_ESTOP,
)
from firmware.signals import OUT_BLEED, OUT_CONTACTOR, OUT_ENABLE
from firmware.units import UNKNOWN
from host_tests.unit.power_rig import Power


def reached(rig):
    return rig.stage.reached


def relays(rig, bit):
    return 1 if rig.stage.relays & bit else 0


def test_a_new_stage_is_off_and_proposes_nothing():
    rig = Power()
    rig.tick(5)
    assert reached(rig).mode == OFF and reached(rig).done and reached(rig).open and reached(rig).idle
    assert rig.stage.relays == 0 and not rig.stage.order.on and not rig.stage.order.now


def test_after_a_reset_a_charged_link_is_bled_before_off_is_done():
    rig = Power()
    rig.link_dV = 4000
    rig.tick(2)
    assert not reached(rig).done and relays(rig, OUT_BLEED)
    rig.until(lambda: reached(rig).done)
    assert rig.link_dV < 600
    rig.until(lambda: not relays(rig, OUT_BLEED))
    assert rig.link_dV < 60 and reached(rig).done


def test_an_inlet_that_comes_alive_while_off_is_not_bled():
    rig = Power()
    rig.tick(5)
    rig.pack_dV = 3800
    for _ in range(2500):
        rig.tick()
        assert not relays(rig, OUT_BLEED) and reached(rig).done and not reached(rig).fault


def test_a_normal_stop_ramps_then_off_then_opens_without_load_then_bleeds():
    rig = Power().to_run()
    rig.order_W(15000)
    rig.tick(200)
    assert rig.current_dA > 350
    seen = []
    rig.want.mode = OFF
    last_dA = rig.stage.order.current_dA
    slope = []
    for _ in range(400):
        rig.tick()
        now_dA = rig.stage.order.current_dA
        slope.append(last_dA - now_dA)
        last_dA = now_dA
        if not rig.stage.order.on:
            seen.append("off")
            assert now_dA == 0
        if not relays(rig, OUT_CONTACTOR):
            seen.append("open")
            assert -50 <= rig.current_dA <= 50 and "off" in seen
        if rig.closed == 0:
            rig.pack_dV = UNKNOWN  # the car opens too
        if relays(rig, OUT_BLEED):
            seen.append("bleed")
            assert rig.closed == 0
    assert 10 <= max(slope) <= 40  # at least 100 A/s, and no step
    order = [name for at, name in enumerate(seen) if name not in seen[:at]]
    assert order == ["off", "open", "bleed"]
    assert reached(rig).done and reached(rig).mode == OFF and not rig.faults.worst
    assert not relays(rig, OUT_ENABLE)


def test_a_stop_slope_of_zero_means_at_once():
    rig = Power().to_run()
    rig.order_W(15000)
    rig.tick(200)
    rig.want.mode, rig.want.stop_dA_s = OFF, 0
    rig.tick()
    assert rig.stage.order.current_dA == 0 and not rig.stage.order.on


def test_the_grid_ramp_never_slows_a_stop():
    rig = Power(grid_ramp_W_s=100).to_run()
    rig.order_W(15000)
    rig.tick(6000)
    before_dA = rig.stage.order.current_dA
    rig.want.mode = OFF
    rig.tick(20)
    assert before_dA > 100 and rig.stage.order.current_dA == 0


def test_an_emergency_acts_in_its_own_tick():
    for power_W in (15000, -15000, 0):
        for how in ("want", "fault"):
            rig = Power().to_run(CHARGE if power_W >= 0 else DISCHARGE)
            rig.order_W(power_W)
            rig.tick(300)
            if how == "want":
                rig.want.mode, rig.want.emergency = OFF, 1
            else:
                rig.faults.set(F_ESTOP, 0, rig.now)
            rig.stage.step(rig.now, rig.want)
            order = rig.stage.order
            assert order.now == 1 and not order.on and order.current_dA == 0
            assert not relays(rig, OUT_CONTACTOR) and not relays(rig, OUT_ENABLE)
            assert reached(rig).mode == OFF and not reached(rig).done


def test_an_emergency_acts_from_every_step():
    for mode, ticks in ((INSULATE, 3), (INSULATE, 12), (INSULATE, 40), (MATCH, 3), (MATCH, 12), (MATCH, 40), (OFF, 4)):
        rig = Power()
        if mode == MATCH:
            rig.pack_dV = 3800
        rig.tick(3)
        rig.want.mode, rig.want.voltage_dV = mode, 3800
        rig.tick(ticks)
        rig.faults.set(F_CAR_FAULT, 0, rig.now)
        rig.tick()
        assert reached(rig).mode == OFF and not rig.stage.order.on
        assert not relays(rig, OUT_CONTACTOR) and not relays(rig, OUT_ENABLE)
        rig.tick(500)
        assert not rig.stage.order.on and not relays(rig, OUT_CONTACTOR)


def test_in_an_emergency_the_stop_button_of_a_ramp_is_overtaken():
    rig = Power().to_run()
    rig.order_W(15000)
    rig.tick(200)
    rig.want.mode = OFF
    rig.tick(3)
    assert rig.stage.order.current_dA > 200
    rig.want.emergency = 1
    rig.tick()
    assert rig.stage.order.current_dA == 0 and rig.stage.order.now and not relays(rig, OUT_CONTACTOR)


def test_an_emergency_ends_in_bleeding_and_lets_go_of_now():
    rig = Power().to_run()
    rig.order_W(15000)
    rig.tick(200)
    rig.want.mode, rig.want.emergency = OFF, 1
    rig.tick(10)
    rig.pack_dV = UNKNOWN
    rig.until(lambda: reached(rig).done)
    assert not rig.stage.order.now and not reached(rig).fault
    rig.want.emergency = 0
    rig.tick(500)
    assert reached(rig).done


def test_a_converter_that_flows_on_after_off_is_a_fault_and_then_the_contactor_goes():
    rig = Power().to_run()
    rig.order_W(15000)
    rig.tick(200)
    rig.want.mode = OFF
    rig.faulty.update(("runs away", "never off"))
    ticks = rig.until(lambda: rig.faults.has(F_CONVERTER_OFF))
    assert 150 < ticks < 300
    assert not relays(rig, OUT_CONTACTOR) and rig.stage.order.now


def test_a_converter_that_only_does_not_say_off_holds_nothing_up():
    rig = Power().to_run()
    rig.want.mode = OFF
    rig.faulty.add("never off")
    ticks = rig.until(lambda: not relays(rig, OUT_CONTACTOR))
    assert 25 < ticks < 60 and not rig.faults.worst


def test_a_contact_that_stays_closed_is_told_and_nothing_is_bled():
    rig = Power().to_run()
    rig.faulty.add("contact sticks")
    rig.want.mode = OFF
    rig.until(lambda: rig.faults.has(F_CONTACTOR_FEEDBACK), 200)
    for _ in range(2000):
        rig.tick()
        assert not relays(rig, OUT_BLEED) and not reached(rig).done and not relays(rig, OUT_CONTACTOR)


def test_an_inlet_that_keeps_the_batterys_voltage_is_the_cars_contactor():
    rig = Power().to_run()
    rig.want.mode = OFF
    rig.until(lambda: reached(rig).fault)
    assert reached(rig).fault == F_CAR_CONTACTOR_WELDED
    bled = 0
    for _ in range(1000):
        rig.tick()
        bled += relays(rig, OUT_BLEED)
    assert 100 <= bled <= 260  # the resistor hangs on a battery: seldom
    rig.pack_dV = UNKNOWN
    rig.until(lambda: reached(rig).done, 3000)
    rig.tick(2)
    assert reached(rig).fault == 0


def test_a_contact_that_sticks_in_an_emergency_is_told_too():
    rig = Power().to_run()
    rig.faulty.add("contact sticks")
    rig.want.mode, rig.want.emergency = OFF, 1
    ticks = rig.until(lambda: rig.faults.has(F_CONTACTOR_FEEDBACK), 100)
    assert 29 <= ticks <= 32
    rig.tick()
    assert not rig.stage.order.now  # nothing more to hurry: zero and OFF go on in their turn
