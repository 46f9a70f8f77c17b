"""The board's pins: outputs to relay drivers and the heartbeat chain, sensors to raw counts.

Scales are those that firmware/boards/bench.py documents for this board, encoded here for ourselves.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from hw_tests.bench.plant import Plant
from hw_tests.bench.relay import Relay

INPUT_NAMES = (
    "link", "inlet", "current", "cc1", "temp1", "temp2", "contactor", "estop", "button", "locked", "permission",
)  # fmt: skip
LINK, INLET, CURRENT, CC1, TEMP1, TEMP2, CONTACTOR, ESTOP, BUTTON, LOCKED, PERMISSION = range(11)

OUT_CONTACTOR, OUT_BLEED, OUT_LOCK, OUT_AUX, OUT_ENABLE, OUT_HEARTBEAT, OUT_D1, OUT_D2 = (1 << n for n in range(8))

# CC1 levels, GB/T 18487.1-2015 Annex B
CC1_PRESSED_mV = 12000  # unplugged, latch button pressed
CC1_RELEASED_mV = 6000  # unplugged and released, or plugged with the latch open
CC1_LATCHED_mV = 4000  # in and latched


@dataclass(frozen=True)
class PinsParams:
    """Times of the drivers, and which hard wires this station has."""

    heartbeat_lost_ms: int = 50  # no edge for longer: module-enable drops
    coil_hold_ms: int = 100  # and the coils' supply so much later
    lock_ms: int = 150
    aux_ms: int = 15
    aux_V: float = 12.0
    pilot_ms: int = 5  # d1 and d2 of CHAdeMO
    feedback_ms: int = 5  # auxiliary contact of K1/K2 behind the main contacts
    ambient_C: float = 25.0
    hardwired_estop: bool = False  # E-stop cuts module-enable without the firmware
    hardwired_cc1: bool = False  # CC1 outside 3.2..4.8 V does
    noise: bool = True
    seed: int = 1


Fault = Callable[[int], int]


class Pins:
    """`write(mask)`, `step(now)`, `sample()`; verbs for scenarios below."""

    def __init__(self, plant: Plant, params: PinsParams = PinsParams(), now_ms: int = 0):
        self.plant = plant
        self.params = params
        self.now_ms = now_ms
        self.mask = 0
        self.enable = False  # as the modules see it
        self.coils = False  # supply of the contactor coils
        self.cc1_mV = float(CC1_RELEASED_mV)
        self.estop = False
        self.button = False
        self.permission = False  # the input held active, whatever the car does
        self.temperature_C = [params.ambient_C, params.ambient_C]
        self.frozen = False  # the link to the board delivers nothing new
        self.heartbeat_losses = 0
        self.lock = Relay(params.lock_ms, params.lock_ms)
        self.aux = Relay(params.aux_ms, params.aux_ms)
        self.d1 = Relay(params.pilot_ms, params.pilot_ms)
        self.d2 = Relay(params.pilot_ms, params.pilot_ms)
        self.feedback = Relay(params.feedback_ms, params.feedback_ms)
        self._followers = (self.aux, self.feedback, self.d1, self.d2)  # what moves with nobody waiting for it
        self._driven, self._fed = 0, False  # the mask and the coils' supply that the relays were driven by
        self.feedback_fault: bool | None = None
        self._edge_ms: int | None = None  # the last edge of the heartbeat
        self._lost_ms: int | None = now_ms - params.coil_hold_ms
        self._cc1_fault_mV: float | None = None
        self._sensor_faults: dict[int, Fault] = {}
        self._later: list[tuple[int, Callable[[], None]]] = []
        self._pulling_ms: int | None = None  # the user presses the latch as soon as the lock lets him
        self._random = random.Random(params.seed)
        self._raw = [0] * len(INPUT_NAMES)

    # --- outputs ---
    def write(self, mask: int, now_ms: int | None = None) -> None:
        """What the firmware energises, now or as of the last step. Edges of the heartbeat re-trigger the chain."""
        if (mask ^ self.mask) & OUT_HEARTBEAT:
            self._edge_ms = self.now_ms if now_ms is None else now_ms
        self.mask = mask

    def reset_outputs(self) -> None:
        """A hard reset of the board: every output low."""
        self.mask = 0

    def step(self, now_ms: int) -> None:
        """Drive what the outputs drive, as of now."""
        self.now_ms = now_ms
        while self._later and now_ms >= self._later[0][0]:
            self._later.pop(0)[1]()
        mask, plant = self.mask, self.plant
        self._chain(now_ms)
        if mask != self._driven or self.coils != self._fed:
            self._drive(mask, now_ms)
        self.feedback.drive(plant.contactor.closed, now_ms)
        if self.lock.moving and self.lock.step(now_ms) and self._pulling_ms is not None:
            self.unplug(self._pulling_ms)
        for relay in self._followers:
            if relay.moving:
                relay.step(now_ms)
        plant.aux_V = self.params.aux_V if self.aux.closed and plant.plugged else 0.0
        plant.d1, plant.d2 = self.d1.closed, self.d2.closed
        if plant.vehicle.coil_by_station:
            plant.vehicle.supply()

    def _drive(self, mask: int, now_ms: int) -> None:
        """The coils, where one may have changed."""
        self._driven, self._fed = mask, self.coils
        self.plant.contactor.drive(self.coils and bool(mask & OUT_CONTACTOR), now_ms)
        self.plant.bleed.drive(bool(mask & OUT_BLEED), now_ms)
        for relay, output in ((self.lock, OUT_LOCK), (self.aux, OUT_AUX), (self.d1, OUT_D1), (self.d2, OUT_D2)):
            relay.drive(bool(mask & output), now_ms)

    @property
    def alive(self) -> bool:
        """The heartbeat toggles."""
        return self._edge_ms is not None and self.now_ms - self._edge_ms <= self.params.heartbeat_lost_ms

    def _chain(self, now_ms: int) -> None:
        if self.alive:
            self._lost_ms = None
        elif self._lost_ms is None:
            self._lost_ms = now_ms
            self.heartbeat_losses += 1
        self.coils = self._lost_ms is None or now_ms - self._lost_ms < self.params.coil_hold_ms
        enable = self._lost_ms is None and bool(self.mask & OUT_ENABLE)
        if enable and self.params.hardwired_estop and self.estop:
            enable = False
        if enable and self.params.hardwired_cc1 and not 3200 <= self._cc1() <= 4800:
            enable = False
        if enable != self.enable:
            self.enable = enable
            self.plant.stage.enable(enable, now_ms)

    # --- inputs ---
    def sample(self) -> list[int]:
        """The raw inputs now, in the order of INPUT_NAMES. The same list each time."""
        plant, raw = self.plant, self._raw
        if self.frozen:
            return raw
        raw[LINK] = 1000 + int(plant.link_V * 20.0 + 0.5)
        raw[INLET] = 1000 + int(plant.inlet_V * 20.0 + 0.5)
        raw[CURRENT] = 32768 + round(plant.current_A * 100.0)
        raw[CC1] = int(self._cc1())
        raw[TEMP1] = 500 + round(self.temperature_C[0] * 10.0)
        raw[TEMP2] = 500 + round(self.temperature_C[1] * 10.0)
        raw[CONTACTOR] = int(self.feedback.closed if self.feedback_fault is None else self.feedback_fault)
        raw[ESTOP] = int(self.estop)
        raw[BUTTON] = int(self.button)
        raw[LOCKED] = int(self.lock.closed)
        raw[PERMISSION] = int(self.permission or (plant.plugged and plant.vehicle.permission))
        if self.params.noise:
            noise = self._random.getrandbits(16)
            raw[LINK] += (noise & 7) - 4  # 0.2 V
            raw[INLET] += (noise >> 3 & 7) - 4
            raw[CURRENT] += (noise >> 6 & 15) - 8  # 0.08 A
            raw[CC1] += (noise >> 10 & 63) - 32
        for index, fault in self._sensor_faults.items():
            raw[index] = fault(raw[index])
        for index, value in enumerate(raw):
            if not 0 <= value <= 65535:
                raw[index] = 0 if value < 0 else 65535
        return raw

    def _cc1(self) -> float:
        return self.cc1_mV if self._cc1_fault_mV is None else self._cc1_fault_mV

    # --- verbs of a scenario ---
    def plug(self) -> None:
        """The user plugs in: latch button pressed, connector in, latch falls in."""
        self.cc1_mV = CC1_PRESSED_mV
        self._after(300, self._mate)
        self._after(500, self._latch)

    def unplug(self, pull_ms: int = 300, force: bool = False) -> None:
        """The user presses the latch (CC1 leaves 4 V) and pulls the connector out `pull_ms` later.

        A locked connector is waited for; `force` tears it out.
        """
        if self.lock.closed and not force:
            self._pulling_ms = pull_ms
            return
        self._pulling_ms = None
        self._later.clear()
        self.cc1_mV = CC1_RELEASED_mV
        self._after(pull_ms, self._separate)
        self._after(pull_ms + 300, self._release)

    def set_cc1(self, level_mV: float | None) -> None:
        """Force CC1 to a level (12000, 6000, 4000, 0: shorted ...); None ends it."""
        self._cc1_fault_mV = level_mV

    def set_temperature(self, celsius: float, sensor: int | None = None) -> None:
        """Connector temperature: sensor 0 (DC+), 1 (DC-), None both."""
        for index in (0, 1) if sensor is None else (sensor,):
            self.temperature_C[index] = celsius

    def press(self, hold_ms: int = 200) -> None:
        """The start/stop button, for `hold_ms`."""
        self.button = True
        self._after(hold_ms, self._let_go)

    def press_estop(self, hold_ms: int = 0) -> None:
        """The E-stop; it stays pressed, or is pulled out after `hold_ms`."""
        self.estop = True
        if hold_ms:
            self._after(hold_ms, self._release_estop)

    def heal(self) -> None:
        """Every sensor, CC1, the contactor and the lock work again."""
        self._sensor_faults.clear()
        self.set_cc1(None)
        self.contactor_fault(None)
        self.lock_fault(False)
        self.estop = self.frozen = False

    def sensor_fault(self, name: str, kind: str | None = "stuck", value: float = 0.0) -> None:
        """kind: "stuck" (at its present count), "raw" (at count `value`), "open" (65535), "short" (0),
        "offset" (`value` counts more), "gain" (times `value` around the sensor's zero), "noise" (+-`value` counts);
        None ends it.
        """
        index = INPUT_NAMES.index(name)
        if kind is None:
            self._sensor_faults.pop(index, None)
            return
        zero = {LINK: 1000, INLET: 1000, CURRENT: 32768, TEMP1: 500, TEMP2: 500}.get(index, 0)
        held, spread = self._raw[index], int(value)
        faults: dict[str, Fault] = {
            "stuck": lambda raw: held,
            "raw": lambda raw: spread,
            "open": lambda raw: 65535,
            "short": lambda raw: 0,
            "offset": lambda raw: raw + spread,
            "gain": lambda raw: zero + round((raw - zero) * value),
            "noise": lambda raw: raw + self._random.randint(-spread, spread),
        }
        if kind not in faults:
            raise ValueError(f"sensor fault {kind!r} is none of {', '.join(faults)}")
        self._sensor_faults[index] = faults[kind]

    def contactor_fault(self, kind: str | None = "welded") -> None:
        """K1/K2: "welded", "stuck_open", "feedback_open", "feedback_closed"; None: a new one."""
        relay = self.plant.contactor
        if kind is None:
            relay.heal(self.now_ms)
            self.feedback_fault = None
        elif kind == "welded":
            relay.weld()
        elif kind == "stuck_open":
            relay.stick_open()
        elif kind in ("feedback_open", "feedback_closed"):
            self.feedback_fault = kind == "feedback_closed"
        else:
            raise ValueError(f"contactor fault {kind!r} is none of welded, stuck_open, feedback_open, feedback_closed")

    def lock_fault(self, stuck: bool = True) -> None:
        """The lock does not move any more (its feedback says where it is)."""
        self.lock.stuck_open = self.lock.welded = stuck
        if not stuck:
            self.lock.heal(self.now_ms)

    def _after(self, ms: int, action: Callable[[], None]) -> None:
        self._later.append((self.now_ms + ms, action))
        self._later.sort(key=lambda entry: entry[0])

    def _mate(self) -> None:
        self.plant.plug()
        self.cc1_mV = CC1_RELEASED_mV

    def _latch(self) -> None:
        self.cc1_mV = CC1_LATCHED_mV

    def _separate(self) -> None:
        self.plant.unplug()
        self.cc1_mV = CC1_PRESSED_mV

    def _release(self) -> None:
        self.cc1_mV = CC1_RELEASED_mV

    def _release_estop(self) -> None:
        self.estop = False

    def _let_go(self) -> None:
        self.button = False
