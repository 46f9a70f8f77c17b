"""The car's surroundings on a desk, in place of the plant process: its own pack, and wires that are simulated.

There is a CAN bus and nothing else. What the car would sense is made up honestly:

* current: what the station tells on the bus (CCS, 109/208), while the car's contactors are closed; or typed;
* inlet: the pack's voltage while they are closed, else what the station tells; or typed;
* plug, A+ and the lines d1, d2: keys; d2 follows the station's lock (109.5.2) unless typed, A+ and d1 the plug.
"""

import time
from collections.abc import Callable
from typing import Any

from hw_tests.bench.alone.told import TOLD
from hw_tests.bench.frame import Frame
from hw_tests.bench.pack import Pack, PackParams
from hw_tests.bench.relay import Relay
from hw_tests.bench.vehicles import Kind

RELAY_ms = 20  # K5/K6, as the plant's
D2_AFTER_LOCK_ms = 2500  # the station's insulation test lies between (facts 2.5: k -> d2 within 20 s)
DEAD_V = 10.0
TYPED = ("current_A", "inlet_V", "temperature_C", "soc_permille", "aux_V")


def pack_of(kind: Kind, table: dict[str, Any]) -> PackParams:
    """The pack that belongs to the car; where its profile tells none, the usual one at the profile's voltage."""
    given = kind.pack(table)
    profile = kind.profile(table.get("kind", kind.usual))
    usual = PackParams(soc=table.get("soc_permille", 500) / 1000)
    if not given:
        factor = getattr(profile, "nominal_V", 380.0) / 380.0
        curve = tuple((soc, round(volts * factor, 1)) for soc, volts in usual.ocv_V)
        given = {"ocv_V": curve, "resistance_ohm": profile.resistance_ohm}
    return PackParams(soc=usual.soc, **given)


class CarPlant:
    """Speaks as the plant does to car_process.Process: `receive` what is sensed, `send` what is commanded."""

    def __init__(self, kind: Kind, table: dict[str, Any], now_s: Callable[[], float] = time.monotonic):
        profile = kind.profile(table.get("kind", kind.usual))
        self.alive = True
        self.plugged = True
        self.supply = True  # A+ and d1, while plugged
        self.d2: bool | None = None  # None: as the station's lock tells
        self.told = TOLD[kind.name]()
        self.pack = Pack(pack_of(kind, table))
        self.contactor = Relay(RELAY_ms, RELAY_ms)
        self.typed: dict[str, float] = {}
        self.permission = False
        self.aux_V = getattr(profile, "aux_V", 12.0)
        self._coil_by_station = False
        self._close = False
        self._now_s, self._zero_s = now_s, now_s()
        self._at_ms = 0

    @property
    def now_ms(self) -> int:
        """Since it began."""
        return int((self._now_s() - self._zero_s) * 1000)

    # --- as car_process.Process sees it ---
    def hear(self, frame: Frame) -> None:
        """A frame of the station."""
        self.told.hear(frame, self.now_ms)

    def send(self, message: dict[str, Any]) -> None:
        """The car's commands."""
        self._close = bool(message["close_contactors"])
        self.permission = bool(message["permission"])
        self._coil_by_station = bool(message["coil_by_station"])

    def receive(self) -> list[dict[str, Any]]:
        """What the car senses now."""
        self._step(self.now_ms)
        return [self.sensed()]

    def sensed(self) -> dict[str, Any]:
        """As the plant tells it to a car."""
        return {
            "plugged": self.plugged, "aux_V": self._typed("aux_V", self.aux_V) if self.fed else 0.0, "d1": self.fed,
            "d2": self.d2_closed, "inlet_V": self.inlet_V, "pack_V": self.pack_V, "pack_ocv_V": self.pack.ocv_V,
            "current_A": self.current_A, "soc": self.pack.soc, "capacity_Wh": self.pack.params.capacity_Wh,
            "temperature_C": self.pack.temperature_C, "contactors_closed": self.contactor.closed,
        }  # fmt: skip

    # --- what it is like ---
    @property
    def fed(self) -> bool:
        """A+ or d1 reach the car."""
        return self.plugged and self.supply

    @property
    def d2_closed(self) -> bool:
        """CP2/SS2 is at ground."""
        if self.d2 is not None:
            return self.plugged and self.d2
        since_ms = self.told.locked_ms
        return self.fed and since_ms is not None and (
            self.contactor.closed or (self._at_ms - since_ms >= D2_AFTER_LOCK_ms and self.told.voltage_V <= DEAD_V)
        )  # fmt: skip

    @property
    def current_A(self) -> float:
        """Into the pack: typed, or as the station tells."""
        return self._typed("current_A", self.told.current_A) if self.contactor.closed else 0.0

    @property
    def pack_V(self) -> float:
        """At the pack's terminals."""
        return self.pack.ocv_V + self.current_A * self.pack.resistance_ohm

    @property
    def inlet_V(self) -> float:
        """Outside K5/K6."""
        if not self.plugged:
            return self.pack_V if self.contactor.closed else 0.0
        return self._typed("inlet_V", self.pack_V if self.contactor.closed else self.told.voltage_V)

    def type_in(self, name: str, value: float | None) -> None:
        """A value that is sensed from now on; None: simulated again. The pack's own: changed once."""
        if name not in TYPED:
            raise ValueError(f"{name!r} cannot be typed, only {', '.join(TYPED)}")
        if name == "soc_permille" and value is not None:
            self.pack.soc = value / 1000
            self.pack.add(0.0)
        elif name == "temperature_C" and value is not None:
            self.pack.temperature_C = value
        elif value is None:
            self.typed.pop(name, None)
        else:
            self.typed[name] = value

    def _typed(self, name: str, simulated: float) -> float:
        return self.typed.get(name, simulated)

    def _step(self, now_ms: int) -> None:
        elapsed_s, self._at_ms = (now_ms - self._at_ms) / 1000, now_ms
        self.told.step(now_ms)
        fed = not self._coil_by_station or (self.fed and self.d2_closed)
        self.contactor.drive(self._close and fed, now_ms)
        self.contactor.step(now_ms)
        self.pack.add(self.current_A * elapsed_s)
