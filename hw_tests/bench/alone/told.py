"""What a real station tells about its side: the only thing that a car alone on a desk knows of volts and amperes."""

from typing import Any

from hw_tests.bench.chademo import codec as chademo
from hw_tests.bench.frame import Frame
from hw_tests.bench.gbt27930 import codec as gbt27930

FORGET_ms = 1000  # a station that says nothing gives nothing
NAMES = 6  # the newest that are shown


class Told:
    """Feed it the station's frames. Voltage in V and current in A, + charges the car; 0 when they are not told."""

    def __init__(self) -> None:
        self.voltage_V = self.current_A = 0.0
        self.locked = False
        self.names: list[str] = []  # of the newest different messages, the newest last
        self.heard_ms: int | None = None
        self.locked_ms: int | None = None  # since when
        self._told_ms = 0
        self._parts: dict[str, float] = {}

    def hear(self, frame: Frame, now_ms: int) -> None:
        """One frame; what cannot be decoded is the car's checker's business."""
        self.heard_ms = now_ms
        try:
            name, signals = self._decode(frame)
        except ValueError:
            name, signals = f"?{frame.id:X}", {}
        if name in self.names:
            self.names.remove(name)
        self.names = [*self.names, name][-NAMES:]
        self._understand(name, signals, now_ms)

    def step(self, now_ms: int) -> None:
        """What is old is not true any more."""
        if now_ms - self._told_ms > FORGET_ms:
            self.voltage_V = self.current_A = 0.0
            self.locked, self.locked_ms = False, None
            self._parts.clear()

    def silent_ms(self, now_ms: int) -> int:
        """Since the station's last frame; for ever if there was none."""
        return now_ms - self.heard_ms if self.heard_ms is not None else 1 << 30

    def _decode(self, frame: Frame) -> tuple[str, dict[str, Any]]:
        raise NotImplementedError

    def _understand(self, name: str, signals: dict[str, Any], now_ms: int) -> None:
        raise NotImplementedError


class ToldGbt27930(Told):
    """CCS: volts and amperes at the station's output (facts 1.4)."""

    def _decode(self, frame: Frame) -> tuple[str, dict[str, Any]]:
        return gbt27930.decode(frame)

    def _understand(self, name: str, signals: dict[str, Any], now_ms: int) -> None:
        if name == "CCS" and {"voltage_dV", "current_dA"} <= set(signals):
            self.voltage_V, self.current_A = signals["voltage_dV"] / 10, signals["current_dA"] / 10
            self._told_ms = now_ms


class ToldChademo(Told):
    """109: volts, amperes into the car and the lock; 208: amperes out of it (facts 2.3)."""

    def _decode(self, frame: Frame) -> tuple[str, dict[str, Any]]:
        return chademo.decode(frame)

    def _understand(self, name: str, signals: dict[str, Any], now_ms: int) -> None:
        if name not in ("109", "208") or "current_dA" not in signals:
            return
        self._parts[name] = signals["current_dA"] / 10
        self.current_A = sum(self._parts.values())
        self._told_ms = now_ms
        if name == "109":
            self.voltage_V = signals["voltage_dV"] / 10
            self.locked = bool(signals["locked"])
            self.locked_ms = (now_ms if self.locked_ms is None else self.locked_ms) if self.locked else None


TOLD: dict[str, type[Told]] = {"gbt27930": ToldGbt27930, "chademo": ToldChademo}
