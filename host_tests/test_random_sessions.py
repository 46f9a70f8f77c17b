"""Random sessions in virtual time: whatever happens, what must never happen does not.

At least 300 sessions with at least a million ticks, in shards that run beside each other. Hypothesis draws the number
of each session; with the shard and SLUICE_SEED (0) it names the session for ever. Every run of the tests plays the same
ones, SLUICE_SEED=n plays others. A failure is told with the shortest plan that still breaks.
"""

import os
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from hw_tests.bench import chance
from hw_tests.bench.life import Event, Life, Setting, Violation

SHARDS = 20
SESSIONS = 16  # a shard
TICKS = 52_000  # a shard has at least so many
SEED = int(os.environ.get("SLUICE_SEED", "0"))


def broken(setting: Setting, plan: list[Event]) -> Violation | None:
    try:
        Life(setting).play(plan)
    except Violation as violation:
        return violation
    return None


def shortest(setting: Setting, plan: list[Event], violation: Violation) -> Violation:
    """Leave out one event after the other as long as something still breaks."""
    place = 0
    while place < len(violation.plan):
        less = violation.plan[:place] + violation.plan[place + 1 :]
        still = broken(setting, less) if less else None
        if still is None:
            place += 1
        else:
            violation = still
    return violation


class Shard:
    """Plays the sessions of one shard and counts them."""

    def __init__(self, number: int):
        self.number = number
        self.played: set[int] = set()
        self.ticks = 0
        self.out = self.into = 0  # sessions in which energy went out of and into the car

    def play(self, session: int) -> None:
        if session in self.played:
            return
        luck = Random(f"{SEED}/{self.number}/{session}")
        setting = chance.setting(luck)
        plan = (chance.healthy if self.number % 4 == 0 else chance.troubled)(luck)
        life = Life(setting)
        try:
            life.play(plan)
            while life.ticks < TICKS // SESSIONS:
                life.run(500)
        except Violation as violation:
            raise shortest(setting, plan, violation) from None
        self.played.add(session)
        self.ticks += life.ticks
        self.out += life.taken_As > 20
        self.into += life.given_As > 20


@pytest.mark.parametrize("number", range(SHARDS))
def test_random_sessions(number: int) -> None:
    """Every fourth shard is without trouble: there nothing at all is excused."""
    shard = Shard(number)

    @seed(SEED * SHARDS + number)
    @settings(max_examples=2 * SESSIONS, deadline=None, database=None, phases=(Phase.generate,),
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.integers(0, (1 << 48) - 1))
    def play(session: int) -> None:
        if len(shard.played) < SESSIONS:
            shard.play(session)

    play()
    assert len(shard.played) == SESSIONS and shard.ticks >= TICKS
    assert shard.out >= 2 and shard.into >= 2, "the sessions do not reach where harm could be done"


def test_it_is_a_million_ticks_in_three_hundred_sessions() -> None:
    assert SHARDS * TICKS >= 1_000_000 and SHARDS * SESSIONS >= 300


def test_a_life_can_break() -> None:
    """The invariants are no decoration: a wire that closes K1/K2 by itself is noticed."""
    life = Life(Setting({"kind": "v2g"}, {"soc_permille": 800}, {"floor_permille": 300}))
    life.happen(Event("plug", {}, 12_000))
    life.world.fw.gate.vet_outputs = lambda mask, now: mask & ~1  # contactors open at once, whatever flows
    life.happen(Event("order", {"power_W": 15_000}, 0))
    life.world.fw.gate.vet_outputs = lambda mask, now: mask
    with pytest.raises(Violation):
        life.run(6000)
        life.world.fw.gate.vet_outputs = lambda mask, now: mask & ~1
        life.run(1000)
