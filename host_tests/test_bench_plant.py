"""The plant's physics: energy is conserved, and what it counts is what happened."""

import time

import pytest

from hw_tests.bench.pack import PackParams
from hw_tests.bench.plant import Plant, PlantParams
from hw_tests.bench.power_stage import CHARGE, DISCHARGE, SetPoint, StageParams

FAST = StageParams(reaction_ms=10, start_ms=10)


def run(plant: Plant, ms: int, dt_ms: int = 1) -> None:
    for _ in range(0, ms, dt_ms):
        plant.step(dt_ms)


def connected(soc: float = 0.5, stage: StageParams = FAST, **kw: float) -> Plant:
    """Plugged in, precharged, both pairs of contactors closed."""
    plant = Plant(PlantParams(pack=PackParams(soc=soc), stage=stage, **kw))  # type: ignore[arg-type]
    plant.plug()
    plant.vehicle.close_contactors = True
    plant.stage.enable(True, plant.now_ms)
    plant.stage.command(SetPoint(True, CHARGE, plant.pack.ocv_V - 3, 5.0), plant.now_ms)
    run(plant, 800)
    plant.contactor.drive(True, plant.now_ms)
    run(plant, 100)
    assert plant.contactor.closed
    return plant


def command(plant: Plant, direction: int, amps: float, volts: float = 430.0, cutoff: float = 300.0) -> None:
    plant.stage.command(SetPoint(True, direction, volts, amps, cutoff), plant.now_ms)


def turn(plant: Plant, direction: int, amps: float) -> None:
    plant.stage.command(SetPoint(), plant.now_ms)
    run(plant, 100)
    command(plant, direction, amps)
    run(plant, 100)


def balance(plant: Plant) -> tuple[float, float]:
    """What came out of the converter, and where it is now."""
    return plant.dc_J, plant.pack.stored_J + plant.capacitor_J + plant.loss_J


@pytest.mark.parametrize("dt_ms", [1, 3, 10])
def test_energy_is_conserved_over_a_whole_session(dt_ms):
    """Precharge, closing, charge, discharge, opening under load and bleeding: every joule is somewhere."""
    plant = connected()
    command(plant, CHARGE, 50.0)
    run(plant, 3000, dt_ms)
    turn(plant, DISCHARGE, 50.0)
    run(plant, 3000, dt_ms)
    plant.contactor.drive(False, plant.now_ms)
    run(plant, 100, dt_ms)
    plant.stage.command(SetPoint(), plant.now_ms)
    plant.vehicle.close_contactors = False
    plant.bleed.drive(True, plant.now_ms)
    run(plant, 5000, dt_ms)
    went_in, is_now = balance(plant)
    throughput = 6 * 380 * 50.0
    assert abs(went_in - is_now) < 2e-4 * throughput
    assert plant.link_V < 10 and plant.inlet_V < 1


def test_an_inrush_is_booked_to_the_joule():
    """A discharged link onto the pack: half of C V^2 becomes heat, and the peak is U/R."""
    plant = Plant(PlantParams(stage=FAST))
    plant.plug()
    plant.vehicle.close_contactors = True
    run(plant, 50)
    before = sum(balance(plant)[1:])
    plant.contactor.drive(True, plant.now_ms)
    run(plant, 60)
    inrush = plant.inrush[-1]
    assert inrush.contact == "station"
    assert inrush.difference_V == pytest.approx(-380.0, abs=1)
    assert inrush.peak_A == pytest.approx(380 / 0.11, rel=0.01)
    assert inrush.energy_J == pytest.approx(0.5 * 500e-6 * 380**2, rel=0.01)
    assert plant.loss_J > inrush.energy_J * 0.99
    assert balance(plant)[1] == pytest.approx(before, abs=0.05)


def test_a_precharged_link_closes_softly():
    plant = connected()
    assert plant.inrush_max_A < 50
    assert plant.inrush[-1].energy_J < 0.01


def test_charging_and_discharging_move_soc_and_meter():
    plant = connected(soc=0.5)
    command(plant, CHARGE, 50.0)
    run(plant, 60)
    soc, imported = plant.pack.soc, plant.import_Wh
    run(plant, 10000)
    assert plant.current_A == pytest.approx(50.0, abs=0.05)
    assert plant.pack.soc - soc == pytest.approx(50 * 10 / plant.pack.capacity_As, rel=1e-3)
    assert plant.import_Wh - imported == pytest.approx((plant.link_V * 50 / 0.95 + 15) * 10 / 3600, rel=0.01)
    turn(plant, DISCHARGE, 50.0)
    soc, exported = plant.pack.soc, plant.export_Wh
    run(plant, 10000)
    assert plant.current_A == pytest.approx(-50.0, abs=0.05)
    assert soc - plant.pack.soc == pytest.approx(50 * 10 / plant.pack.capacity_As, rel=1e-3)
    assert plant.export_Wh - exported == pytest.approx((plant.link_V * 50 * 0.95 - 15) * 10 / 3600, rel=0.01)


def test_the_capacity_is_the_integral_of_the_voltage_curve():
    plant = Plant(PlantParams(pack=PackParams(soc=0.0)))
    pack = plant.pack
    for _ in range(10000):
        pack.add(pack.capacity_As / 10000)
    assert pack.soc == pytest.approx(1.0)
    assert pack.stored_J / 3600 == pytest.approx(1000.0, rel=1e-3)
    assert pack.ocv_V == pytest.approx(400.0)


def test_constant_voltage_ends_the_current():
    plant = connected(soc=0.5)
    command(plant, CHARGE, 50.0, volts=382.0)
    run(plant, 200)
    assert 0 < plant.current_A < 25
    assert plant.link_V == pytest.approx(382.0, abs=0.1)


def test_the_cutoff_voltage_ends_the_discharge():
    plant = connected(soc=0.5)
    plant.stage.command(SetPoint(), plant.now_ms)
    run(plant, 50)
    command(plant, DISCHARGE, 50.0, cutoff=378.0)
    run(plant, 200)
    assert -25 < plant.current_A < 0
    assert plant.link_V == pytest.approx(378.0, abs=0.1)


def test_openings_under_load_are_counted_at_the_contact():
    plant = connected()
    command(plant, CHARGE, 20.0)
    run(plant, 100)
    plant.contactor.drive(False, plant.now_ms)
    run(plant, 29)
    assert (plant.contactor.closed, plant.openings) == (True, 0)
    run(plant, 2)
    assert (plant.openings, plant.opened_under_load) == (1, 1)
    plant = connected()
    command(plant, CHARGE, 4.0)
    run(plant, 100)
    plant.contactor.drive(False, plant.now_ms)
    run(plant, 50)
    assert (plant.openings, plant.opened_under_load) == (1, 0)
    assert plant.current_A == 0.0


def test_the_car_opening_under_load_is_counted_apart():
    plant = connected()
    command(plant, CHARGE, 20.0)
    run(plant, 100)
    plant.vehicle.close_contactors = False
    run(plant, 50)
    assert (plant.vehicle_opened_under_load, plant.opened_under_load) == (1, 0)
    assert plant.link_V <= 430.01


def test_the_set_point_is_held_for_the_reaction_time():
    plant = connected(stage=StageParams(reaction_ms=200, start_ms=10))
    command(plant, CHARGE, 50.0)
    run(plant, 400)
    plant.stage.command(SetPoint(), plant.now_ms)
    run(plant, 198)
    assert plant.current_A == pytest.approx(50.0, abs=0.1)
    run(plant, 4)
    assert abs(plant.current_A) < 5


def test_module_enable_stops_the_current_at_once_and_needs_a_new_on():
    plant = connected(stage=StageParams(reaction_ms=1000, start_ms=10))
    command(plant, CHARGE, 50.0)
    run(plant, 1200)
    assert plant.current_A > 49
    plant.stage.enable(False, plant.now_ms)
    run(plant, 4)
    assert abs(plant.current_A) < 1
    plant.stage.enable(True, plant.now_ms)
    run(plant, 2000)
    assert plant.source_A == 0.0
    command(plant, CHARGE, 50.0)
    run(plant, 1100)
    assert plant.current_A > 49


def test_walk_in_takes_its_time():
    plant = Plant(PlantParams(stage=StageParams(reaction_ms=0, start_ms=0, walk_in_ms=5000)))
    plant.stage.enable(True, 0)
    plant.stage.command(SetPoint(True, CHARGE, 400.0, 10.0, 0.0, True), 0)
    run(plant, 1000)
    assert plant.link_V == pytest.approx(200.0, rel=0.02)
    run(plant, 1100)
    assert plant.link_V == pytest.approx(400.0, rel=0.01)


def test_bleeding_follows_its_time_constant():
    plant = Plant()
    plant.link_V = 400.0
    plant.bleed.drive(True, 0)
    run(plant, 10 + 1000)
    tau_s = 500e-6 / (1 / 2000 + 1 / 100e3)
    assert plant.link_V == pytest.approx(400.0 * 2.718281828 ** (-1.0 / tau_s), rel=0.01)


def test_step_length_does_not_matter_when_nothing_moves():
    results = []
    for dt_ms in (1, 5, 10):
        plant = connected()
        command(plant, CHARGE, 40.0)
        run(plant, 100)
        run(plant, 5000, dt_ms)
        results.append((plant.pack.soc, plant.link_V, plant.import_Wh))
    for other in results[1:]:
        assert other == pytest.approx(results[0], rel=1e-5)


def test_a_welded_contact_does_not_open_and_a_stuck_one_does_not_close():
    plant = connected()
    plant.contactor.weld()
    plant.contactor.drive(False, plant.now_ms)
    run(plant, 100)
    assert plant.contactor.closed and plant.openings == 0
    plant.contactor.heal(plant.now_ms)
    run(plant, 100)
    assert not plant.contactor.closed and plant.openings == 1
    plant.contactor.stick_open()
    plant.contactor.drive(True, plant.now_ms)
    run(plant, 100)
    assert not plant.contactor.closed


def test_soc_taken_by_us_is_told_from_what_the_car_uses_itself():
    plant = connected()
    plant.stage.command(SetPoint(), plant.now_ms)
    plant.pack.load_W = 2000.0
    taken = plant.soc_taken
    run(plant, 5000)
    assert plant.pack.soc < 0.5 and plant.soc_taken == pytest.approx(taken, abs=1e-6)
    plant.pack.load_W = 0.0
    plant.watch_soc = plant.pack.soc - 0.01
    command(plant, DISCHARGE, 50.0)
    before = plant.pack.soc
    run(plant, 5000)
    assert plant.soc_taken - taken == pytest.approx(before - plant.pack.soc, rel=0.01)
    assert plant.taken_below_watch == pytest.approx(plant.watch_soc - plant.pack.soc, rel=0.02)
    assert plant.soc_min_discharging == pytest.approx(plant.soc_min, abs=1e-4)


def test_a_step_is_fast_enough():
    """The stepped world runs 100 times real time only if a step stays near 20 us."""
    plant = connected()
    command(plant, CHARGE, 50.0)
    best = 1.0
    for _ in range(5):
        start = time.process_time()
        run(plant, 1000)
        best = min(best, (time.process_time() - start) / 1000)
    assert best < 60e-6


def test_the_surge_of_closing_is_no_discharge():
    plant = connected(soc=0.3)
    assert plant.soc_min_discharging == 1.0
    turn(plant, DISCHARGE, 20.0)
    assert plant.soc_min_discharging == pytest.approx(plant.pack.soc, abs=1e-6)
