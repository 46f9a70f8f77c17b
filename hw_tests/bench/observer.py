"""The phase of a session as the wires show it, in the house's words: read from the station's own frames on the car's
bus, the contacts of K1/K2, the plug and the bleed resistor. It knows nothing of the firmware's state.
"""

from hw_tests.bench.frame import Frame

STATION = 0x56  # source address of the charger, GB/T 27930-2015
_CRM, _CML, _CRO, _CCS, _CST, _CSD, _CEM, _CHM, _CCD = 0x01, 0x08, 0x0A, 0x12, 0x1A, 0x1D, 0x1F, 0x26, 0x32
_BST, _BSM = 0x19, 0x13
_UNSAFE_V = 60.0
_RUNNING = ("charge", "discharge", "pause")
_AFTER = ("stopping", "statistics", "bleed", "ended", "fault")


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
        self._error = False

    def frame(self, frame: Frame, now_ms: int) -> None:
        """A frame that was on the car's bus, whoever sent it."""
        self._now_ms = now_ms
        pf = (frame.id >> 16) & 0xFF
        if frame.ext and frame.id & 0xFF == STATION:
            self._station(pf, frame.data)
        elif frame.ext and pf == _BST:
            self.car_stopped = 1

    def _station(self, pf: int, data: bytes) -> None:
        if pf == _CHM:
            self._begin()
        elif pf == _CRM and self.phase not in ("stopping", "statistics"):
            self._set("identify" if not self._error else "retry")
        elif pf == _CML:
            self._set("configure")
        elif pf == _CRO:
            self._set("precharge")
        elif pf == _CCD and data:
            self.direction = -1 if data[0] == 1 else 1
        elif pf == _CCS and len(data) >= 7 and self.phase not in _AFTER:
            self._run(data[6] & 3)
        elif pf == _CST:
            self.station_stopped = 1
            self._set("stopping")
        elif pf == _CSD:
            self._set("statistics")
        elif pf == _CEM:
            self._error = True

    def _begin(self) -> None:
        if self.phase in ("idle", "plugged"):
            self.sessions += 1
            self._error = False
            self._set("handshake")

    def _run(self, permission: int) -> None:
        if permission == 0 and self.phase in _RUNNING:
            self._set("pause")
        elif permission == 0:
            self._set("charge")
        else:
            self._set("discharge" if permission == 2 or self.direction < 0 else "charge")

    def power_path(self, plugged: bool, contactor: bool, link_V: float, bleed: bool, aux: bool, now_ms: int) -> None:
        """Once a step of time, after the frames."""
        self._now_ms = now_ms
        if plugged != self._plugged:
            self._plugged = plugged
            self.direction = self.car_stopped = self.station_stopped = 0
            self._set("plugged" if plugged else "idle")
        elif self.phase == "handshake" and (contactor or link_V > _UNSAFE_V):
            self._set("insulation")
        elif self.phase in (*_RUNNING, "stopping", "statistics") and not contactor and bleed:
            self._set("bleed")
        elif self.phase not in ("idle", "plugged", "ended") and not aux and not contactor and link_V < _UNSAFE_V:
            self._set("ended")

    def restarted(self, now_ms: int) -> None:
        """The firmware was started anew: what is plugged in begins again."""
        self._now_ms = now_ms
        self.direction = self.car_stopped = self.station_stopped = 0
        self._set("plugged" if self._plugged else "idle")

    def _set(self, phase: str) -> None:
        if phase != self.phase:
            self.phase = phase
            self.since_ms = self._now_ms
            self.history.append((self._now_ms / 1000, phase))
