"""The RS-485 line at the board: meter and insulation monitor on it, the time of each character, and what spoils it.

    field.heard(data, now_ms)     what the board said
    field.speak(now_ms)           the bytes that have arrived at the board since

Times in ms of the bench.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hw_tests.bench.insulation import MONITORS, Monitor
from hw_tests.bench.meters import METERS, Meter
from hw_tests.bench.plant import Plant
from hw_tests.bench.rtu import RtuSlave, length_of, sealed

BITS = 11  # of a character: as long as any
TURNAROUND_ms = 15
_STRANGER = sealed(bytes((9, 3, 4, 1, 2, 3, 4)))


@dataclass(frozen=True)
class FieldParams:
    """What hangs on the line."""

    meter: str = "none"
    meter_address: int = 1
    meter_import_Wh: float = 1_234_560.0
    meter_export_Wh: float = 654_320.0
    monitor: str = "none"
    monitor_address: int = 3
    monitor_response_s: float = 0.3
    monitor_test_s: float = 3.0
    station_kohm: float = 8000.0  # to earth, each part by itself
    cable_kohm: float = 8000.0
    car_kohm: float = 4000.0
    field_bit_s: int = 9600
    field_seed: int = 1


class Field:
    """The line and its slaves."""

    def __init__(self, plant: Plant, params: FieldParams = FieldParams()):
        self.params = params
        self.noise = 0.0  # chance of each byte to be hurt, either way
        self.strangers = 0.0  # chance of another master's frame before a reply
        self.cut = False  # nothing passes
        self.slaves: list[RtuSlave] = []
        self.meter: Meter | None = None
        if params.meter != "none":
            self.meter = METERS[params.meter](
                params.meter_address, plant, params.meter_import_Wh, params.meter_export_Wh
            )
            self.slaves.append(self.meter)
        self.plant = plant
        self.station_kohm, self.cable_kohm, self.car_kohm = params.station_kohm, params.cable_kohm, params.car_kohm
        self.monitor: Monitor | None = None
        if params.monitor != "none":
            self.monitor = MONITORS[params.monitor](
                params.monitor_address, self.insulation_kohm, params.monitor_response_s, params.monitor_test_s
            )
            self.slaves.append(self.monitor)
        self.requests = 0
        self._char_ms = BITS * 1000 / params.field_bit_s
        self._random = random.Random(params.field_seed)
        self._in = b""
        self._heard_ms = 0.0
        self._coming: list[tuple[float, int]] = []

    def step(self) -> None:
        """The meter's registers go on, the monitor measures."""
        if self.meter is not None:
            self.meter.step()
        if self.monitor is not None:
            self.monitor.step(self.plant.now_ms)

    def insulation_kohm(self) -> float:
        """The resistance to earth that the station's monitor is connected to now."""
        plant = self.plant
        leak_mS = 1 / max(self.station_kohm, 0.001)
        if plant.contactor.closed:
            leak_mS += 1 / max(self.cable_kohm, 0.001)
            if plant.plugged and plant.car_contactor.closed:
                leak_mS += 1 / max(self.car_kohm, 0.001)
        return 1 / leak_mS

    # --- the board's side ---
    def heard(self, data: bytes, now_ms: int) -> None:
        """What the board sends, all of it at `now_ms`; a pause begins a new frame."""
        if now_ms > self._heard_ms + 50:
            self._in = b""
        self._heard_ms = now_ms
        self._in += data
        while (size := length_of(self._in)) and len(self._in) >= size:
            frame, self._in = self._in[:size], self._in[size:]
            self._requested(frame, now_ms)

    def speak(self, now_ms: int) -> bytes:
        """What has reached the board."""
        arrived = bytearray()
        while self._coming and self._coming[0][0] <= now_ms:
            arrived.append(self._coming.pop(0)[1])
        return bytes(arrived)

    def _requested(self, frame: bytes, now_ms: int) -> None:
        self.requests += 1
        if self.cut:
            return
        frame = self._hurt(frame)
        replies = b"".join(slave.answer(frame) for slave in self.slaves)
        if self._random.random() < self.strangers:
            replies = _STRANGER + replies
        at_ms = now_ms + len(frame) * self._char_ms + TURNAROUND_ms
        for index, byte in enumerate(self._hurt(replies)):
            self._coming.append((at_ms + (index + 1) * self._char_ms, byte))
        self._coming.sort(key=lambda entry: entry[0])

    def _hurt(self, data: bytes) -> bytes:
        chance, dice = self.noise, self._random
        if not chance:
            return data
        out = bytearray()
        for byte in data:
            kind = dice.randrange(4) if dice.random() < chance else 4
            if kind == 0:
                out.append(byte ^ 1 << dice.randrange(8))
            elif kind == 2:
                out += bytes((byte, byte))
            elif kind == 3:
                out += bytes((dice.randrange(256), byte))
            elif kind == 4:
                out.append(byte)
        return bytes(out)

    # --- scenarios ---
    def misbehave(self, what: str, **args: Any) -> None:
        """noise {chance}, strangers {chance}, cut {on}, meter_gone {gone}, meter_shift {import_Wh, export_Wh},
        insulation {station_kohm, cable_kohm, car_kohm}, monitor_gone {gone}, self_test_fails {on}."""
        actions: dict[str, Callable[..., None]] = {
            "noise": lambda chance=0.02: setattr(self, "noise", chance),
            "strangers": lambda chance=0.5: setattr(self, "strangers", chance),
            "cut": lambda on=True: setattr(self, "cut", on),
            "meter_gone": lambda gone=True: setattr(self.meter, "silent", gone),
            "insulation": self.__dict__.update,
            "monitor_gone": lambda gone=True: setattr(self.monitor, "silent", gone),
            "self_test_fails": lambda on=True: setattr(self.monitor, "test_fails", on),
            "meter_shift": lambda **wh: self.meter.shift(**wh) if self.meter else None,
        }
        if what not in actions:
            raise ValueError(f"the field bus knows no misbehaviour {what!r}, only {', '.join(actions)}")
        actions[what](**args)

    def facts(self) -> dict[str, Any]:
        """The truth of what hangs on the line."""
        meter = self.meter
        return {
            "meter_import_Wh": meter.import_Wh if meter else None,
            "meter_export_Wh": meter.export_Wh if meter else None,
            "insulation_kohm": self.insulation_kohm(),
            "self_tests": self.monitor.tests if self.monitor else None,
        }
