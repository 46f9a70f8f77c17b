"""RUN: watts at the meter, amperes toward the car, and the way through zero. Runs on CPython and on MicroPython."""

from firmware.contract import CHARGE, DISCHARGE, NEITHER, OFF
from firmware.faults import (
    F_CONTACTOR_FEEDBACK,
    F_CONVERTER_FAULT,
    F_CONVERTER_MODE,
    F_CONVERTER_OFF,
    F_TEMPERATURE_HIGH,
)
from firmware.signals import OUT_CONTACTOR, OUT_ENABLE
from firmware.station import (
    C_GATE_DISCHARGE_OK,
    C_PAUSED,
    V_POWER_AC_W,
    C_CHARGE_dA,
    C_DISCHARGE_dA,
    C_VOLTAGE_MIN_dV,
    P_CHARGE_RATIO_permille,
    P_DISCHARGE_RATIO_permille,
    P_TARGET_dA,
    S_TEMP1_dC,
)
from firmware.units import TICKS_MASK
from host_tests.unit.power_rig import Power


def running(power_W, ticks=300, start_ms=0, **changes):
    rig = Power(start_ms, **changes).to_run(CHARGE if power_W >= 0 else DISCHARGE)
    rig.order_W(power_W)
    rig.tick(ticks)
    return rig


def car_takes(rig, current_dA):
    rig.want.charge_dA = rig.want.discharge_dA = current_dA
    rig.station.car.now[C_CHARGE_dA] = rig.station.car.now[C_DISCHARGE_dA] = current_dA


def delivered_W(rig):
    return rig.station.converter.now[V_POWER_AC_W]


def close_enough(power_W, ordered_W):
    return abs(power_W - ordered_W) <= max(100, abs(ordered_W) // 50)


def test_the_meter_shows_what_was_ordered():
    for power_W in (700, 2000, 5000, 11111, 19000, -700, -3000, -9999, -17000):
        for efficiency_permille in (950, 900, 980):
            rig = running(power_W, 1)
            rig.efficiency_permille = efficiency_permille
            rig.tick(1500)
            assert close_enough(delivered_W(rig), power_W), (power_W, efficiency_permille, delivered_W(rig))
            for _ in range(300):  # and it stays
                rig.tick()
                assert close_enough(delivered_W(rig), power_W)


def test_the_ratio_is_learnt_per_direction_and_bounded():
    rig = running(10000, 1)
    rig.efficiency_permille = 900
    rig.tick(2000)
    power = rig.station.power.now
    assert 890 <= power[P_CHARGE_RATIO_permille] <= 910 and power[P_DISCHARGE_RATIO_permille] == 1052
    rig.efficiency_permille = 400  # a reading that cannot be
    rig.tick(5000)
    assert power[P_CHARGE_RATIO_permille] == 750


def test_nothing_is_learnt_where_the_current_is_not_what_was_ordered():
    rig = running(10000, 400)
    rig.pack_dV = 4099  # nearly full: the converter holds the voltage
    before = rig.station.power.now[P_CHARGE_RATIO_permille]
    rig.pack_dV = 4101
    rig.tick(2000)
    assert rig.current_dA == 0 and rig.station.power.now[P_CHARGE_RATIO_permille] == before


def test_the_grids_ramp():
    for start_ms in (0, TICKS_MASK - 3000):
        rig = running(19000, 0, start_ms, grid_ramp_W_s=5000)
        rig.until(lambda rig=rig: rig.stage.order.current_dA)
        rig.tick(100)
        assert 4700 <= delivered_W(rig) <= 5300
        rig.tick(100)
        assert 9500 <= delivered_W(rig) <= 10500
        rig.order_W(5000)
        rig.tick(50)
        assert 7200 <= delivered_W(rig) <= 7900


def test_a_slow_ramp_is_not_rounded_away():
    rig = running(1000, 0, grid_ramp_W_s=50)
    rig.tick(1100)
    assert 450 <= delivered_W(rig) <= 600


def test_less_from_the_car_is_followed_in_the_same_tick_more_at_20_A_a_second():
    for power_W in (19000, -17000):
        rig = running(power_W)
        high_dA = rig.stage.order.current_dA
        assert high_dA > 400
        car_takes(rig, 100)
        rig.tick()
        assert rig.stage.order.current_dA == 100
        rig.tick(50)
        car_takes(rig, 500)
        rig.tick(100)
        assert rig.stage.order.current_dA >= 300
        car_takes(rig, 0)
        rig.tick()
        assert rig.stage.order.current_dA == 0


def test_never_more_than_the_car_takes():
    for power_W in (22000, -22000):
        rig = running(power_W, 0)
        for step in range(400):
            car_takes(rig, (step * 37) % 500)
            rig.tick()
            assert rig.stage.order.current_dA <= (step * 37) % 500


def test_pause_and_floor_take_the_current_in_their_own_tick():
    for power_W, slot, value in ((10000, C_PAUSED, 1), (-10000, C_PAUSED, 1), (-10000, C_GATE_DISCHARGE_OK, 0)):
        for phase in range(11):
            rig = running(power_W, 300 + phase)
            assert rig.stage.order.current_dA > 200
            rig.station.car.now[slot] = value
            rig.tick()
            assert rig.stage.order.current_dA == 0
            assert rig.stage.relays & OUT_CONTACTOR


def test_a_lapsed_order_ramps_down_and_holds_zero_with_the_converter_on():
    rig = running(-10000)
    rig.order_W(0)
    rig.tick(20)
    assert 0 < rig.stage.order.current_dA < 250
    rig.tick(3000)
    assert rig.stage.order.current_dA == 0 and rig.stage.order.on and rig.stage.relays & OUT_ENABLE
    assert rig.station.power.now[P_TARGET_dA] == 0


def test_voltages_of_either_direction():
    rig = running(10000)
    assert rig.stage.order.voltage_dV == 4100 and rig.stage.order.mode == CHARGE
    rig.want.voltage_dV = 3950
    rig.tick()
    assert rig.stage.order.voltage_dV == 3950
    rig.want.voltage_dV = 9000
    rig.tick()
    assert rig.stage.order.voltage_dV == 7500
    rig = running(-10000)
    assert rig.stage.order.cutoff_dV == 3200 and rig.stage.order.voltage_dV == 3200
    rig = Power().to_run(DISCHARGE)
    rig.station.car.now[C_VOLTAGE_MIN_dV] = 3300  # the higher of the two
    rig.order_W(-5000)
    rig.tick(300)
    assert rig.stage.order.cutoff_dV == 3300


def test_no_voltage_no_current():
    rig = running(10000)
    rig.want.voltage_dV = 0
    rig.tick()
    assert rig.stage.order.current_dA == 0


def test_the_current_has_the_sign_of_its_direction():
    assert running(10000).station.power.now[P_TARGET_dA] > 0
    assert running(-10000).station.power.now[P_TARGET_dA] < 0


def test_no_current_against_the_confirmed_direction():
    for direction in (CHARGE, DISCHARGE, NEITHER):
        for power_W in (10000, -10000):
            rig = Power().to_run(CHARGE)
            rig.want.direction = direction
            rig.order_W(power_W)
            for _ in range(300):
                rig.tick()
                if power_W * direction <= 0:
                    assert rig.stage.order.current_dA == 0


def test_a_change_of_direction_goes_through_off():
    for power_W in (10000, -10000):
        rig = running(power_W)
        order = rig.stage.order
        old, new = order.mode, -order.mode
        rig.want.direction = new
        rig.order_W(-power_W)
        seen = []
        for _ in range(300):
            before_on, before_mode = order.on, order.mode
            rig.tick()
            was_off = rig.on == 0 and -10 < rig.current_dA < 10
            if before_mode != order.mode:
                assert not before_on and was_off  # OFF reported and less than 1 A before the mode changes
                seen.append("mode")
            if order.on < before_on:
                assert order.current_dA == 0 and rig.current_dA * old < 50 + 200
                seen.append("off")
            if order.on > before_on:
                seen.append("on")
            if order.current_dA and order.mode == new:
                assert rig.station.converter.now[2] == 1 and rig.station.converter.now[3] == new
                seen.append("current")
        assert [name for at, name in enumerate(seen) if name not in seen[:at]] == ["off", "mode", "on", "current"]
        assert close_enough(delivered_W(rig), -power_W)
        assert rig.stage.relays & OUT_CONTACTOR


def test_to_neither_and_back_needs_no_turn():
    rig = running(10000)
    rig.want.direction = NEITHER
    for _ in range(200):
        rig.tick()
        assert rig.stage.order.on
    assert rig.stage.order.current_dA == 0
    rig.want.direction = CHARGE
    rig.tick(150)
    assert close_enough(delivered_W(rig), 10000)


def test_a_converter_that_does_not_turn_is_a_fault():
    for faulty, code, ticks in (("never off", F_CONVERTER_OFF, 510), ("wrong mode", F_CONVERTER_MODE, 560)):
        rig = running(5000)
        rig.want.direction = DISCHARGE
        rig.faulty.add(faulty)
        rig.until(lambda rig=rig: rig.stage.reached.fault, ticks)
        assert rig.stage.reached.fault == code
        assert not rig.stage.order.on


def test_a_converter_that_goes_off_by_itself_gets_no_current_and_then_is_a_fault():
    rig = running(5000)
    rig.faulty.add("never on")
    rig.on = 0
    rig.tick()
    assert rig.stage.order.current_dA == 0 and not rig.stage.reached.done
    rig._sense()
    rig.station.converter.now[3] = CHARGE
    rig.until(lambda: rig.stage.reached.fault, 510)
    assert rig.stage.reached.fault in (F_CONVERTER_FAULT, F_CONVERTER_MODE)


def test_a_contactor_that_falls_open_ends_the_session_at_once():
    rig = running(5000)
    rig.closed = 0
    rig.faulty.add("contact sticks")
    rig.tick(3)
    assert not rig.stage.reached.fault  # one bad sample of the feedback is none
    rig.until(lambda: rig.faults.has(F_CONTACTOR_FEEDBACK), 4)
    assert rig.stage.order.now and not rig.stage.order.on and rig.stage.reached.mode == OFF


def test_a_warm_connector_is_told_and_cooling_takes_it_back():
    rig = running(5000)
    rig.station.sense.now[S_TEMP1_dC] = 710
    rig.tick(300)
    assert rig.faults.has(F_TEMPERATURE_HIGH)
    rig.station.sense.now[S_TEMP1_dC] = 690
    rig.tick(300)
    assert rig.faults.has(F_TEMPERATURE_HIGH)
    rig.station.sense.now[S_TEMP1_dC] = 670
    rig.tick(300)
    assert not rig.faults.has(F_TEMPERATURE_HIGH)


def test_a_stall_of_the_tick_is_no_step_of_the_ramp():
    rig = running(19000, 0, grid_ramp_W_s=5000)
    rig.until(lambda: rig.stage.order.current_dA)
    before_dA = rig.stage.order.current_dA
    rig.now += 3000
    rig.tick()
    assert rig.stage.order.current_dA - before_dA <= 16
