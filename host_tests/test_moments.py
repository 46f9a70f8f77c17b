"""A moment may be marked when it is past: the times count from it, not from when the bench heard of it."""

import pytest

from hw_tests.bench.moments import KEPT_ms
from hw_tests.bench.rig import Rig


def opened_at(rig, now_ms):
    """Module-enable goes off at now_ms, the coil three ms later, the contacts are seen open ten ms later still."""
    moments, pins, plant = rig.moments, rig.pins, rig.plant
    pins.enable, plant.contactor.driven, plant.contactor.closed, plant.current_A = True, True, True, -50.0
    for at_ms in range(now_ms - 20, now_ms + 20):
        pins.enable = at_ms < now_ms
        plant.contactor.driven = at_ms < now_ms + 3
        plant.contactor.closed = at_ms < now_ms + 13
        plant.current_A = -50.0 if at_ms < now_ms else -2.0
        yield at_ms
        moments.look(at_ms)


@pytest.mark.parametrize("heard_after_ms", [0, 4, 9, 17])
def test_the_times_count_from_the_mark_whenever_it_is_heard_of(heard_after_ms):
    rig = Rig()
    for at_ms in opened_at(rig, 5000):
        if at_ms == 4998 + heard_after_ms:
            rig.moments.mark(4998)
    facts = rig.moments.facts()
    assert facts["marked_current_A"] == -50.0
    assert (facts["to_enable_off_ms"], facts["to_command_ms"], facts["to_5A_ms"], facts["to_open_ms"]) == (2, 5, 2, 15)


def test_a_mark_that_is_too_old_is_refused():
    rig = Rig()
    rig.advance(3 * KEPT_ms)
    with pytest.raises(ValueError, match=rf"and only {KEPT_ms} ms are kept"):
        rig.do("mark", at_ms=KEPT_ms)
