"""What a converter alone on a desk has around it: a board that holds module-enable, and a pack behind contactors.

In place of pins_link.PinsLink and converter_process.VehicleLink. The outputs are the person's keys; nobody reads the
samples.
"""

from collections.abc import Sequence
from typing import Any

from hw_tests.bench.pins import OUT_BLEED, OUT_CONTACTOR, OUT_ENABLE, OUT_HEARTBEAT
from hw_tests.bench.pins_link import Answer

BEAT_ms = 10


class DeskBoard:
    """A board whose outputs are switched by hand; its heartbeat beats while `enable` or anything else is on."""

    connected = True
    connections = 1
    unsent = 0

    def __init__(self) -> None:
        self.outputs = OUT_ENABLE
        self._now_ms = self._beat_ms = 0

    def send(self, now_ms: int, raw: Sequence[int], flags: int = 0) -> None:
        """A sample, as a clock."""
        self._now_ms = now_ms

    def receive(self) -> list[Answer]:
        """The outputs, with an edge of the heartbeat every tick."""
        if self._now_ms - self._beat_ms < BEAT_ms:
            return []
        self._beat_ms = self._now_ms
        self.outputs ^= OUT_HEARTBEAT
        return [Answer(0, self.outputs, 0, 0, 0)]

    def toggle(self, bit: int) -> bool:
        """Switch one output; True: it is on now."""
        self.outputs ^= bit
        return bool(self.outputs & bit)

    def close(self) -> None:
        """Nothing to end."""


class DeskVehicle:
    """A car that is plugged in, its contactors closed by hand."""

    def __init__(self) -> None:
        self.closed = True

    def exchange(self, rig: Any) -> None:
        """Command the car's contactors."""
        rig.vehicle.close_contactors = self.closed

    def close(self) -> None:
        """Nothing to end."""


SWITCHES = {"1": ("module-enable", OUT_ENABLE), "2": ("K1/K2", OUT_CONTACTOR), "3": ("bleed", OUT_BLEED)}
