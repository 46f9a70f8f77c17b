"""A resolver that takes half a minute, with or without an answer: what it holds, and for how long. It has no deadline,
so the services' thread waits with it; control does not (it releases the interpreter)."""

import pytest

from firmware.faults import F_SERVICE
from firmware.station import EV_PHASE, PH_DISCHARGE
from host_tests.uplink_rig import Rig

SLOW_ms = 30000  # lwIP's own: some tries each of two servers


class _Slow:
    """The resolver of a rig; `at` is when it was asked, in ms."""

    def __init__(self, rig: Rig, fails: bool = False) -> None:
        self.rig, self.fails = rig, fails
        self.at: list[int] = []
        self._good = rig.sockets.getaddrinfo
        rig.sockets.getaddrinfo = self  # type: ignore[method-assign,assignment]

    def __call__(self, *what: object) -> object:
        self.at.append(self.rig.ms)
        self.rig.pass_ms(SLOW_ms)
        if self.fails:
            raise OSError(-2)
        return self._good(*what)  # type: ignore[arg-type]


def test_a_slow_answer_is_enough_for_as_long_as_it_serves():
    rig = Rig()
    slow = _Slow(rig)
    rig.run(40000)
    assert len(slow.at) == 1 and rig.said("birth")
    for _ in range(5):
        rig.broker.kill()
        rig.run(2000)
        rig.broker.start()
        rig.run(20000)
    assert len(slow.at) == 1 and rig.said("state")[-1]["mqtt"]["reconnects"] == 5


def test_without_any_answer_the_services_have_three_quarters_of_the_time():
    rig = Rig()
    slow = _Slow(rig, fails=True)
    rig.run(30 * 60000)
    assert len(slow.at) >= 10
    assert min(late - early for early, late in zip(slow.at, slow.at[1:])) >= 4 * SLOW_ms
    slow.fails = False
    rig.run(4 * SLOW_ms)
    assert rig.said("birth") and rig.journal.active[F_SERVICE] == 0


def test_the_last_answer_serves_on_and_the_resolver_is_asked_after_8_failures_only():
    rig = Rig()
    rig.run(1000)
    slow = _Slow(rig, fails=True)
    rig.broker.kill()
    rig.run(20 * 60000)
    tries = [line for line in rig.lines if "next try" in line]
    assert 2 <= len(slow.at) <= (len(tries) + 7) // 8
    rig.broker.start()
    rig.run(60000)
    assert rig.said("state")[-1]["mqtt"]["reconnects"] == 1, "by the old address"


@pytest.mark.parametrize("after_ms", [100, 5000, 9000, 11000, 15000])
def test_a_hold_by_another_service_neither_ends_the_connection_nor_loses_a_record(after_ms):
    rig = Rig(state_active_s=60)
    rig.run(1000)
    rig.run(after_ms)
    for _ in range(3):
        rig.pass_ms(SLOW_ms)  # the time service asks for its server
        rig.run(5000)
        rig.station.events.put(EV_PHASE, PH_DISCHARGE, 0, rig.ticks_ms())
        rig.run(15000 + after_ms)
    events = [event for event in rig.said("event") if event["code"] == "phase"]
    assert len(events) == 3 and rig.said("state")[-1]["mqtt"]["reconnects"] == 0
    rig.broker.mute = True
    rig.run(50000)
    assert any("nothing heard" in line or "no answer" in line for line in rig.lines), "a dead peer is still noticed"
