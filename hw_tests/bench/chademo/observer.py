"""The phase of a CHAdeMO session as the wires show it, in the house's words: read from the frames of both sides, the
contacts of K1/K2, the plug, d1 and the bleed resistor. It knows nothing of the firmware's state.

handshake (first 109), configure (109.5.2: checked and locked), insulation (voltage before the car's contactors close),
precharge (102.5.3 = 0), charge and discharge (109.5.0; which of them by 109.3 and 208.0), stopping (109.5.5, or the car
takes 102.5.0 back), weld_check (109.5.0 = 0), bleed, ended (d1 off).
"""

from hw_tests.bench.frame import Frame

_UNSAFE_V = 60.0
_RUNNING = ("charge", "discharge")
_BEFORE = ("handshake", "configure", "insulation", "precharge")
_CHARGING, _LOCKED, _STOP = 1, 4, 32  # bits of 109.5
_ENABLED, _OPEN = 1, 8  # bits of 102.5


class Observer:
    """Feed it every frame and, after each step of time, the state of the power path; read `phase`."""

    def __init__(self) -> None:
        self.phase = "idle"
        self.since_ms = 0
        self.history: list[tuple[float, str]] = [(0.0, "idle")]  # s, phase
        self.sessions = 0
        self.direction = 0
        self.car_stopped = 0
        self.station_stopped = 0
        self._now_ms = 0
        self._plugged = False

    def frame(self, frame: Frame, now_ms: int) -> None:
        """A frame that was on the car's bus, whoever sent it."""
        self._now_ms = now_ms
        if frame.ext or len(frame.data) != 8:
            return
        if frame.id == 0x102:
            self._car(frame.data[4], frame.data[5])
        elif frame.id == 0x109:
            self._status(frame.data[5], frame.data[3])
        elif frame.id == 0x208 and self.phase in _RUNNING and frame.data[0] < 255:
            self.direction = -1
            self._set("discharge")

    def _car(self, faults: int, status: int) -> None:
        enabled = bool(status & _ENABLED)
        if self.phase in _RUNNING and (not enabled or faults):
            self.car_stopped = 1
            self._set("stopping")
        elif self.phase in _BEFORE and enabled and not status & _OPEN:
            self._set("precharge")

    def _status(self, status: int, current_A: int) -> None:
        if self.phase in ("idle", "plugged") and self._plugged:
            self.sessions += 1
            self._set("handshake")
        if self.phase == "handshake" and status & _LOCKED:
            self._set("configure")
        if status & _CHARGING:
            self._run(status, current_A)
        elif self.phase in _RUNNING or self.phase == "stopping":
            self._end()
            self._set("weld_check")

    def _run(self, status: int, current_A: int) -> None:
        if self.phase in _BEFORE:
            self._set("charge")
        if status & _STOP and self.phase in _RUNNING:
            self._end()
            self._set("stopping")
        elif current_A > 0 and self.phase in _RUNNING:
            self.direction = 1
            self._set("charge")

    def _end(self) -> None:
        if self.phase in _RUNNING and not self.car_stopped:
            self.station_stopped = 1

    def power_path(self, plugged: bool, contactor: bool, link_V: float, bleed: bool, aux: bool, now_ms: int) -> None:
        """Once a step of time, after the frames; `aux` is d1 here."""
        self._now_ms = now_ms
        if plugged != self._plugged:
            self._plugged = plugged
            self._forget()
            self._set("plugged" if plugged else "idle")
        elif self.phase in ("handshake", "configure") and not contactor and link_V > _UNSAFE_V:
            self._set("insulation")
        elif self.phase in (*_RUNNING, "stopping", "weld_check") and not contactor and bleed:
            self._set("bleed")
        elif self.phase not in ("idle", "plugged", "ended") and not aux and not contactor and link_V < _UNSAFE_V:
            self._set("ended")

    def restarted(self, now_ms: int) -> None:
        """The firmware was started anew: what is plugged in begins again."""
        self._now_ms = now_ms
        self._forget()
        self._set("plugged" if self._plugged else "idle")

    def _forget(self) -> None:
        self.direction = self.car_stopped = self.station_stopped = 0

    def _set(self, phase: str) -> None:
        if phase != self.phase:
            self.phase = phase
            self.since_ms = self._now_ms
            self.history.append((self._now_ms / 1000, phase))
