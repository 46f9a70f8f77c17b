"""What the emulated car must see a charger do wrong: each test makes a healthy pair bad."""

import pytest

from host_tests.bench_gbt27930_charger import Pair
from hw_tests.bench.frame import Frame
from hw_tests.bench.gbt27930 import codec
from hw_tests.bench.gbt27930.checker import CLAUSES, PLACES


def bad(change, phase="charge", ms=6_000, name="charge_2015", v2g=False) -> Pair:
    pair = Pair(name, v2g).to(phase)
    change(pair)
    pair.run(ms)
    return pair


def drive(current_A):
    def change(pair):
        pair.charger.follows, pair.charger.current_A = False, current_A

    return change


def hear(name, data):
    return lambda pair: pair.car.receive(Frame(codec.BY_NAME[name].id, True, bytes.fromhex(data)), pair.now_ms)


def setting(**values):
    def change(pair):
        for key, value in values.items():
            setattr(pair.charger, key, value)

    return change


DEVIATIONS = [
    ("wrong_length", setting(length={"CCS": 5}), "charge"),
    ("wrong_length", setting(length={"CHM": 8}), "awake"),
    ("unknown_frame", lambda pair: pair.car.receive(Frame(0x1812F457, True, bytes(8)), pair.now_ms), "charge"),
    ("unknown_frame", lambda pair: pair.car.receive(Frame(0x456, False, bytes(8)), pair.now_ms), "charge"),
    ("unknown_frame", hear("BCL", "00 00 A0 0F 02"), "charge"),
    ("wrong_value", setting(say={"CHM": {"version_minor": 2}}), "awake"),
    ("wrong_value", setting(say={"CML": {"voltage_min_dV": 7500}}), "parameters"),
    ("wrong_value", setting(cro=1), "ready"),
    ("wrong_value", hear("CST", "00 00 F0 F0"), "charge"),
    ("wrong_phase", hear("CRO", "AA"), "handshake"),
    ("wrong_phase", hear("CCS", "00 00 A0 0F 00 00 FD FF"), "ready"),
    ("wrong_phase", hear("CSD", "00 00 00 00 01 00 00 00"), "charge"),
    ("wrong_phase", hear("CML", "58 1B D0 07 D8 0E A0 0F"), "parameters"),
    ("wrong_phase", hear("CCD", "00"), "charge"),
    ("padding", hear("CCS", "00 00 A0 0F 00 00 01 00"), "charge"),
    ("padding", hear("CST", "04 00 00 00"), "charge"),
    ("tp_unexpected", lambda pair: pair.car.receive(
        Frame(0x1CECF456, True, bytes.fromhex("11 02 01 FF FF 00 06 00")), pair.now_ms), "handshake"),
    ("insulation_voltage", setting(test_V=450.0), "handshake"),
    ("current_above_demand", drive(58.0), "charge"),
    ("current_above_maximum", drive(70.0), "charge"),
    ("discharged_without_permission", drive(-4.0), "charge"),
    ("ccs_measurement", setting(say={"CCS": {"current_dA": -200}}), "charge"),
    ("ccs_measurement", setting(say={"CCS": {"voltage_dV": 3000}}), "charge"),
]  # fmt: skip


@pytest.mark.parametrize("name,change,phase", DEVIATIONS, ids=[f"{n}-{i}" for i, (n, _, _) in enumerate(DEVIATIONS)])
def test_it_sees(name, change, phase):
    assert name in bad(change, phase).names()


def test_it_sees_current_without_permission():
    pair = Pair()
    pair.charger.say["CCS"] = {"permission": 0}
    pair.to("charge")
    drive(10.0)(pair)
    pair.run(2_000)
    assert "current_before_permission" in pair.names()


def test_it_sees_a_discharge_beyond_what_it_allows():
    pair = Pair("v2g", v2g=True)
    pair.charger.ccd = 1
    pair.to("charge")
    pair.run(5_000)
    assert pair.names() == set()
    drive(-60.0)(pair)
    pair.run(2_000)
    assert {"current_above_demand", "current_above_maximum"} <= pair.names()
    pair.vehicle.soc = 0.15
    pair.vehicle.pack_ocv_V = 330.0
    pair.run(4_000)
    assert {"below_own_minimum", "pack_under_voltage"} <= pair.names()


def test_it_sees_over_voltage():
    pair = Pair().to("charge")
    pair.vehicle.pack_ocv_V = 420.0
    drive(20.0)(pair)
    pair.run(2_000)
    assert "pack_over_voltage" in pair.names()


def test_it_sees_a_permission_that_does_not_fit_the_direction():
    pair = Pair("v2g", v2g=True).to("charge")
    pair.charger.say["CCS"] = {"permission": 2}
    pair.run(1_500)
    assert pair.names() == {"wrong_direction", "current_before_permission"}


def test_it_sees_a_late_ccs():
    pair = Pair().to("charge")
    pair.run(1_000)
    pair.charger.mute = {"CCS"}
    pair.run(700)
    pair.charger.mute = set()
    pair.run(500)
    assert pair.names() == {"late"} and "CCS after 7" in pair.car.log[0].detail


def test_it_sees_that_a_pause_or_a_fault_is_ignored():
    pair = Pair().to("charge")
    drive(20.0)(pair)
    pair.car.misbehave("pause")
    pair.run(6_000)
    assert "current_in_pause" in pair.names()
    other = Pair().to("charge")
    other.charger.heeds_faults = False
    other.run(3_000)
    other.car.misbehave("bsm_fault", bit="over_temperature")
    other.run(2_000)
    assert "no_stop_on_fault" in other.names()


def test_it_sees_current_when_bcl_is_gone():
    pair = Pair().to("charge")
    drive(20.0)(pair)
    pair.run(1_000)
    pair.car.misbehave("bcl_silent")
    pair.run(2_000)
    assert "current_without_bcl" in pair.names()


def test_it_sees_an_inlet_that_is_not_bled():
    pair = Pair()
    pair.to("handshake")
    pair.run(8_000, lambda: pair.charger.phase == "identify")
    pair.vehicle.inlet_V = 100.0
    pair.run(100)
    assert "not_bled" in pair.names()


def test_it_sees_an_auxiliary_supply_that_is_wrong_or_goes_early():
    pair = Pair().to("charge")
    pair.run(4_000)
    pair.vehicle.aux_V = 0.0
    pair.run(10)
    assert "aux_off_early" in pair.names() and pair.car.phase == "asleep"
    other = Pair()
    other.charger.phase = "gone"
    other.vehicle.aux_V = 14.0
    other.run(100)
    assert other.names() == {"aux_voltage"}


def test_it_sees_wrong_statistics():
    pair = Pair().to("charge")
    pair.run(3_000)
    pair.charger.say["CSD"] = {"energy_Wh": 9_000}
    pair.charger.stop_wanted = True
    pair.run(3_000)
    assert pair.names() == {"csd_statistics"}


def test_the_log_does_not_grow_for_ever():
    pair = Pair().to("charge")
    for _ in range(100):
        hear("CCS", "00 00 A0 0F 00 00 01 00")(pair)
    assert pair.car.checker.counts["padding"] == 100 and sum(d.name == "padding" for d in pair.car.log) == 20


def test_every_deviation_has_a_clause_and_every_charger_message_a_place():
    assert all(clause[0] == "1" for clause in CLAUSES.values())
    assert {m for m in codec.BY_NAME if not codec.BY_NAME[m].from_car} - {"CEM"} == set(PLACES)
