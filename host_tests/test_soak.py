"""The long run: it is for every vehicle of the bench, it crosses the wrap, and it says how far it is."""

import io

import pytest

from hw_tests.bench import chance, vehicles
from hw_tests.bench.life import Event, Life
from hw_tests.bench.soak import Progress, setting


@pytest.mark.parametrize("name", vehicles.VEHICLES)
def test_the_usual_car_of_every_vehicle_gives_and_takes_energy(name):
    life = Life(setting(vehicles.vehicle(name), 0.02, 1))
    life.happen(Event("plug", {}, 12_000))
    for power_W in (6000, -6000):
        life.happen(Event("order", {"power_W": power_W}, 12_000))
    assert life.given_As > 50 and life.taken_As > 50
    assert life.world.ticks_ms() < 36_000, "the clock has wrapped in the middle"
    assert life.world.around.kind.name == name


def test_the_wrap_is_in_the_middle():
    for hours in (1, 24):
        start_ms = setting(vehicles.vehicle(), hours, 1).how["start_ms"]
        assert start_ms + hours * 1_800_000 == chance.WRAP_ms


def test_it_says_how_far_it_is_without_a_terminal():
    out = io.StringIO()
    progress = Progress(out, 4.0)
    progress.step(1.0)
    progress.line(f"one; {progress.left(1.0)}")
    assert out.getvalue().startswith("one; 25 %, about 0 min left\n")
    assert progress.left(4.5).startswith("100 %") and progress.left(0.0).startswith("0 %")


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_one_line_is_written_anew(monkeypatch):
    out = _Terminal()
    clock_s = iter((0.0, 1.0, 1.0, 1.0, 1.2))
    monkeypatch.setattr("hw_tests.bench.soak.time.monotonic", lambda: next(clock_s))
    progress = Progress(out, 4.0)
    progress.step(2.0)
    progress.step(2.1)  # too soon
    assert out.getvalue() == "\r 2.00 of 4 h, 50 %, about 0 min left  "
