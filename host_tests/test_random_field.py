"""Random sessions of stations with a meter and an insulation monitor, with cars of either protocol.

As test_random_sessions.py: the number of a session, the vehicle and SLUICE_SEED name it for ever. Every fourth is
without trouble. A failure is told with the shortest plan that still breaks.
"""

from random import Random

import pytest

from host_tests.test_random_sessions import SEED, shortest  # the board's path is set by it
from hw_tests.bench import chance_field
from hw_tests.bench.life import Event, Life, Violation

from firmware.faults import F_CAR_CONTACTOR_WELDED, F_GATE_REFUSED, F_INSULATION, STOP  # isort: skip

SHARDS = 2
SESSIONS = 20  # a shard


@pytest.mark.parametrize("vehicle", ("gbt27930", "chademo"))
@pytest.mark.parametrize("number", range(SHARDS))
def test_random_sessions_with_a_field_bus(number: int, vehicle: str) -> None:
    out = into = tested = 0
    for session in range(number * SESSIONS, (number + 1) * SESSIONS):
        luck = Random(f"field/{vehicle}/{SEED}/{session}")
        setting = chance_field.setting(luck, vehicle)
        plan = chance_field.healthy(luck) if session % 4 == 0 else chance_field.plan(luck, vehicle)
        life = Life(setting)
        try:
            life.play(plan)
        except Violation as violation:
            raise shortest(setting, plan, violation) from None
        out += life.taken_As > 20
        into += life.given_As > 20
        tested += life.world.around.rig.plant.openings >= 2  # after the test, and after the session
    assert out and into and tested >= 2, "the sessions do not reach where harm could be done"


@pytest.mark.parametrize("vehicle", ("gbt27930", "chademo"))
def test_a_battery_that_appears_in_the_test_is_neither_charged_nor_bled_for_long(vehicle: str) -> None:
    """K5/K6 close by themselves, at moments from the closing of K1/K2 to their opening."""
    found = 0
    for at_ms in range(100, 2400, 350):
        life = _in_the_test(vehicle)
        life.run(at_ms)
        assert life.world.around.rig.plant.contactor.closed
        given_As = life.given_As
        life.happen(Event("pins", {"what": "car_contactor", "args": {"kind": "closes"}}, 20_000))
        faults = life.world.fw.faults
        assert faults.has(F_INSULATION) or faults.has(F_CAR_CONTACTOR_WELDED), "the user is not told what it is"
        assert faults.severity >= STOP and (faults.has(F_INSULATION) or not faults.has(F_GATE_REFUSED))
        assert not life.world.around.rig.plant.contactor.closed
        assert life.given_As - given_As < 0.5, "charged without a permission"
        found += 1
    assert found == 7


def _in_the_test(vehicle: str) -> Life:
    """A station whose K1/K2 have just closed onto the dead cable."""
    life = Life(chance_field.usual(vehicle))
    life.happen(Event("wait", {}, 8000))
    life.happen(Event("plug", {}, 0))
    for _ in range(1500):
        life.run(10)
        if life.world.around.rig.plant.contactor.closed:
            return life
    raise AssertionError("no test of the insulation")


def test_a_life_sees_a_battery_that_is_bled() -> None:
    life = _in_the_test("gbt27930")
    life.happen(Event("pins", {"what": "car_contactor", "args": {"kind": "closes"}}, 0))
    life.world.fw.gate.vet_outputs = lambda mask, now: mask | 1 | 2  # K1/K2 and the bleeder, whatever anybody says
    with pytest.raises(Violation, match="bled"):
        life.run(7000)


def test_a_life_sees_a_live_plug() -> None:
    life = _in_the_test("gbt27930")
    life.run(1000)
    life.world.fw.gate.vet_outputs = lambda mask, now: 1  # nothing opens or bleeds
    life.world.around.rig.plant.plugged = False
    with pytest.raises(Violation, match="a loose plug with"):
        life.run(100)
