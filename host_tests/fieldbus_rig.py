"""The firmware's field bus, stepped in virtual time, with pymodbus at the other end of its line.

    rig = Rig(Here, "sdm630", "isocha425", noise=0.02)
    rig.run(60_000)
    rig.grid[G_POWER_W], rig.meter.power_W

`Here` is the firmware's sources on CPython, `MicroPython` the flashed image in the 32-bit interpreter: the same steps,
a line of text each. Times in ms of the line; a step is control's 40 ms.
"""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from firmware import fieldbus
from firmware.config import parse
from firmware.contract import OFF
from firmware.faults import FAULTS, Active
from firmware.station import K_STAGE, S_CONTACTOR, Station
from firmware.units import TICKS_MASK
from host_tests.pymodbus_line import Line
from host_tests.pymodbus_parts import METERS, MONITORS
from hw_tests.bench.config import text_of
from hw_tests.bench.interpreter import BOARD, HEAP, ROOT
from hw_tests.bench.interpreter import MICROPYTHON as INTERPRETER

STEP_ms = 40
METER_AT, MONITOR_AT = 1, 3
STEPPER = ROOT / "host_tests" / "board" / "field_steps.py"


class Here:
    """The field bus of a station, on CPython; it is its own UART."""

    def __init__(self, config: str, _folder: Path | None = None):
        self.station = Station()
        self.faults = Active(self.station.events)
        self._came, self._left = b"", b""
        self.meter, self.bus = fieldbus.build(
            parse(config), self.station, self.faults, 22000, lambda bit_s, parity: (self, None)
        )

    def step(self, now: int, contactor: int, stage: int, came: bytes) -> list[Any]:
        """What was written (hex), the records grid and insulation, the active faults."""
        self.station.sense.now[S_CONTACTOR], self.station.control.now[K_STAGE] = contactor, stage
        self._came, self._left = self._came + came, b""
        if self.meter is not None:
            self.meter.step(now)
        self.bus.step(now)
        active = [code for code in range(FAULTS) if self.faults.has(code)]
        return [self._left.hex(), list(self.station.grid.now), list(self.station.insulation.now), active]

    def readinto(self, into: bytearray) -> int | None:
        count = min(len(into), len(self._came))
        into[:count], self._came = self._came[:count], self._came[count:]
        return count or None

    def write(self, data: bytes) -> None:
        self._left = bytes(data)

    def txdone(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing to end."""


class MicroPython:
    """The same of the image of build/board, in its own process."""

    def __init__(self, config: str, folder: Path):
        place = folder / "config.json"
        place.write_text(config, encoding="utf-8")
        command = [str(INTERPRETER), "-X", f"heapsize={HEAP}", str(STEPPER), str(BOARD), str(place)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def step(self, now: int, contactor: int, stage: int, came: bytes) -> list[Any]:
        """As Here.step()."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{now} {contactor} {stage} {came.hex() or '-'}\n")
        self._process.stdin.flush()
        told: list[Any] = json.loads(self._process.stdout.readline() or '"it ended"')
        return told

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=20)


class Rig:
    """A station, its line, a meter and a monitor on it; `grid`, `insulation`, `active` as last told."""

    def __init__(
        self, where: type[Here] | type[MicroPython], meter: str, monitor: str, noise: float = 0.0, seed: int = 1,
        start_ms: int = 0, folder: Path | None = None,
    ):  # fmt: skip
        self.meter, self.monitor = METERS[meter](), MONITORS[monitor]()
        self.line = Line({METER_AT: self.meter.device(METER_AT), MONITOR_AT: self.monitor.device(MONITOR_AT)}, seed)
        self.line.noise = noise
        self.line.now = start_ms
        self.contactor, self.stage = 0, OFF
        config = {"meter": meter, "meter_address": METER_AT, "insulation_monitor": monitor,
                  "insulation_address": MONITOR_AT}  # fmt: skip
        self.room = where(text_of(config), folder or Path())
        self.grid: list[int] = []
        self.insulation: list[int] = []
        self.active: list[int] = []
        self._arrived = bytearray(64)

    def step(self) -> None:
        """40 ms."""
        self.line.now += STEP_ms
        count = self.line.readinto(self._arrived) or 0
        left, self.grid, self.insulation, self.active = self.room.step(
            self.line.now & TICKS_MASK, self.contactor, self.stage, bytes(self._arrived[:count])
        )
        if left:
            self.line.write(bytes.fromhex(left))

    def run(self, ms: int) -> "Rig":
        """So long."""
        for _ in range(ms // STEP_ms):
            self.step()
        return self

    def until(self, true: Callable[["Rig"], bool], limit_ms: int = 60_000) -> "Rig":
        """Until it is so."""
        for _ in range(limit_ms // STEP_ms):
            self.step()
            if true(self):
                return self
        raise AssertionError(f"not in {limit_ms} ms: {self.grid} {self.insulation} {self.active}")
