"""Reaction times: how long after a marked moment the power path did what it must."""

from typing import Any

from hw_tests.bench.pins import Pins
from hw_tests.bench.plant import UNDER_LOAD_A, Plant


class Moments:
    """Call `mark(now)` at the event and `look(now)` after every step; `facts()` are milliseconds since the mark."""

    def __init__(self, plant: Plant, pins: Pins):
        self._plant = plant
        self._pins = pins
        self._mark_ms: int | None = None
        self._current_A = 0.0
        self._waiting = False
        self._times: dict[str, int | None] = {}
        self._clear()

    def mark(self, now_ms: int) -> None:
        """This is the moment that reactions are measured from."""
        self._clear()
        self._mark_ms = now_ms
        self._current_A = self._plant.current_A
        self._waiting = True

    def look(self, now_ms: int) -> None:
        """Note what has happened by now."""
        if not self._waiting or self._mark_ms is None:
            return
        plant, pins, times = self._plant, self._pins, self._times
        since_ms = now_ms - self._mark_ms
        if times["to_command_ms"] is None and not plant.contactor.driven:
            times["to_command_ms"] = since_ms
        if times["to_enable_off_ms"] is None and not pins.enable:
            times["to_enable_off_ms"] = since_ms
        if times["to_open_ms"] is None and not plant.contactor.closed:
            times["to_open_ms"] = since_ms
        if times["to_5A_ms"] is None and abs(plant.current_A) <= UNDER_LOAD_A:
            times["to_5A_ms"] = since_ms
        self._waiting = None in times.values()

    def facts(self) -> dict[str, Any]:
        """None: not yet."""
        marked = self._mark_ms is not None
        return {"marked": int(marked), "marked_current_A": self._current_A if marked else None, **self._times}

    def _clear(self) -> None:
        self._times = dict.fromkeys(("to_command_ms", "to_enable_off_ms", "to_open_ms", "to_5A_ms"))
