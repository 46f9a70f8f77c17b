"""What the CHAdeMO car sees its charger do wrong: every name once, each by a charger that does just that."""

import pytest

from host_tests.bench_chademo_charger import Pair
from hw_tests.bench.chademo import codec
from hw_tests.bench.chademo.checker import CLAUSES, MOST_OF_A_KIND
from hw_tests.bench.frame import Frame


def hear(pair: Pair, name: str, **signals) -> None:
    pair.car.receive(codec.encode(name, **signals), pair.now_ms)


def counted(pair: Pair) -> set[str]:
    return set(pair.car.checker.counts)


def running() -> Pair:
    return Pair().to("charge")


def flow(pair: Pair, amperes: float, ms: int) -> None:
    """The current is this, whatever the charger's own model says."""
    pair.charger.physics = lambda: setattr(pair.vehicle, "current_A", amperes)
    pair.run(ms)


def test_a_clean_session_has_no_entry():
    pair = running()
    pair.charger.wanted_A = 20
    pair.run(5_000)
    pair.charger.stop_wanted = True
    pair.run(9_000)
    assert pair.car.log == []


def test_frames_that_are_none():
    pair = running()
    pair.car.receive(Frame(0x109, False, bytes(7)), pair.now_ms)
    pair.car.receive(Frame(0x777, False, bytes(8)), pair.now_ms)
    pair.car.receive(Frame(0x102, False, bytes(8)), pair.now_ms)
    pair.car.receive(Frame(0x1826F456, True, bytes(3)), pair.now_ms)
    assert pair.car.checker.counts == {"wrong_length": 1, "unknown_frame": 3}


def test_before_the_car_out_of_order_and_out_of_time():
    pair = Pair()
    pair.run(320)
    hear(pair, "108", weld_detection=1)
    assert counted(pair) == {"before_the_car"}
    late = running()
    late.charger.frames_108 = False
    late.run(200)
    assert {"order"} <= counted(late)
    slow = running()
    slow.charger.muted = True
    slow.run(300)
    slow.charger.muted = False
    slow.run(300)
    assert "period" in counted(slow)


def test_bits_without_a_meaning_and_values_that_do_not_exist():
    pair = running()
    pair.car.receive(Frame(0x108, False, bytes.fromhex("02 F4 01 0F B3 01 00 01")), pair.now_ms + 100)
    assert {"padding", "wrong_value"} <= counted(pair)


def test_what_must_not_change_and_the_threshold():
    pair = running()
    pair.run(50)
    hear(pair, "108", weld_detection=1, voltage_available_dV=4500, current_available_dA=600, voltage_threshold_dV=4350)
    assert "changed" in counted(pair)
    other = Pair()
    other.charger.frames = _with_threshold(other, 5000)
    other.to("charge")
    assert "threshold" in counted(other)


def _with_threshold(pair: Pair, limit_dV: int):
    whole = pair.charger.frames

    def frames():
        first, *rest = whole()
        signals = codec.decode(first)[1] | {"voltage_threshold_dV": limit_dV}
        return [codec.encode("108", **signals), *rest]

    return frames


def test_the_status_in_the_wrong_place():
    early = Pair().to("permitted")
    early.run(150)
    early.charger.state = "run"
    early.run(200)
    assert "status" in counted(early)
    unlocked = running()
    unlocked.charger.state = "done"
    unlocked.charger.instead["done"] = lambda *_: None
    unlocked.run(400)
    assert {"status", "unlocked_live"} <= counted(unlocked)


def test_voltage_before_the_permission_and_too_much_of_it():
    early = Pair()
    early.run(2_000)
    early.charger.physics = lambda: setattr(early.vehicle, "inlet_V", 100.0)
    early.run(50)
    assert "test_early" in counted(early)
    high = Pair().to("permitted")
    high.charger.instead["test"] = lambda *_: setattr(high.vehicle, "inlet_V", 560.0)
    high.run(300)
    assert "test_voltage" in counted(high)


def test_the_promise_of_108_0():
    pair = running()
    pair.charger.stop_wanted = True
    pair.charger.physics = lambda: setattr(pair.vehicle, "inlet_V", 372.0)
    pair.run(6_000)
    assert "weld_promise" in counted(pair)


def test_current_nobody_asked_for():
    early = Pair().to("closed")
    flow(early, 10.0, 700)
    assert "current_before_start" in counted(early)
    much = running()
    much.run(3_000)
    flow(much, 62.0, 700)
    assert "current_above_request" in counted(much)
    out = Pair()
    out.charger.v2x = False
    out.to("charge").run(2_000)
    flow(out, -10.0, 700)
    assert "discharged_without_permission" in counted(out)
    over = running()
    over.run(4_000)
    flow(over, -58.0, 700)
    assert "discharge_above_limit" in counted(over)


def test_current_that_does_not_end():
    pair = running()
    pair.run(3_000)
    pair.car.misbehave("stop")
    flow(pair, 30.0, 400)
    assert "current_after_stop" not in counted(pair)
    flow(pair, 30.0, 400)
    assert "current_after_stop" in counted(pair)


def test_the_slope():
    pair = running()
    pair.run(3_500)
    pair.charger.wanted_A = 50
    pair.run(1_100)
    assert "slope" in counted(pair)
    gentle = running()
    for amperes in range(0, 50, 2):
        gentle.charger.wanted_A = amperes
        gentle.run(100)
    gentle.charger.wanted_A = 0  # a fall is never too fast
    gentle.run(1_000)
    assert "slope" not in counted(gentle)


def test_what_is_told_wrong():
    pair = running()
    pair.charger.told_V_off = 12
    pair.run(1_500)
    assert "measurement" in counted(pair)
    both = running()
    for _ in range(5):
        both.run(100)
        hear(both, "109", protocol=2, voltage_dV=3720, current_dA=50, discharge_compatible=1, charging=1, locked=1,
             time_left_s=2550, time_left_min=60)  # fmt: skip
        hear(both, "208", current_dA=-50, discharge_max_dA=-500)
        hear(both, "109", protocol=2, voltage_dV=3720, current_dA=50, discharge_compatible=1, charging=1, locked=1,
             time_left_s=2550, time_left_min=60)  # fmt: skip
        both.charger.muted = True
    assert "direction_told" in counted(both)


@pytest.mark.parametrize(
    ("amperes", "changes", "name"),
    [
        (-20.0, {"soc": 0.27}, "below_own_floor"),
        (20.0, {"soc": 0.83}, "above_own_ceiling"),
        (-20.0, {"pack_V": 249.0}, "pack_under_voltage"),
        (20.0, {"pack_V": 436.0}, "pack_over_voltage"),
    ],
)
def test_the_car_s_own_limits(amperes, changes, name):
    pair = running()
    pair.run(4_000)
    for key, value in changes.items():
        setattr(pair.vehicle, key, value)
    flow(pair, amperes, 200 if "pack_V" in changes else 2_300)
    assert name in counted(pair)


def test_d1_and_d2_too_early():
    pair = running()
    pair.vehicle.d1 = False
    pair.charger.instead["run"] = lambda *_: None
    pair.run(50)
    assert {"d1_early", "not_bled"} <= counted(pair)


def test_names_seen_in_other_files_and_clauses():
    """timeout, late_start, d2_early, inlet_live, no_208 and car_fault are tried in test_bench_chademo_car.py."""
    here = open(__file__, encoding="utf-8").read()
    there = open(__file__.replace("_checker", "_car"), encoding="utf-8").read()
    assert [name for name in CLAUSES if f'"{name}"' not in here and name not in there] == []


def test_a_lasting_fault_does_not_fill_the_log():
    pair = running()
    for _ in range(3 * MOST_OF_A_KIND):
        pair.car.receive(Frame(0x777, False, bytes(8)), pair.now_ms)
    assert len(pair.car.log) == MOST_OF_A_KIND and pair.car.checker.counts["unknown_frame"] == 3 * MOST_OF_A_KIND
    assert all(entry.clause for entry in pair.car.log)
