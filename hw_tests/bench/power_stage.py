"""The power stage of the converter: follows its set-point after a dead time, holding the old one until then."""

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

CHARGE = 1
DISCHARGE = -1


@dataclass(frozen=True)
class StageParams:
    """Times and slopes of the power stage."""

    reaction_ms: int = 40  # a new set-point acts this long after it was received; the old one is held until then
    start_ms: int = 200  # from the ON that acts to the first current
    current_slew_A_s: float = 20000.0
    voltage_slew_V_s: float = 2000.0
    walk_in_ms: int = 5000  # soft start: time from nothing to the rated voltage and current
    inhibit_ms: int = 2  # module-enable gone: no current after this, whatever the set-point


class SetPoint(NamedTuple):
    """What the modules were told, as one source."""

    on: bool = False
    direction: int = CHARGE
    voltage_V: float = 0.0
    current_A: float = 0.0  # magnitude
    cutoff_V: float = 0.0  # discharging: never pull the link below this
    walk_in: bool = False


OFF = SetPoint()


class PowerStage:
    """`limit_A` and `reference_V` are what the regulator of the plant obeys now."""

    def __init__(self, params: StageParams, rated_V: float = 1000.0, rated_A: float = 73.3, rated_W: float = 22000.0):
        self.params = params
        self.reaction_ms = params.reaction_ms
        self.rated_V = rated_V
        self.rated_A = rated_A
        self.rated_W = rated_W
        self.extra_A = 0.0  # a runaway: more than it was told
        self.enabled = False  # module-enable wire
        self.actual = OFF  # the set-point that acts
        self.running = False  # on, enabled and past its start time
        self.limit_A = 0.0
        self.reference_V = 0.0
        self.moving = False
        self._commanded = OFF
        self._queue: deque[tuple[int, SetPoint]] = deque()
        self._start_ms = 0
        self._inhibit_at_ms: int | None = None

    @property
    def off(self) -> bool:
        """Nothing flows and nothing is on its way."""
        return not self.actual.on and not self._queue

    def command(self, wanted: SetPoint, now_ms: int) -> None:
        """A new set-point; it acts `reaction_ms` from now. The same again changes nothing."""
        if wanted != self._commanded:
            self._commanded = wanted
            self._queue.append((now_ms + self.reaction_ms, wanted))
            self.moving = True

    def enable(self, on: bool, now_ms: int) -> None:
        """The module-enable wire. Without it the output dies, and only a new ON brings it back."""
        if on == self.enabled and self._inhibit_at_ms is None:
            return
        if on:
            self.enabled = True
            self._inhibit_at_ms = None
        elif self._inhibit_at_ms is None:
            self._inhibit_at_ms = now_ms + self.params.inhibit_ms
            self.moving = True

    def step(self, now_ms: int, dt_s: float, link_V: float) -> None:
        """Let the set-points act whose time has come, and move along the slopes."""
        if self._inhibit_at_ms is not None and now_ms >= self._inhibit_at_ms:
            self._inhibit()
        queue = self._queue
        while queue and now_ms >= queue[0][0]:
            self._act(queue.popleft()[1], now_ms, link_V)
        actual = self.actual
        if not actual.on:
            self.moving = bool(queue) or self._inhibit_at_ms is not None
            return
        if not self.running and now_ms >= self._start_ms:
            self.running = True
            self.reference_V = link_V
        if self.running:
            self._slew(actual, dt_s)
        self.moving = (
            bool(queue)
            or not self.running
            or self._inhibit_at_ms is not None
            or self.limit_A != actual.current_A + self.extra_A
            or self.reference_V != actual.voltage_V
        )

    def _act(self, wanted: SetPoint, now_ms: int, link_V: float) -> None:
        if not wanted.on or not self.enabled or (self.actual.on and wanted.direction != self.actual.direction):
            # Two modules of opposite mode may turn their sum round: it starts again from nothing.
            self.running = False
            self.limit_A = 0.0
        if wanted.on and not self.enabled:
            wanted = wanted._replace(on=False)
            self._commanded = wanted
        if wanted.on and not self.running and not self.actual.on:
            self._start_ms = now_ms + self.params.start_ms
            self.reference_V = link_V
        self.actual = wanted

    def _inhibit(self) -> None:
        self.enabled = False
        self._inhibit_at_ms = None
        self._queue.clear()
        self.running = False
        self.limit_A = 0.0
        self.actual = self._commanded = self._commanded._replace(on=False)

    def _slew(self, actual: SetPoint, dt_s: float) -> None:
        params = self.params
        amps, volts = params.current_slew_A_s * dt_s, params.voltage_slew_V_s * dt_s
        if actual.walk_in:
            share = dt_s * 1000.0 / params.walk_in_ms
            amps, volts = self.rated_A * share, self.rated_V * share
        target = actual.current_A + self.extra_A
        if self.limit_A != target:
            step = target - self.limit_A
            if step < 0.0:  # down is never soft
                amps = params.current_slew_A_s * dt_s
            self.limit_A = target if abs(step) <= amps else self.limit_A + (amps if step > 0 else -amps)
        if self.reference_V != actual.voltage_V:
            step = actual.voltage_V - self.reference_V
            self.reference_V = (
                actual.voltage_V if abs(step) <= volts else self.reference_V + (volts if step > 0 else -volts)
            )
