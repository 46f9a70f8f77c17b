"""Reaction times: how long after a marked moment the power path did what it must."""

from collections import deque
from typing import Any

from hw_tests.bench.pins import Pins
from hw_tests.bench.plant import UNDER_LOAD_A, Plant

KEPT_ms = 1000  # a moment may be marked so long afterwards: what marks it may hear of it late
_TIMES = ("to_command_ms", "to_enable_off_ms", "to_open_ms", "to_5A_ms")


class Moments:
    """Call `mark(at)` at the event or up to KEPT_ms later, and `look(now)` after every step; `facts()` are
    milliseconds since the mark."""

    def __init__(self, plant: Plant, pins: Pins):
        self._plant = plant
        self._pins = pins
        self._kept: deque[tuple[int, float, tuple[bool, ...]]] = deque()  # when, current, which of _TIMES have come
        self._mark_ms: int | None = None
        self._current_A = 0.0
        self._times: dict[str, int | None] = dict.fromkeys(_TIMES)

    def mark(self, at_ms: int) -> None:
        """This was the moment that reactions are measured from.

        Raises:
            ValueError: nothing is kept of it any more.
        """
        if self._kept and at_ms < self._kept[0][0]:
            raise ValueError(f"the mark is {self._kept[-1][0] - at_ms} ms old, and only {KEPT_ms} ms are kept")
        self._times = dict.fromkeys(_TIMES)
        self._mark_ms, self._current_A = at_ms, self._plant.current_A
        before = [kept for kept in self._kept if kept[0] <= at_ms]
        if before:
            self._current_A = before[-1][1]
        for when_ms, _, come in list(self._kept)[len(before) :]:
            self._note(when_ms, come)

    def look(self, now_ms: int) -> None:
        """Note what has happened by now."""
        plant, current_A = self._plant, self._plant.current_A
        come = (not plant.contactor.driven, not self._pins.enable, not plant.contactor.closed,
                abs(current_A) <= UNDER_LOAD_A)  # fmt: skip
        self._kept.append((now_ms, current_A, come))
        while now_ms - self._kept[0][0] > KEPT_ms:
            self._kept.popleft()
        self._note(now_ms, come)

    def facts(self) -> dict[str, Any]:
        """None: not yet."""
        marked = self._mark_ms is not None
        return {"marked": int(marked), "marked_current_A": self._current_A if marked else None, **self._times}

    def _note(self, when_ms: int, come: tuple[bool, ...]) -> None:
        if self._mark_ms is None or None not in self._times.values():
            return
        for name, there in zip(_TIMES, come, strict=True):
            if there and self._times[name] is None:
                self._times[name] = when_ms - self._mark_ms
