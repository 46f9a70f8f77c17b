"""The emulated car against a small scripted charger: whole sessions and every time-out."""

import pytest

from host_tests.bench_gbt27930_charger import Pair
from hw_tests.bench.gbt27930 import codec
from hw_tests.bench.gbt27930.bms import Gauge
from hw_tests.bench.gbt27930.car import Car
from hw_tests.bench.gbt27930.mischief import Mischief
from hw_tests.bench.gbt27930.profiles import PROFILES, profile
from hw_tests.bench.gbt27930.vehicle import FakeVehicle

WHOLE = ["awake", "handshake", "identify", "parameters", "ready", "charge", "stopping", "statistics", "ended", "asleep"]


def phases(pair: Pair) -> list[str]:
    return [phase for _, phase in pair.car.phases]


# Healthy sessions.


@pytest.mark.parametrize("step_ms", [1, 3, 10])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_charging_session_from_plug_to_plug(seed, step_ms):
    pair = Pair(seed=seed)
    pair.run(15_000, lambda: pair.car.phase == "charge", step_ms)
    pair.run(6_000, None, step_ms)
    assert pair.vehicle.current_A == pytest.approx(55.0) and pair.vehicle.contactors_closed
    pair.charger.stop_wanted = True
    pair.run(4_000, None, step_ms)
    assert phases(pair) == WHOLE
    assert pair.car.log == []
    facts = pair.car.facts()
    assert (facts["openings"], facts["opened_under_load"], facts["bst"]) == (1, 0, "charger_stopped")
    assert facts["energy_in_Wh"] == pytest.approx(pair.charger.energy_Wh, rel=0.02) and facts["energy_in_Wh"] > 20


def test_the_long_messages_arrive_as_they_were_meant():
    pair = Pair().to("charge")
    pair.run(1000)
    heard = {name: signals for name, (_, signals) in pair.charger.heard.items()}
    assert heard["BRM"]["vin"] == "LSLUICE0000000001" and heard["BRM"]["capacity_mAh"] == 2600
    bcp = heard["BCP"]
    assert (bcp["voltage_max_dV"], bcp["current_max_dA"], bcp["soc_permille"]) == (4100, 550, 500)
    assert heard["BCS"]["soc_permille"] == 500 and len(heard["BMV"]["cell_mV"]) == 100
    assert heard["BHM"]["voltage_max_dV"] == 4100


def test_contactors_close_before_ready_and_the_demand_rises_by_the_ramp():
    pair = Pair()
    closed_at = []
    pair.run(15_000, lambda: pair.vehicle.contactors_closed)
    closed_at.append(pair.now_ms)
    assert pair.car.ready_sent_ms is None or pair.car.ready_sent_ms == pair.now_ms
    pair.to("charge")
    start_ms = pair.now_ms
    pair.run(1_000)
    assert pair.charger.heard["BCL"][1]["current_dA"] == pytest.approx(200, abs=15)  # 20 A/s
    assert pair.times("BCL")[0] - start_ms <= 30
    gaps = [b - a for a, b in zip(pair.times("BCL"), pair.times("BCL")[1:])]
    assert set(gaps) == {50}


def test_it_tapers_at_constant_voltage_and_stops_when_full():
    pair = Pair()
    pair.vehicle.soc = 0.90
    pair.to("charge")
    pair.run(6_000)
    assert pair.charger.heard["BCL"][1]["current_dA"] == 550
    assert pair.run(600_000, lambda: pair.car.phase == "stopping")
    assert pair.charger.heard["BCL"][1]["mode"] == codec.MODE_CV
    assert 10 <= pair.charger.heard["BCL"][1]["current_dA"] <= 30
    pair.run(4_000)
    assert pair.car.bst_reason == "soc_reached" and pair.car.log == [] and pair.car.opened_under_load == 0


def test_the_voltage_limit_lowers_the_demand():
    pair = Pair()
    pair.vehicle.pack_ocv_V = 408.0
    pair.to("charge")
    pair.run(5_000)
    assert pair.charger.heard["BCL"][1] == {"voltage_dV": 4100, "current_dA": 200, "mode": codec.MODE_CV}


def test_a_v112_session_in_both_directions():
    pair = Pair("v2g", v2g=True).to("charge")
    assert "offer" in phases(pair) and pair.car.v2g and pair.car.may_discharge
    assert pair.charger.heard["BCPP"][1] == {
        "current_max_dA": -500, "voltage_min_dV": 3400, "cell_voltage_min_mV": 3400, "soc_min_permille": 200,
    }  # fmt: skip
    assert pair.charger.heard["BDC"][1]["cycles_left"] == 2000
    pair.run(5_000)
    assert pair.vehicle.current_A == pytest.approx(55.0) and pair.charger.heard["BSM"][1]["permission"] == 1
    pair.charger.ccd = 1
    pair.run(6_000)
    assert pair.vehicle.current_A == pytest.approx(-50.0) and pair.charger.heard["BSM"][1]["permission"] == 2
    assert pair.charger.heard["BCLP"][1] == {"voltage_dV": 3400, "current_dA": -500, "mode": 3}
    pair.charger.ccd = 0
    pair.run(6_000)
    assert pair.vehicle.current_A == pytest.approx(55.0)
    pair.charger.stop_wanted = True
    pair.run(4_000)
    assert pair.car.log == [] and pair.car.phase == "asleep" and pair.car.opened_under_load == 0


def test_a_v112_car_says_nothing_before_the_first_ccd():
    pair = Pair("v2g", v2g=True)
    pair.charger.mute = {"CCD"}
    pair.to("charge")
    pair.run(900)
    assert "BCL" not in pair.charger.heard
    pair.charger.mute = set()
    pair.run(300)
    assert "BCL" in pair.charger.heard


@pytest.mark.parametrize("name", ["v2g", "charge_2015"])
def test_without_the_offer_it_is_a_plain_2015_car(name):
    pair = Pair(name, v2g=name == "charge_2015").to("charge")
    pair.run(2_000)
    assert not pair.car.v2g and not pair.car.may_discharge
    assert not {"BDC", "BCPP", "BCSP"} & pair.charger.heard.keys()
    assert pair.charger.heard["BSM"][1]["permission"] == 1
    assert pair.car.log == []


def test_charge_only_2015_says_untrusted_all_the_time():
    pair = Pair("charge_only_2015").to("charge")
    pair.run(2_000)
    assert pair.charger.heard["BSM"][1]["permission"] == 2 and pair.vehicle.current_A > 20


def test_no_discharge_below_its_own_minimum():
    pair = Pair("v2g", v2g=True)
    pair.vehicle.soc = 0.203
    pair.charger.ccd = 1
    pair.to("charge")
    assert pair.run(60_000, lambda: pair.charger.heard.get("BSM", (0, {"permission": 2}))[1]["permission"] == 0)
    pair.run(1_000)
    assert pair.vehicle.current_A == 0 and pair.charger.heard["BCLP"][1]["current_dA"] == 0
    assert pair.vehicle.soc == pytest.approx(0.2, abs=0.002) and pair.car.log == []


def test_the_2011_edition_begins_at_crm():
    pair = Pair("edition_2011")
    pair.to("charge")
    assert "handshake" not in phases(pair) and "BHM" not in pair.charger.heard
    assert len(pair.charger.data["BRM"]) == 41


def test_a_truck_needs_24_V():
    pair = Pair("truck_24V")
    pair.run(5_000)
    assert pair.car.phase == "asleep" and pair.charger.heard == {}


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_can_say_all_it_has_to(name):
    vehicle = FakeVehicle(capacity_Wh=80_000.0)
    car = Car(name, vehicle)
    for message in ("BRM", "BCP", "BCS", "BMV", "BMT", "BSP", "BDC"):
        data = car.bms.long(message, 0)
        assert codec.decode_payload(message, data)[0] == message
    for frame in (car.bms.bhm(), car.bms.bcpp(), car.bms.bsd(0), car.bms.bcsp(0), car.bms.bsm(1), car.bms.bcl(1)):
        codec.decode(frame)
    with pytest.raises(ValueError, match="there is no car"):
        profile("tractor")


@pytest.mark.parametrize("rounding,soc,percent,permille", [
    ("down", 0.5096, 500, 509), ("up", 0.5001, 510, 501), ("nearest", 0.5051, 510, 505), ("nearest", 0.5049, 500, 505),
    ("up", 0.5, 500, 500), ("down", 1.0, 1000, 1000),
])  # fmt: skip
def test_how_the_gauge_rounds(rounding, soc, percent, permille):
    gauge = Gauge(profile("v2g", soc_rounding=rounding), FakeVehicle(soc=soc), Mischief())
    assert (gauge.permille(0), gauge.permille(0, 1)) == (percent, permille)


def test_how_the_gauge_lies():
    vehicle = FakeVehicle(soc=0.5)
    frozen = Gauge(profile("v2g_soc_frozen"), vehicle, Mischief())
    jumping = Gauge(profile("v2g_soc_jumping"), vehicle, Mischief())
    high = Gauge(profile("v2g_soc_high"), vehicle, Mischief())
    assert (frozen.permille(0), jumping.permille(0), jumping.permille(5000), high.permille(0)) == (500, 500, 600, 600)
    vehicle.soc = 0.95
    assert (frozen.permille(0), jumping.permille(5000), high.permille(0)) == (500, 1000, 1000)


# Pauses and stops.


def test_pause_and_resume():
    pair = Pair().to("charge")
    pair.run(4_000)
    pair.car.misbehave("pause")
    pair.run(6_000)
    assert pair.vehicle.current_A == 0 and pair.charger.heard["BSM"][1]["permission"] == 0
    assert pair.car.facts()["paused"] and pair.car.phase == "charge"
    pair.car.misbehave("resume")
    pair.run(4_000)
    assert pair.vehicle.current_A > 50 and pair.car.log == []


def test_bst_of_its_own():
    pair = Pair().to("charge")
    pair.run(4_000)
    pair.car.misbehave("bst", reason="insulation")
    pair.run(3_000)
    assert pair.charger.data["BST"].hex() == "000100f0"
    assert pair.car.phase in ("ended", "asleep")


def test_it_opens_in_spite_of_current_ten_seconds_after_a_stop():
    pair = Pair().to("charge")
    pair.charger.follows, pair.charger.current_A = False, 30.0
    pair.run(2_000)
    pair.charger.stop_wanted, pair.charger.slope_A_s = True, 0.0
    pair.run(9_900)
    assert pair.vehicle.contactors_closed
    pair.run(400)
    assert not pair.vehicle.contactors_closed and pair.car.opened_under_load == 1
    assert "current_after_stop" in pair.names()


# Time-outs of the BMS (facts 1.6): silence, from which phase, what BEM says, after how long.


@pytest.mark.parametrize("mute,phase,reason,limit_ms,pattern", [
    ({"CHM", "CRM"}, "awake", "crm_00_timeout", 60_000, "f1f0f0fc"),
    ({"CRM"}, "handshake", "crm_00_timeout", 30_000, "f1f0f0fc"),
    ({"CML"}, "parameters", "cts_cml_timeout", 5_000, "f0f1f0fc"),
    ({"CCS"}, "charge", "ccs_timeout", 1_000, "f0f0f1fc"),
])  # fmt: skip
def test_timeouts(mute, phase, reason, limit_ms, pattern):
    pair = Pair()
    pair.charger.mute = mute
    pair.to(phase)
    start_ms = pair.now_ms
    pair.to("error", limit_ms + 1_000)
    assert limit_ms < pair.now_ms - start_ms <= limit_ms + 50
    pair.run(20)
    assert pair.car.bem_reason == reason and pair.charger.data["BEM"].hex() == pattern
    assert "timeout" in pair.names()


def test_timeout_of_crm_aa():
    pair = Pair()
    pair.charger.say["CRM"] = {"result": 0}
    pair.to("identify").to("error")
    pair.run(20)
    assert pair.charger.data["BEM"].hex() == "f4f0f0fc"


@pytest.mark.parametrize("said,limit_ms", [(None, 5_000), (0, 60_000)])
def test_timeouts_of_cro(said, limit_ms):
    pair = Pair()
    if said is None:
        pair.charger.mute = {"CRO"}
    pair.charger.cro = 0
    assert pair.run(20_000, lambda: pair.car.ready_sent_ms is not None)
    start_ms = pair.now_ms
    pair.to("error", 70_000)
    assert limit_ms < pair.now_ms - start_ms <= limit_ms + 20
    assert pair.car.bem_reason == "cro_timeout"


def test_timeout_of_ccd():
    pair = Pair("v2g", v2g=True).to("charge")
    pair.run(1_000)
    pair.charger.mute = {"CCD"}
    start_ms = pair.now_ms
    pair.to("error")
    assert 4_700 <= pair.now_ms - start_ms <= 5_020
    pair.run(20)
    assert pair.charger.data["BEM"].hex() == "f0f0f0f4"


def test_timeouts_of_cst_and_csd():
    pair = Pair().to("charge")
    pair.charger.mute = {"CST"}
    pair.car.misbehave("bst", reason="soc_reached")
    start_ms = pair.now_ms
    pair.to("error")
    assert 5_000 < pair.now_ms - start_ms <= 5_020 and pair.car.bem_reason == "cst_timeout"
    other = Pair().to("charge")
    other.charger.mute = {"CSD"}
    other.charger.keeps_aux = True
    other.charger.stop_wanted = True
    other.to("stopping")
    start_ms = other.now_ms
    other.to("error")
    assert 10_000 < other.now_ms - start_ms <= 10_020 and other.car.bem_reason == "csd_timeout"


def test_after_ccs_is_lost_it_opens_and_crm_begins_again_but_not_for_ever():
    pair = Pair().to("charge")
    pair.charger.mute = {"CCS"}
    pair.to("error")
    pair.run(500)
    assert not pair.vehicle.contactors_closed
    for turn in range(1, 5):
        pair.charger.heard.clear()
        pair.charger.mute = set()
        pair.vehicle.inlet_V = 0.0
        pair.charger.enter("identify", pair.now_ms)
        pair.to("charge")
        assert pair.car.restarts == turn
        pair.charger.mute = {"CCS"}
        pair.to("error")
    assert pair.car.checker.counts["restarts"] == 1


def test_cem_ends_the_session():
    pair = Pair().to("charge")
    pair.run(1_000)
    pair.charger.current_A, pair.charger.follows = 0.0, False
    pair.run(1_000)
    pair.car.receive(codec.cleared("CEM", {"bcl_timeout": 1}), pair.now_ms)
    pair.run(500)
    assert pair.car.phase == "error" and not pair.vehicle.contactors_closed and "BEM" not in pair.charger.heard


def test_the_loss_of_the_plug_is_measured():
    pair = Pair().to("charge")
    pair.run(4_000)
    pair.charger.follows, pair.charger.current_A, pair.charger.slope_A_s = False, 0.0, 1000.0
    pair.vehicle.plugged = False
    pair.run(300)
    assert pair.car.phase == "asleep" and not pair.vehicle.close_contactors
    assert pair.car.facts()["current_after_unplug_ms"] == pytest.approx(50, abs=20)
    assert pair.car.facts()["opened_under_load"] == 1
