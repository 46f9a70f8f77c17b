"""Cars that speak GB/T 27930 oddly: station and gate understand the same of it, so nothing is refused in between."""

import pytest

from firmware.faults import F_CAR_INCONSISTENT
from hw_tests.bench.life import Event, Life, Setting

_HANDSHAKE_ms = 12_000


def _life() -> Life:
    return Life(Setting({"kind": "v2g"}, {"soc_permille": 800}, {"floor_permille": 300, "discharge_v112": 1}))


def test_a_car_that_sends_every_packet_twice_is_discharged():
    life = _life()
    life.happen(Event("car", {"what": "tp_repeat"}, 0))
    life.happen(Event("plug", {}, _HANDSHAKE_ms))
    life.happen(Event("order", {"power_W": -6000}, 6_000))
    assert life.taken_As > 50
    assert life.world.fw.gate.refused == 0


@pytest.mark.parametrize("after_ms", [100, 250, 400, 500, 600, 750])
def test_a_car_that_takes_its_readiness_back_is_let_go(after_ms):
    """Up to 500 ms BRO falls before the link is matched: nothing is refused. Then it falls in the tick of closing,
    which the session sees 10 ms later: there the gate is alone, and refuses once at most."""
    life = _life()
    life.happen(Event("car", {"what": "bro_falls", "args": {"after_ms": after_ms}}, 0))
    life.happen(Event("plug", {}, _HANDSHAKE_ms))
    faults, gate = life.world.fw.faults, life.world.fw.gate
    assert gate.refused <= (0 if after_ms <= 500 else 1)
    assert gate.openings == 0 and life.given_As < 1, "it was never closed"
    assert faults.has(F_CAR_INCONSISTENT)
