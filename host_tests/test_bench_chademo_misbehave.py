"""Every misbehaviour of the emulated CHAdeMO car shows on the bus or on its lines, and ends when it is told to."""

import pytest

from host_tests.bench_chademo_charger import Pair
from hw_tests.bench.chademo.codec import FAULTS
from hw_tests.bench.chademo.mischief import ALIASES, KNOWN, Mischief


def running(name: str = "leaf_ze0", amperes: float = 30.0) -> Pair:
    pair = Pair(name).to("charge")
    pair.charger.wanted_A = amperes
    pair.run(3_000)
    return pair


def newest(pair: Pair, name: str):
    return pair.frames(name)[-1][1]


def count(pair: Pair, name: str, ms: int = 1_000) -> int:
    before = len(pair.frames(name))
    pair.run(ms)
    return len(pair.frames(name)) - before


# Sending.


def test_silent():
    pair = running()
    pair.car.misbehave("silent", messages="102, 200")
    assert (count(pair, "102"), count(pair, "100")) == (0, 10)
    pair.car.misbehave("recover", what="silent")
    assert count(pair, "102") == 10
    pair.car.misbehave("silent", for_ms=500)
    pair.run(400)
    assert count(pair, "100", 50) == 0
    pair.run(200)
    assert count(pair, "100") == 10


def test_late():
    pair = running()
    pair.car.misbehave("late", ms=400)
    pair.run(500)
    assert count(pair, "102", 2_000) == 4


def test_wrong_length():
    pair = running()
    pair.car.misbehave("wrong_length", message="100", length=5)
    pair.run(200)
    assert {len(frame.data) for ms, _, frame in pair.sent if frame.id == 0x100 and ms > pair.now_ms - 150} == {5}


def test_flood_and_strangers():
    pair = running()
    for ids in ("any", "own"):
        pair.car.misbehave("flood", rate_per_s=500, ids=ids)
        before = len(pair.sent)
        pair.run(200)
        assert len(pair.sent) - before > 100
        pair.car.misbehave("recover")
        pair.charger.heard.clear()
        pair = running()
    pair.car.misbehave("strangers")
    pair.run(200)
    assert any(frame.ext for _, _, frame in pair.sent)


def test_deaf():
    pair = running()
    pair.car.misbehave("deaf")
    pair.run(1_300)
    assert pair.car.stop_reason == "charger_silent"


def test_garbage():
    pair = running()
    pair.car.misbehave("garbage")
    pair.run(200)
    assert newest(pair, "102")["soc_raw"] == 1 and newest(pair, "200")["energy_min_raw"] == 0xFF


# The start.


def test_refuse_and_late_permission():
    pair = Pair()
    pair.car.misbehave("refuse")
    pair.run(10_000)
    assert pair.car.phase == "awake" and not pair.vehicle.permission
    late = Pair()
    late.car.misbehave("late_permission", ms=5_000)
    late.run(7_000)
    assert not late.vehicle.permission
    late.run(3_000)
    assert late.vehicle.permission


def test_half_a_permission():
    line = Pair()
    line.car.misbehave("permission_without_can")
    line.run(6_000)
    assert line.vehicle.permission and newest(line, "102")["charge_enabled"] == 0
    word = Pair()
    word.car.misbehave("can_without_permission")
    word.run(6_000)
    assert not word.vehicle.permission and newest(word, "102")["charge_enabled"] == 1


def test_contactors_that_do_not_close():
    stuck = Pair()
    stuck.car.misbehave("contactor_stuck_open")
    stuck.run(12_000)
    assert stuck.car.stop_reason == "contactors" and newest(stuck, "102")["contactors_open"] == 1
    liar = Pair()
    liar.car.misbehave("contactor_lie")
    assert liar.run(12_000, lambda: newest(liar, "102")["contactors_open"] == 0 if liar.frames("102") else False)
    liar.run(1_000)
    assert not liar.vehicle.contactors_closed and not liar.vehicle.close_contactors


def test_no_request():
    pair = Pair()
    pair.car.misbehave("no_request")
    pair.to("ready").run(5_000)
    assert newest(pair, "102")["request_dA"] == 0


# While power flows.


def test_permission_and_enable_are_lost_apart():
    line = running()
    line.car.misbehave("permission_lost")
    line.run(20)
    line.charger.muted = True
    line.run(100)
    assert not line.vehicle.permission and newest(line, "102")["charge_enabled"] == 1
    word = running()
    word.car.misbehave("enable_lost")
    word.charger.muted = True
    word.run(110)
    assert word.vehicle.permission and newest(word, "102")["charge_enabled"] == 0


@pytest.mark.parametrize("bit", FAULTS)
def test_every_fault_of_102_4(bit):
    pair = running()
    pair.car.misbehave("fault", bit=bit)
    pair.run(110)
    assert [name for name in FAULTS if newest(pair, "102")[name]] == [bit]


@pytest.mark.parametrize(
    ("name", "signal"),
    [("system_fault", "system_fault"), ("not_in_park", "not_in_park"), ("stop_before_charge", "stop_before_charge")],
)
def test_flags_of_102_5(name, signal):
    pair = running()
    assert newest(pair, "102")[signal] == 0
    pair.car.misbehave(name)
    pair.run(110)
    assert newest(pair, "102")[signal] == 1


def test_target_voltage_and_request():
    pair = running()
    pair.car.misbehave("target_raised", voltage_V=450.0)
    pair.run(110)
    assert newest(pair, "102")["target_dV"] == 4500
    pair.car.misbehave("target_zero")
    pair.run(110)
    assert newest(pair, "102")["target_dV"] == 0
    pair.car.misbehave("recover")
    pair.car.misbehave("request_above_available")
    pair.run(210)
    assert newest(pair, "102")["request_dA"] == 800
    pair.car.misbehave("recover")
    pair.car.misbehave("refuse_current")
    pair.run(210)
    assert newest(pair, "102")["request_dA"] == 0
    pair.car.misbehave("recover")
    pair.car.misbehave("request_flaps", period_ms=300)
    pair.run(2_000)
    assert {status["request_dA"] for _, status in pair.frames("102")[-15:]} == {0, 550}


def test_undersupply_fault_of_a_dynamic_car():
    pair = running(amperes=0.0)
    pair.car.misbehave("undersupply_fault")
    pair.run(5_000)
    assert pair.car.battery.state.faults == {"current_deviation"}


def test_discharge_is_taken_back():
    pair = running(amperes=-30.0)
    pair.car.misbehave("discharge_forbidden")
    pair.run(110)
    assert newest(pair, "102")["discharge_compatible"] == 0 and newest(pair, "200")["discharge_max_dA"] == 0
    pair.car.misbehave("recover")
    pair.car.misbehave("discharge_limit", current_A=7)
    pair.run(110)
    assert newest(pair, "200")["discharge_max_dA"] == -70


def test_numbers_that_change_in_the_session():
    pair = running("leaf_ze1")
    for name, arguments, frame, signal, value in (
        ("floor", {"raw": 90}, "200", "energy_min_raw", 90),
        ("sequence", {"value": 0}, "201", "sequence", 0),
        ("protocol", {"value": 1}, "102", "protocol", 1),
        ("reference", {"value": 240}, "100", "soc_reference", 240),
    ):
        pair.car.misbehave(name, **arguments)
        pair.run(110)
        assert newest(pair, frame)[signal] == value, name


def test_the_fuel_gauge_lies():
    pair = running()
    pair.vehicle.soc = 0.6
    pair.car.misbehave("soc_offset", permille=100)
    pair.run(110)
    assert newest(pair, "102")["soc_raw"] == 70
    pair.car.misbehave("recover")
    pair.car.misbehave("soc_frozen")
    pair.run(110)
    pair.vehicle.soc = 0.5
    pair.run(110)
    assert newest(pair, "102")["soc_raw"] == 60
    pair.car.misbehave("recover")
    pair.car.misbehave("soc_jump", permille=200)
    pair.run(110)
    assert newest(pair, "102")["soc_raw"] == 70


# Contactors and ends.


def test_welded_and_forgotten_contactors():
    for name in ("contactor_welded", "never_opens"):
        pair = running()
        pair.car.misbehave(name)
        pair.charger.stop_wanted = True
        pair.run(4_000)
        assert pair.vehicle.close_contactors, name
        assert newest(pair, "102")["contactors_open"] == 0, name


def test_open_under_load():
    pair = running()
    pair.car.misbehave("open_under_load")
    assert not pair.vehicle.contactors_closed and pair.car.opened_under_load == 1
    pair.run(100)
    assert newest(pair, "102")["contactors_open"] == 0  # without a word


def test_stop_in_good_order():
    pair = running()
    pair.car.misbehave("stop")
    pair.run(8_000)
    assert pair.car.stop_reason == "car" and pair.phases[-4:] == ["stopping", "weld", "ended", "asleep"]
    assert pair.car.log == []


# The table.


def test_every_name_is_tried_here():
    """A misbehaviour without a test is a promise."""
    text = open(__file__, encoding="utf-8").read()
    assert [name for name in KNOWN if f'"{name}"' not in text] == []


@pytest.mark.parametrize("alias", ALIASES)
def test_other_words(alias):
    mischief = Mischief()
    mischief.begin(alias, 0, None, {})
    assert list(mischief.active) == [ALIASES[alias][0]]


@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        ("explode", {}, "no car misbehaves"),
        ("late", {"seconds": 1}, "takes ms, not seconds"),
        ("deaf", {"ms": 1}, "takes no arguments"),
        ("silent", {"messages": "BCL"}, "no message 'BCL'"),
        ("wrong_length", {"message": "999"}, "no message '999'"),
        ("fault", {"bit": "insulation"}, "102.4 has no 'insulation'"),
    ],
)
def test_what_it_does_not_know_is_an_error(name, arguments, why):
    with pytest.raises(ValueError, match=why):
        Pair().car.misbehave(name, **arguments)
