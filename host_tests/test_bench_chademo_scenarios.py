"""CHAdeMO in the scenarios: the vehicle layer of shared files, the wires of the plant, and the phases on the bus."""

from pathlib import Path

import pytest

from hw_tests.bench import scenario, stepped, summary, vehicles
from hw_tests.bench.chademo.observer import Observer
from hw_tests.bench.chademo.profiles import PROFILES
from hw_tests.bench.frame import Frame
from hw_tests.bench.pins import OUT_D1, OUT_D2, OUT_HEARTBEAT, PERMISSION
from hw_tests.bench.rig import Rig
from hw_tests.bench.scenario import ScenarioError
from hw_tests.bench.world import StepWorld

SHARED = [(name, variant) for name in ("evening", "emergency", "hostile_aggregator", "soc_liar")
          for variant in scenario.variants(name)]  # fmt: skip


@pytest.mark.parametrize(("name", "variant"), SHARED)
def test_the_shared_scenarios_with_a_leaf(name, variant):
    made = stepped.run(scenario.load(name, variant, "chademo"))
    assert made["result"] == "pass", "\n" + summary.text(made)
    assert made["vehicle"] == "chademo"


def test_in_virtual_time_no_frame_of_the_evening_is_late_or_early():
    """A live run cannot judge that (its computer may be busy): the fact `deviations` leaves it out. Here it counts."""
    evening = scenario.load("evening", "", "chademo")
    world = StepWorld(*stepped.parameters(evening))
    assert stepped.play(evening, world)["result"] == "pass"
    assert list(world.around.car.log) == []
    assert vehicles.deviations({"period": 3, "late": 1, "slope": 2}) == 2


def test_the_summary_has_the_same_keys_and_the_checks_the_same_names():
    def keys(value, path=""):
        if not isinstance(value, dict):
            return {path}
        return {key for name, each in value.items() for key in keys(each, f"{path}.{name}")}

    leaf, gbt = (stepped.run(scenario.load("evening", "", name)) for name in ("chademo", "gbt27930"))
    assert keys(leaf) == keys(gbt)
    assert [check["name"] for check in leaf["checks"]] == [check["name"] for check in gbt["checks"]]


def test_every_profile_has_a_scenario():
    played = set()
    for name in scenario.known():
        if "chademo" in scenario.vehicles(name):
            for variant in scenario.variants(name):
                played.add(scenario.load(name, variant, "chademo").car.get("kind", "leaf_ze0"))
    assert {"leaf_ze0", "leaf_ze1", "outlander_phev", "imiev", "chademo_2_0"} <= played == set(PROFILES)


def test_the_known_vehicles_are_those_of_the_bench():
    assert tuple(vehicles.VEHICLES) == scenario.VEHICLES
    assert vehicles.vehicle("chademo").bit_s == 500_000 and vehicles.vehicle().name == "gbt27930"
    with pytest.raises(ValueError, match="no vehicle 'ccs'"):
        vehicles.vehicle("ccs")


def test_a_layer_changes_what_it_names_for_its_vehicle_alone(tmp_path: Path):
    (tmp_path / "mine.toml").write_text(
        "[car]\nkind = 'v2g'\n[[step]]\nname = 'a'\nat_s = 1\ndo = 'plug'\n"
        "[[check]]\nname = 'c'\nend = 'plugged == 1'\n"
        "[variants.x.car]\nsoc_permille = 300\n[[variants.x.step]]\nname = 'a'\nat_s = 2\n"
        "[vehicles.chademo.car]\nkind = 'leaf_ze1'\n[[vehicles.chademo.variants.x.step]]\nname = 'a'\nat_s = 3\n"
    )
    own, leaf = (scenario.load("mine", "x", name, tmp_path) for name in ("gbt27930", "chademo"))
    assert (own.car, own.steps[0].at_s) == ({"kind": "v2g", "soc_permille": 300}, 2)
    assert (leaf.car, leaf.steps[0].at_s) == ({"kind": "leaf_ze1", "soc_permille": 300}, 3)
    assert scenario.vehicles("mine", tmp_path) == ["gbt27930", "chademo"]


def test_a_scenario_says_which_vehicles_it_is_for():
    with pytest.raises(ScenarioError, match="not for 'chademo', only for gbt27930"):
        scenario.load("charge_only_2015", "later", "chademo")


# The wires between board and car.


def beating(rig: Rig, mask: int, to_ms: int) -> None:
    while rig.now_ms < to_ms:
        rig.pins.write(mask | (OUT_HEARTBEAT if rig.now_ms // 10 % 2 else 0))
        rig.advance(rig.now_ms + 10)


def test_d1_and_d2_reach_a_plugged_car_and_hold_its_contactors():
    rig = Rig()
    vehicle = rig.vehicle
    vehicle.coil_by_station = True
    beating(rig, OUT_D1, 100)
    assert not vehicle.d1
    rig.do("plug")
    beating(rig, OUT_D1, 800)
    assert vehicle.d1 and not vehicle.d2
    vehicle.close_contactors = True
    beating(rig, OUT_D1, 900)
    assert not vehicle.contactors_closed
    beating(rig, OUT_D1 | OUT_D2, 1000)
    assert vehicle.d2 and vehicle.contactors_closed
    beating(rig, OUT_D1, 1100)
    assert not vehicle.contactors_closed and vehicle.close_contactors
    beating(rig, 0, 1200)
    assert not vehicle.d1
    facts = rig.facts()
    assert (facts["d1"], facts["d2"], facts["permission"]) == (0, 0, 0)


def test_line_k_reaches_the_board_through_the_plug():
    rig = Rig()
    rig.vehicle.permission = True
    assert rig.pins.sample()[PERMISSION] == 0
    rig.do("plug")
    rig.advance(600)
    assert rig.pins.sample()[PERMISSION] == 1
    rig.pins.sensor_fault("permission", "short")
    assert rig.pins.sample()[PERMISSION] == 0
    rig.pins.heal()
    rig.do("unplug", force=True)
    rig.advance(1200)
    assert rig.pins.sample()[PERMISSION] == 0


def test_a_gbt_car_has_its_contactors_for_itself():
    rig = Rig()
    rig.do("plug")
    rig.advance(600)
    rig.vehicle.close_contactors = True
    rig.advance(700)
    assert rig.vehicle.contactors_closed


# The observer.


def told(status: int, current_A: int = 0) -> Frame:
    return Frame(0x109, False, bytes((2, 0x77, 1, current_A, 1, status, 0, 0)))


def says(status: int, faults: int = 0) -> Frame:
    return Frame(0x102, False, bytes((2, 0x9A, 1, 0, faults, status, 73, 0)))


def to_charge() -> Observer:
    observer = Observer()
    observer.power_path(True, False, 0.0, False, False, 10)
    observer.power_path(True, False, 0.0, False, True, 20)
    for frame in (says(0xC8), told(0x20), says(0xC9), told(0x24)):
        observer.frame(frame, 30)
    observer.power_path(True, False, 490.0, False, True, 40)
    observer.power_path(True, False, 5.0, True, True, 50)
    observer.frame(says(0xC1), 60)
    observer.frame(told(0x05), 70)
    return observer


def test_the_phases_of_a_session_by_both_sides():
    observer = to_charge()
    observer.frame(Frame(0x208, False, bytes((0xF5, 0xF4, 1, 0xF0, 0, 0, 0xFA, 0))), 80)
    assert (observer.phase, observer.direction) == ("discharge", -1)
    observer.frame(told(0x05, 7), 90)
    assert (observer.phase, observer.direction) == ("charge", 1)
    observer.frame(told(0x25), 100)
    assert (observer.phase, observer.station_stopped, observer.car_stopped) == ("stopping", 1, 0)
    observer.frame(says(0xC0), 110)
    observer.frame(told(0x24), 120)
    observer.power_path(True, False, 300.0, True, True, 130)
    observer.power_path(True, False, 5.0, True, False, 140)
    observer.power_path(False, False, 5.0, False, False, 150)
    assert [phase for _, phase in observer.history] == [
        "idle", "plugged", "handshake", "configure", "insulation", "precharge", "charge", "discharge", "charge",
        "stopping", "weld_check", "bleed", "ended", "idle",
    ]  # fmt: skip
    assert observer.sessions == 1


@pytest.mark.parametrize("frame", [says(0xC0), says(0xC1, faults=8)])
def test_who_stopped(frame):
    observer = to_charge()
    observer.frame(frame, 80)
    assert (observer.phase, observer.car_stopped, observer.station_stopped) == ("stopping", 1, 0)


def test_a_new_firmware_begins_anew():
    observer = to_charge()
    observer.restarted(90)
    assert observer.phase == "plugged"
    observer.frame(told(0x20), 100)
    assert observer.phase == "handshake" and observer.sessions == 2
