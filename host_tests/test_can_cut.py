"""A cut CAN cable that is whole again after five seconds: no frame is older than 160 ms when it leaves.

The station runs in virtual time on the real drivers and the models of their chips. A frame that nobody acknowledges
stays in its controller; control takes it back after one to two rounds of 80 ms.
"""

from typing import Any

import pytest

from hw_tests.bench import chip_can, scenario, stepped, summary

ROUND_ms = 80
CUT_ms = 5000
# On the wire: eight frames before it, at 125 kbit/s. The model runs 3 ms ahead of the tick.
SLACK_ms = 15


class Watched(chip_can.ChipCan):
    """Notes what the firmware handed over, and what left by the chip, with the chip's time."""

    cut_ms = mended_ms = 0

    def boot(self) -> Any:
        self.given: list[tuple[int, tuple[int, bytes]]] = []
        self.left: list[tuple[int, tuple[int, bytes]]] = []
        can = super().boot()
        self.cancelled: list[int] = []
        send, cancel = can.send, can.cancel_send

        def noted(can_id: int, data: Any, flags: int = 0) -> int | None:
            index: int | None = send(can_id, data, flags)
            if index is not None:
                self.given.append((self.chip_ms(), (can_id, bytes(data))))
            return index

        def cancelled(index: int) -> bool:
            done: bool = cancel(index)
            if done:
                self.cancelled.append(self.chip_ms())
            return done

        can.send, can.cancel_send = noted, cancelled
        self.bus.on_frame = lambda end_ns, node, f: node is self.chip and self.left.append(
            (end_ns // 1_000_000, (f[0], f[4]))
        )
        return can

    def do(self, what: str) -> None:
        super().do(what)
        if what == "cut":
            self.cut_ms = self.chip_ms()
        elif what == "mend":
            self.mended_ms = self.chip_ms()

    def chip_ms(self) -> int:
        return self.clock.now // 1_000_000


def ages(watched: Watched) -> list[int]:
    """How old each frame was that left once the cable was whole: since the youngest one like it that was handed over
    before, each taken once, the youngest first for whoever left last."""
    given, found = list(watched.given), []
    for end_ms, content in reversed([each for each in watched.left if each[0] >= watched.mended_ms]):
        at = max(n for n, (at_ms, like) in enumerate(given) if like == content and at_ms <= end_ms)
        found.append(end_ms - given.pop(at)[0])
    return found


def played(bus: str, chip: str, monkeypatch: Any) -> Watched:
    """The controller of that bus after a session in which its cable was off for a while."""
    made: list[Watched] = []

    def watched(*words: Any) -> Watched:
        made.append(Watched(*words))
        return made[-1]

    monkeypatch.setattr("hw_tests.bench.world.ChipCan", watched)
    plan = scenario.load("bad_can", f"{bus}_cut")
    told = stepped.run(scenario.Scenario(**{**vars(plan), "plant": plan.plant | {"can": chip}}))
    assert told["result"] == "pass", "\n" + summary.text(told)
    return made[0 if bus == "car" else 1]


@pytest.mark.parametrize("chip", ["mcp2515", "mcp2518fd"])
@pytest.mark.parametrize("bus", ["car", "converter"])
def test_no_frame_is_older_than_two_rounds_when_it_leaves(bus: str, chip: str, monkeypatch: Any) -> None:
    can = played(bus, chip, monkeypatch)
    assert can.mended_ms - can.cut_ms > CUT_ms - 100
    during = [each for each in can.given if can.cut_ms <= each[0] < can.mended_ms]
    assert len(during) > 10, "the station went on to speak"
    assert not [each for each in can.left if can.cut_ms + SLACK_ms < each[0] < can.mended_ms]
    assert can.cancelled and can.cut_ms < can.cancelled[0] and can.cancelled[-1] < can.mended_ms, "no healthy one"
    found = ages(can)
    assert len(found) > 100 and max(found) <= 2 * ROUND_ms + SLACK_ms


@pytest.mark.parametrize("chip", ["mcp2515", "mcp2518fd"])
def test_without_the_recall_they_are_as_old_as_the_cut(chip: str, monkeypatch: Any) -> None:
    """The model has the danger: what waited in the chip leaves when the cable is back."""
    monkeypatch.setattr("firmware.control.Control._recall", lambda self: None)
    found = ages(played("car", chip, monkeypatch))
    assert max(found) > CUT_ms - 1500, "the station spoke for about a second, until it missed the car"
