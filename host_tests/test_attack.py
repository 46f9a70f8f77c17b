"""Attacks on a GB/T station that once succeeded, each in the stepped world."""

from typing import Any

import pytest

from firmware.faults import F_CAR_VOLTAGE_ABSENT, F_CONFIG, F_FLOOR_UNREADABLE
from hw_tests.bench.life import Event, Life, Setting


class Attack(Life):
    """A life with a few ways to say what happens; look() breaks it when something never may be."""

    def __init__(self, kind: str = "v2g", soc_permille: int = 700, floor_permille: int = 300, **how: Any):
        super().__init__(Setting({"kind": kind}, {"soc_permille": soc_permille},
                                 {"floor_permille": floor_permille, "discharge_v112": 1}, how))  # fmt: skip
        self.plant = self.world.around.rig.plant
        self.pins = self.world.around.rig.pins
        self.gate = self.world.fw.gate

    def begin(self, power_W: int, then_ms: int = 6000) -> None:
        """A car comes, and an order counts."""
        self.happen(Event("plug", {}, 15_000 if self.setting.car["kind"].startswith("charge") else 9500))
        self.happen(Event("order", {"power_W": power_W, "ttl_ms": 600_000}, then_ms))

    def leave(self) -> None:
        """The user stops and goes."""
        self.happen(Event("press", {"what": "button"}, 8000))
        self.happen(Event("unplug", {}, 3000))
        assert not self.plant.plugged


@pytest.mark.parametrize("phase", (0, 10))
def test_one_spoiled_sample_of_cc1_ends_no_session(phase: int) -> None:
    """A glitch of one sample is no pulled plug, in whichever half of the 20 ms it falls."""
    life = Attack()
    life.begin(-20_000)
    life.run(phase)
    life.pins.set_cc1(6000.0)
    life.run(10)
    life.pins.set_cc1(None)
    life.run(1000)
    assert life.plant.openings == 0 and life.plant.current_A < -40


@pytest.mark.parametrize("phase", (0, 10))
def test_nothing_that_a_car_said_outlives_its_plug(phase: int) -> None:
    """The gate forgets the car in whichever half of the 20 ms the plug goes."""
    life = Attack()
    life.begin(5000)
    assert life.gate.car.offered() and life.gate.car.vin
    life.run(phase)
    life.leave()
    assert not life.gate.car.offered() and not life.gate.car.vin and life.gate.car.voltage_max_dV > 10_000


@pytest.mark.parametrize("ms", (400, 520, 640))
def test_a_pause_while_the_power_rises_is_no_offence(ms: int) -> None:
    """A car that forbids power in the middle of a ramp stops it, and the gate has nothing to refuse."""
    life = Attack()
    life.begin(15_000, then_ms=ms)
    assert life.plant.current_A > 5
    life.world.around.car.misbehave("pause", for_ms=2000)
    life.run(2000)
    assert abs(life.plant.current_A) < 1
    life.run(5000)
    assert life.gate.refused == 0 and life.plant.current_A > 30


def test_untrusted_keeps_the_last_permission_in_a_trial_session_too() -> None:
    """A V1.12 car whose permission reads "untrusted" while it charges goes on charging, and still may be discharged."""
    life = Attack()
    life.begin(15_000)
    life.world.around.car.misbehave("untrusted", for_ms=12_000)
    life.run(12_000)
    assert life.plant.current_A > 30 and life.world.fw.faults.severity == 0
    life.happen(Event("order", {"power_W": -15_000}, 8000))
    assert life.plant.current_A < -30 and life.gate.refused == 0


@pytest.mark.parametrize("kind", ("v2g", "charge_2015"))
def test_a_car_that_opens_its_contactors_while_it_charges_is_found_out(kind: str) -> None:
    """When K5/K6 open under load without a word, the session ends within ten seconds, and the next one is usable."""
    life = Attack(kind)
    life.begin(15_000)
    life.happen(Event("car", {"what": "open_under_load"}, 10_000))
    assert not life.plant.contactor.closed and life.world.fw.faults.has(F_CAR_VOLTAGE_ABSENT)
    life.happen(Event("unplug", {}, 5000))
    assert not life.plant.plugged
    life.world.around.car.misbehave("recover")
    life.begin(15_000)
    assert life.plant.current_A > 30


@pytest.mark.parametrize("code", (F_CONFIG, F_FLOOR_UNREADABLE))
def test_a_void_configuration_is_a_warning_and_the_car_is_charged(code: int) -> None:
    """Defaults and a floor of 100 % are the whole answer to an unreadable file: the fault stops no session."""
    life = Attack(floor_permille=1000)
    life.world.fw.faults.set(code, 0, 0)
    life.begin(10_000)
    assert life.plant.current_A > 20
