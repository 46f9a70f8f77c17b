"""Our session and the bench's car: two independent readings of the standard on one wire. CPython only."""

import pytest

from firmware import faults as f
from firmware import station as st
from host_tests.gbt27930_rig import Rig
from hw_tests.bench.frame import Frame
from hw_tests.bench.gbt27930.car import Car
from hw_tests.bench.gbt27930.profiles import profile
from hw_tests.bench.gbt27930.vehicle import FakeVehicle


class Bridge:
    """The bench's car where the rig expects its own."""

    def __init__(self, name, **changes):
        self.vehicle = FakeVehicle(plugged=True)
        self.car = Car(profile(name, **changes), self.vehicle)
        self.ms = 0
        self.rig = None

    @property
    def pack_dV(self):
        return int(self.vehicle.pack_V * 10)

    def receive(self, can_id, data, _now):
        self.car.receive(Frame(can_id, True, data), self.ms)

    def step(self, _now):
        self.ms += 10
        rig, vehicle = self.rig, self.vehicle
        vehicle.aux_V = self.car.profile.aux_V if rig.session.want.aux else 0.0
        vehicle.inlet_V = vehicle.pack_V if vehicle.contactors_closed else 0.0
        vehicle.current_A = rig.sense[st.S_CURRENT_dA] / 10
        return [(frame.id, frame.data) for frame in self.car.step(self.ms)]

    def closed(self):
        return self.vehicle.contactors_closed


def rig_with(name, v112=0, **changes):
    bridge = Bridge(name, **changes)
    rig = Rig(v112=v112, car=bridge)
    bridge.rig = rig
    rig.plug_in()
    return rig


def charging(rig):
    rig.until(lambda: rig.sense[st.S_CURRENT_dA] == 100)
    return rig


def complaints(rig):
    return [(entry.name, entry.detail) if hasattr(entry, "detail") else entry for entry in rig.car.car.log]


@pytest.mark.parametrize(
    "name, changes",
    [
        ("charge_2015", {}), ("charge_only_2015", {}), ("edition_2011", {}), ("v2g", {}), ("truck_24V", {}),
        ("big", {}), ("charge_2015", {"packet_count_in_rts": True}), ("charge_2015", {"brm_length": 41}),
        ("charge_2015", {"jitter_ms": 100, "packet_spacing_ms": 30}), ("charge_2015", {"ready_after_ms": 20000}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("v112", [0, 1])
def test_a_session_without_a_complaint_of_the_car(name, changes, v112):
    rig = charging(rig_with(name, v112, **changes))
    rig.run(20000)
    assert rig.sense[st.S_CURRENT_dA] == 100
    rig.stop = 1
    rig.until_phase(st.PH_ENDED, 20000)
    rig.run(1000)
    assert complaints(rig) == []
    assert rig.car.car.bst_reason == "charger_stopped" and not rig.car.vehicle.contactors_closed
    assert rig.faults.worst == 0


def test_there_and_back_with_the_v2g_car():
    rig = charging(rig_with("v2g", 1))
    assert rig.car.car.v2g and rig.facts[st.C_CAN_DISCHARGE] == 1
    for wanted_dA in (-100, 100, -300, 0, 200):
        rig.wanted_dA = wanted_dA
        rig.run(6000)
        assert rig.sense[st.S_CURRENT_dA] == wanted_dA
    rig.stop = 1
    rig.until_phase(st.PH_ENDED, 20000)
    assert complaints(rig) == []


@pytest.mark.parametrize("name, v112", [("charge_2015", 1), ("charge_only_2015", 1), ("v2g", 0),
                                        ("v2g_no_cycles_left", 1)])  # fmt: skip
def test_who_must_never_discharge(name, v112):
    rig = rig_with(name, v112)
    rig.wanted_dA = -200
    for _ in range(3000):
        rig.tick()
        assert rig.sense[st.S_CURRENT_dA] >= 0 and rig.session.want.direction >= 0
    assert rig.facts[st.C_PHASE] == st.PH_CHARGE
    rig.wanted_dA = 100
    rig.run(3000)
    assert rig.sense[st.S_CURRENT_dA] == 100
    assert complaints(rig) == []


def test_at_its_own_floor_the_car_is_turned_back_and_can_charge():
    rig = charging(rig_with("v2g", 1, soc_target_permille=900))
    rig.wanted_dA = -100
    rig.run(3000)
    rig.car.vehicle.soc = 0.19
    rig.until_phase(st.PH_PAUSE, 1000)
    rig.until_phase(st.PH_CHARGE, 7000)
    assert rig.facts[st.C_DISCHARGE_dA] == 0 and rig.facts[st.C_CHARGE_dA] > 0
    rig.run(30000)
    assert rig.facts[st.C_PHASE] == st.PH_CHARGE and rig.sense[st.S_CURRENT_dA] == 0
    rig.wanted_dA = 100
    rig.run(3000)
    assert rig.sense[st.S_CURRENT_dA] == 100
    rig.car.vehicle.soc = 0.5
    rig.wanted_dA = -100
    rig.until(lambda: rig.sense[st.S_CURRENT_dA] == -100, 60000)
    assert complaints(rig) == []


def test_a_full_car_ends_it():
    rig = charging(rig_with("charge_2015"))
    rig.car.vehicle.soc = 1.0
    rig.until_phase(st.PH_ENDED, 20000)
    assert rig.facts[st.C_STOP_REASON] == f.F_CAR_STOPPED
    assert complaints(rig) == []


def test_the_pause_of_the_bench_car():
    rig = charging(rig_with("charge_2015"))
    rig.car.car.misbehave("pause", for_ms=60000)
    rig.until_phase(st.PH_PAUSE, 2000)
    rig.run(2000)
    assert rig.sense[st.S_CURRENT_dA] == 0
    rig.until(lambda: rig.sense[st.S_CURRENT_dA] == 100, 61000)
    assert complaints(rig) == []


def test_the_car_does_complain_when_there_is_cause():
    rig = charging(rig_with("charge_2015"))
    rig.can_dead = True
    rig.run(3000)
    assert rig.car.car.checker.counts["timeout"] == 1 and rig.car.car.bem_reason == "ccs_timeout"
