"""The emulated CHAdeMO car against a small scripted charger: whole sessions, every limit, what it says of itself."""

import pytest

from host_tests.bench_chademo_charger import Pair
from hw_tests.bench.chademo import codec
from hw_tests.bench.chademo.profiles import PROFILES, profile

WHOLE = ["awake", "permitted", "closed", "ready", "charge", "stopping", "weld", "ended", "asleep"]
V2X = [name for name, each in PROFILES.items() if each.v2x]


def ended(pair: Pair) -> Pair:
    """Stop by the charger, and let it come to its end."""
    pair.charger.stop_wanted = True
    pair.run(9_000)
    return pair


# Healthy sessions.


@pytest.mark.parametrize("step_ms", [1, 3, 10])
@pytest.mark.parametrize("name", V2X)
def test_a_session_both_ways_from_plug_to_plug(name, step_ms):
    pair = Pair(name)
    volts = pair.car.profile.ocv_V[2][1]
    pair.vehicle.pack_V = pair.vehicle.pack_ocv_V = volts
    assert pair.run(15_000, lambda: pair.car.phase == "charge", step_ms)
    pair.charger.wanted_A = 60
    pair.run(5_000, None, step_ms)
    assert pair.vehicle.current_A == pair.car.profile.charge_max_A // 2 * 2 and pair.vehicle.contactors_closed
    pair.charger.wanted_A = 0
    pair.run(1_000, None, step_ms)
    pair.charger.wanted_A = -60
    pair.run(3_000, None, step_ms)
    assert pair.vehicle.current_A == -pair.car.profile.discharge_max_A
    pair.charger.stop_wanted = True
    pair.run(9_000, None, step_ms)
    assert pair.phases == WHOLE
    assert set(pair.car.checker.counts) <= {"slope"}  # this charger goes to full discharge at once
    facts = pair.car.facts()
    assert (facts["openings"], facts["opened_under_load"], facts["stop"]) == (1, 0, "charger")
    assert facts["energy_in_Wh"] > 10 and facts["energy_out_Wh"] > 5


def test_a_charge_of_the_imiev():
    pair = Pair("imiev")
    pair.vehicle.pack_V = pair.vehicle.pack_ocv_V = 332.0
    pair.charger.v2x = False
    pair.charger.wanted_A = 60
    pair.to("charge").run(5_000)
    assert pair.vehicle.current_A == 44
    assert not pair.frames("200") and all(not status["contactors_open"] for _, status in pair.frames("102"))
    pair.vehicle.soc = 0.84
    pair.run(6_000)
    assert pair.car.stop_reason == "full" and pair.car.log == [] and pair.car.opened_under_load == 0


def test_the_times_are_those_that_were_measured():
    pair = ended(Pair().to("charge"))
    at = {phase: ms for ms, phase in reversed(pair.car.phases)}
    first = pair.sent[0][0]
    assert 3_800 <= at["permitted"] - first <= 4_000  # log: 3.9 s
    assert at["ready"] - at["closed"] == pytest.approx(1_700, abs=20)  # log: 1.70 s
    assert at["weld"] - at["stopping"] < 2_200 and 2_400 <= at["ended"] - at["stopping"] <= 3_200  # log: 2.9 s
    for name in ("100", "101", "102", "200"):
        times = [ms for ms, _ in pair.frames(name)]
        assert {b - a for a, b in zip(times, times[1:])} == {100}
    starts = [pair.frames(name)[5][0] for name in ("100", "101", "102", "200")]
    assert [b - a for a, b in zip(starts, starts[1:])] == [10, 10, 10]


def test_the_request_ramps_by_2_A_a_frame_and_follows_what_is_available():
    pair = Pair()
    pair.charger.available_A = 15
    pair.to("charge")
    pair.run(2_000)
    asked = [status["request_dA"] for _, status in pair.frames("102") if status["request_dA"]]
    assert asked[:7] == [20, 40, 60, 80, 100, 120, 140] and set(asked[7:]) == {140}  # the log: 15 A offered, 14 asked
    pair.charger.available_A = 0
    pair.run(200)
    assert pair.frames("102")[-1][1]["request_dA"] == 0
    pair.charger.available_A = 15
    pair.run(1_000)
    assert pair.frames("102")[-1][1]["request_dA"] == 140


def test_the_discharge_limit_is_zero_before_the_request_and_mirrors_the_charger_s():
    pair = Pair()
    pair.charger.discharge_A = 15
    pair.to("ready")
    assert {limits["discharge_max_dA"] for _, limits in pair.frames("200")} == {0}
    pair.run(2_000)
    told = [limits["discharge_max_dA"] for _, limits in pair.frames("200")]
    moved = [limit for limit in told if limit]
    assert moved[:8] == [-20, -40, -60, -80, -100, -120, -140, -150] and set(moved[8:]) == {-150}  # as in the log
    assert pair.car.may_discharge


def test_first_frames_are_garbage_as_in_the_log():
    pair = Pair()
    pair.run(2_000)
    assert [c["soc_reference"] for _, c in pair.frames("100")][:3] == [240, 100, 100]
    assert {status["soc_raw"] for _, status in pair.frames("102")} == {3, 1}
    assert [limits["energy_min_raw"] for _, limits in pair.frames("200")][0] == 0xFF
    pair.run(2_000)
    assert pair.frames("102")[-1][1]["soc_raw"] == 60
    assert pair.frames("101")[-1][1]["capacity_Wh"] == 2_200
    limits = pair.frames("200")[-1][1]
    assert (limits["energy_min_raw"], limits["energy_max_raw"]) == (7, 18)  # 0.1 kWh: 30 and 80 %


def test_a_charger_before_1_0_makes_the_reference_255():
    pair = Pair()
    pair.charger.protocol = 1
    pair.run(4_000)
    assert pair.frames("100")[-1][1]["soc_reference"] == 255
    soc = codec.soc_permille(pair.frames("102")[-1][1]["soc_raw"], 255)
    assert soc == pytest.approx(600, abs=5)


def test_energies_in_per_cent_come_with_201():
    pair = Pair("leaf_ze1").to("charge")
    assert pair.frames("201")[-1][1]["sequence"] == 2
    limits = pair.frames("200")[-1][1]
    assert (limits["energy_min_raw"], limits["energy_max_raw"]) == (10, 100)
    assert pair.frames("202") and len(pair.frames("700")) <= 3  # 700 ends when the charger speaks


def test_the_2_0_car_asks_by_110_only_if_118_agrees():
    pair = Pair("chademo_2_0").to("charge")
    pair.run(1_000)
    assert pair.frames("102")[-1][1]["request_dA"] < 2550
    pair.car.receive(codec.encode("118", dynamic_control=1, high_current_control=1), pair.now_ms)
    pair.run(400)
    assert pair.frames("102")[-1][1]["request_dA"] == 2550
    high = pair.frames("110")[-1][1]
    assert high["high_current_control"] == 1 and 0 < high["request_extended_dA"] <= 550


def test_own_floor_and_ceiling_inhibit_one_direction_and_do_not_end_the_session():
    pair = Pair().to("charge")
    pair.run(4_000)
    pair.vehicle.soc = 0.295
    pair.run(300)
    assert pair.car.battery.discharge_A == 0 and pair.car.battery.request_A > 0 and pair.car.phase == "charge"
    pair.vehicle.soc = 0.81
    pair.run(3_000)
    assert pair.car.battery.request_A == 0 and pair.car.battery.discharge_A == 50 and pair.car.phase == "charge"


def test_a_full_car_still_starts():
    pair = Pair()
    pair.vehicle.soc = 0.85
    pair.to("charge")
    pair.run(1_000)
    assert pair.car.battery.request_A == 0 and pair.car.phase == "charge"


def test_without_the_charger_s_109_4_it_is_charged_only():
    pair = Pair()
    pair.charger.v2x = False
    pair.to("charge").run(3_000)
    assert {limits["discharge_max_dA"] for _, limits in pair.frames("200")} == {0}
    assert not pair.car.v2x_agreed and pair.car.log == []


# The contactors.


def test_the_station_can_always_drop_the_contactors():
    pair = Pair().to("charge")
    pair.vehicle.d2 = False
    assert not pair.vehicle.contactors_closed
    pair.run(100)
    assert pair.car.phase == "weld" and pair.car.stop_reason == "d2_lost" and "d2_early" in pair.car.checker.counts


def test_a_live_inlet_at_d2_ends_the_session():
    pair = Pair().to("permitted")
    pair.charger.state = "close"
    pair.vehicle.inlet_V, pair.vehicle.d2 = 120.0, True
    pair.run(500)
    assert pair.car.stop_reason == "inlet_live" and pair.car.battery.state.system_fault
    assert "inlet_live" in pair.car.checker.counts and not pair.vehicle.permission


def test_a_welded_contactor_is_found_at_the_end():
    pair = Pair().to("charge")
    pair.vehicle.stuck = True
    pair.charger.stop_wanted = True
    pair.to("ended")
    assert pair.car.battery.state.system_fault and not pair.car.battery.state.contactors_open


# Limits of time, and stops.


def test_a_charger_that_does_not_come():
    pair = Pair()
    pair.charger.muted = True
    pair.run(10_000)
    assert pair.car.stop_reason == "charger_missing" and not pair.vehicle.permission


def test_a_charger_that_falls_silent():
    pair = Pair().to("charge")
    pair.charger.muted = True
    pair.run(1_300)
    assert pair.car.stop_reason == "charger_silent" and not pair.vehicle.permission
    pair.run(11_000)
    assert not pair.vehicle.contactors_closed


def test_a_charger_that_does_not_start():
    pair = Pair()
    pair.charger.slow_ms = 60_000
    pair.to("ready").run(5_000)
    assert pair.car.stop_reason == "start_missing"
    assert {"late_start", "timeout"} <= set(pair.car.checker.counts)


@pytest.mark.parametrize("bit", ["charger_fault", "system_fault", "battery_incompatible"])
@pytest.mark.parametrize("phase", ["permitted", "closed", "charge"])
def test_a_fault_of_the_charger_ends_the_session(bit, phase):
    pair = Pair().to(phase)
    pair.charger.fault = bit
    pair.run(300)
    assert pair.car.stop_reason == bit and not pair.vehicle.permission


def test_109_4_without_208_and_209_is_an_error_of_the_car():
    pair = Pair()
    pair.charger.with_208 = False
    pair.run(3_000)
    assert pair.car.stop_reason == "no_208" and pair.car.battery.state.system_fault


def test_remaining_time_zero_ends_the_session():
    pair = Pair().to("charge")
    pair.charger.time_left_min = 0
    pair.run(1_000)
    assert pair.car.stop_reason == "time_over"


def test_some_leafs_end_when_109_3_stays_zero():
    pair = Pair("leaf_ends_when_idle").to("charge")
    pair.charger.wanted_A = -10
    pair.run(300_000, None, 50)
    assert pair.car.phase == "charge"
    pair.charger.wanted_A = 1
    pair.run(1_000)
    pair.charger.wanted_A = -10
    pair.run(300_000, None, 50)
    assert pair.car.phase == "charge"  # a pulse of 1 A kept it going
    pair.run(70_000, None, 50)
    assert pair.car.stop_reason == "idle"


# The car's own monitors.


def test_a_wrong_voltage_told_is_a_voltage_deviation():
    pair = Pair().to("charge")
    pair.charger.told_V_off = 30
    pair.run(2_500)
    assert pair.car.battery.state.faults == {"voltage_deviation"} and "car_fault" in pair.car.checker.counts
    assert pair.frames("102")[-1][1]["voltage_deviation"] == 1


def test_undersupply_is_a_fault_of_a_car_without_dynamic_control():
    for name, fault in (("imiev", {"current_deviation"}), ("leaf_no_v2x", set())):
        pair = Pair(name)
        pair.vehicle.pack_V = pair.vehicle.pack_ocv_V = 330.0
        pair.charger.v2x = False
        pair.to("charge").run(8_000)
        assert pair.car.battery.state.faults == fault, name


def test_too_much_current_and_too_much_voltage():
    pair = Pair().to("charge")
    pair.run(4_000)
    pair.charger.physics = lambda: setattr(pair.vehicle, "current_A", 90.0)
    pair.run(1_500)
    assert pair.car.battery.state.faults == {"current_deviation"}
    assert "current_above_request" in pair.car.checker.counts
    high = Pair().to("charge")
    high.vehicle.pack_V = 440.0
    high.run(500)
    assert high.car.battery.state.faults == {"over_voltage"}


# Plug and d1.


def test_it_sleeps_without_d1_and_begins_anew_with_it():
    pair = ended(Pair().to("charge"))
    assert pair.car.phase == "asleep"
    frames = len(pair.sent)
    pair.run(2_000)
    assert len(pair.sent) == frames
    pair.charger.stop_wanted = False
    pair.to("charge")
    assert pair.car.sessions == 2 and pair.car.stop_reason == ""


def test_a_torn_plug_leaves_nothing_closed():
    pair = Pair().to("charge")
    pair.charger.wanted_A = 40
    pair.run(3_000)
    pair.vehicle.plugged = pair.vehicle.d1 = pair.vehicle.d2 = False
    pair.charger.physics = lambda: setattr(pair.vehicle, "current_A", 0.0)
    pair.run(100)
    assert pair.car.phase == "asleep" and not pair.vehicle.contactors_closed and not pair.vehicle.permission
    assert pair.car.facts()["current_after_unplug_ms"] is not None


def test_profiles_are_found_by_name_and_changed():
    assert profile("leaf_ze0", charge_max_A=20).charge_max_A == 20
    assert profile("leaf_ze0").pack["capacity_Wh"] == 2400.0
    with pytest.raises(ValueError, match="no car 'tesla'"):
        profile("tesla")
