"""The recorded charger plays against the emulated Leaf, which must say what the recorded Leaf said, in its order.

Lines and voltages are inferred: d1 comes before the first frame, d2 1 s before 102.5.3 falls, the inlet has what 109
tells while the car's contactors are open.
"""

from itertools import groupby

import pytest

from host_tests.test_bench_chademo_codec import recording
from hw_tests.bench.chademo import codec
from hw_tests.bench.chademo.car import Car
from hw_tests.bench.chademo.profiles import profile
from hw_tests.bench.chademo.vehicle import FakeVehicle
from hw_tests.bench.frame import Frame

D2_ms, D2_OFF_ms = 16_250, 50_200
Said = list[tuple[int, bytes]]


@pytest.fixture(scope="module")
def both() -> tuple[dict[int, Said], dict[int, Said], Car]:
    """By id, what the recorded car and what ours said: (ms, bytes)."""
    frames = recording()
    start_us = frames[0][0]
    car, said = played([((at - start_us) // 1000, frame) for at, frame in frames if not known(frame).from_car])
    recorded: dict[int, Said] = {}
    for at, frame in frames:
        if known(frame).from_car:
            recorded.setdefault(frame.id, []).append(((at - start_us) // 1000, frame.data))
    return recorded, said, car


def known(frame: Frame) -> codec.Message:
    return codec.BY_ID[frame.id]


def played(charger: list[tuple[int, Frame]]) -> tuple[Car, dict[int, Said]]:
    vehicle = FakeVehicle(plugged=True, d1=True, soc=0.7351, pack_V=375.0, pack_ocv_V=375.0)
    car = Car(profile("leaf_ze0", capacity_Wh=24_000.0), vehicle)
    said: dict[int, Said] = {}
    waiting = list(charger)
    for now_ms in range(-310, 50_800, 10):
        vehicle.d2 = D2_ms <= now_ms < D2_OFF_ms
        while waiting and waiting[0][0] <= now_ms:
            _, frame = waiting.pop(0)
            car.receive(frame, now_ms)
            if frame.id == 0x109:
                tell(vehicle, frame)
        for frame in car.step(now_ms):
            said.setdefault(frame.id, []).append((now_ms, frame.data))
    return car, said


def tell(vehicle: FakeVehicle, frame: Frame) -> None:
    signals = codec.decode(frame)[1]
    vehicle.inlet_V = vehicle.pack_V if vehicle.contactors_closed else signals["voltage_dV"] / 10
    vehicle.current_A = signals["current_dA"] / 10 if vehicle.contactors_closed else 0.0


def changes(said: Said) -> list[tuple[int, str]]:
    """Only what differs from the frame before: (ms of its first, bytes)."""
    runs = [(data, list(group)) for data, group in groupby(said, key=lambda each: each[1])]
    return [(group[0][0], data.hex(" ")) for data, group in runs]


def test_the_status_frames_are_the_same_one_by_one(both):
    recorded, ours, _ = both
    theirs, mine = changes(recorded[0x102]), changes(ours[0x102])
    assert [data for _, data in mine] == [data for _, data in theirs]
    for (at_ms, data), (then_ms, _) in zip(mine, theirs):
        assert abs(at_ms - then_ms) <= 150, data


def test_the_discharge_limits_are_the_same_one_by_one(both):
    recorded, ours, _ = both
    theirs, mine = changes(recorded[0x200]), changes(ours[0x200])
    assert [data for _, data in mine] == [data for _, data in theirs]


def test_the_other_frames_end_up_the_same(both):
    recorded, ours, _ = both
    assert [data for _, data in changes(ours[0x100])] == [data for _, data in changes(recorded[0x100])]
    assert ours[0x101][0][1] == recorded[0x101][0][1] and ours[0x101][-1][1] == recorded[0x101][-1][1]


def test_as_many_frames_as_recorded(both):
    recorded, ours, _ = both
    assert set(ours) == set(recorded)
    for can_id, said in recorded.items():
        assert abs(len(ours[can_id]) - len(said)) <= 3


def test_a_whole_session_without_a_complaint(both):
    """A real charger gives our checker nothing to complain of: it asks for no more than the protocol."""
    _, _, car = both
    assert [phase for _, phase in car.phases][:8] == [
        "awake", "permitted", "closed", "ready", "charge", "stopping", "weld", "ended",
    ]  # fmt: skip
    assert car.stop_reason == "charger" and not car.battery.state.faults
    assert car.log == []
