"""What every phase of the emulated car stands on: power from the inlet, K5/K6, and the sending of its messages."""

from collections import deque
from collections.abc import Callable
from random import Random

from ..frame import Frame
from . import codec, strangers
from .bms import Bms
from .checker import Checker
from .messages import BY_NAME
from .mischief import Mischief
from .profiles import Profile
from .transport import Sender
from .vehicle import Vehicle

CYCLE_ms = 10
LOW_A = 5.0  # contactors open without load below this (facts 1.5)


class Node:
    """The car as a node on the bus. `phase` says where it is; the phases themselves are the Car's."""

    def __init__(self, profile: Profile, vehicle: Vehicle, seed: int = 0):
        self.profile, self.vehicle = profile, vehicle
        self.mischief = Mischief()
        self.phase = "asleep"
        self.phases: deque[tuple[int, str]] = deque(maxlen=200)  # the newest
        self.phase_count = 0  # all of them
        self.now_ms = 0
        self.since_ms = 0  # of the phase
        self.frames_sent = self.frames_heard = 0
        self.sessions = 0
        self.openings = self.opened_under_load = 0  # K5/K6, by the car's own command
        self.delivered: set[str] = set()  # long messages that were sent to their last packet, and BSD
        self.first_ms: dict[str, int] = {}  # when a message was first sent in its phase
        self.checker: Checker
        self._random = Random(seed)
        self.bms = Bms(profile, vehicle, self.mischief, self._random)
        self._sender = Sender(profile.packet_spacing_ms, profile.packet_count_in_rts, self._complain)
        self._out: list[Frame] = []
        self._due: dict[str, int] = {}
        self._next_ms = 0
        self._cycle_ms = self._elapsed_ms = 0  # when the last cycle was, and how long before the one before
        self._plugged = False
        self._powered_ms: int | None = None
        self._flood = 0.0
        self._phase_step: dict[str, Callable[[int], None]] = {}

    def _complain(self, name: str, detail: str) -> None:
        self.checker.complain(name, detail)

    def _forget(self) -> None:
        """A new session: nothing was heard, said or agreed yet."""
        self.delivered = set()

    def step(self, now_ms: int) -> list[Frame]:
        """One moment of the car; the frames that it sends now."""
        self.now_ms = now_ms
        vehicle = self.vehicle
        if vehicle.plugged != self._plugged:
            self._plugged = vehicle.plugged
            self.checker.plug(self._plugged, now_ms)
        if not self._plugged:
            self.checker.unplugged(now_ms)
        powered = self._plugged and vehicle.aux_V > 0.8 * self.profile.aux_V
        if powered != (self._powered_ms is not None):
            self._power(powered, now_ms)
        if self._powered_ms is None or now_ms < self._next_ms:
            return []
        self._next_ms += CYCLE_ms
        if self._next_ms <= now_ms:
            self._next_ms = now_ms + CYCLE_ms
        self._elapsed_ms, self._cycle_ms = now_ms - self._cycle_ms, now_ms
        if self.phase == "asleep":
            if now_ms - self._powered_ms < self.profile.boot_ms:
                return []
            self._wake(now_ms)
        return self._cycle(now_ms)

    # Power.

    def _power(self, on: bool, now_ms: int) -> None:
        if on:
            self._powered_ms = self._next_ms = self._cycle_ms = now_ms
            low_V, high_V = 0.95 * self.profile.aux_V, 1.05 * self.profile.aux_V
            if not low_V <= self.vehicle.aux_V <= high_V:
                self.checker.complain("aux_voltage", f"{self.vehicle.aux_V:.1f} V, not {self.profile.aux_V:.0f} +-5 %")
            return
        self._powered_ms = None
        if self.phase != "asleep":
            if self._plugged:
                self.checker.asleep()
            self._open(now_ms)
            self._sender.drop()
            self._out.clear()
            self._enter("asleep", now_ms)

    def _wake(self, now_ms: int) -> None:
        self._forget()
        self.sessions += 1
        self._enter("awake", now_ms)

    def _enter(self, phase: str, now_ms: int) -> None:
        self.phase, self.since_ms = phase, now_ms
        self.phases.append((now_ms, phase))
        self.phase_count += 1
        self._due.clear()
        self.first_ms.clear()
        self.checker.new_phase()

    # Contactors K5/K6.

    def _close(self) -> None:
        if "contactor_stuck_open" not in self.mischief.active:
            self.vehicle.close_contactors = True

    def _open(self, now_ms: int) -> None:
        if not self.vehicle.close_contactors or "contactor_welded" in self.mischief.active:
            return
        self.vehicle.close_contactors = False
        self.openings += 1
        if abs(self.vehicle.current_A) > LOW_A:
            self.opened_under_load += 1

    # Sending.

    def _cycle(self, now_ms: int) -> list[Frame]:
        active = self.mischief.active
        if active:
            self.mischief.step(now_ms)
        self.checker.physics(now_ms)
        self._phase_step[self.phase](now_ms)
        sender = self._sender
        if sender.busy or sender.ended:
            self._transport(now_ms)
        if active:
            self._nuisance(now_ms)
        if not self._out:
            return []
        out, self._out = self._out, []
        if self.mischief.mute:
            return []
        self.frames_sent += len(out)
        return out

    def _transport(self, now_ms: int) -> None:
        sender = self._sender
        self._out += sender.step(now_ms)
        if sender.whole:
            self.delivered.add(codec.long_message(sender.pgn).name)
        if not sender.busy:
            sender.ended = ""

    def _turn(self, name: str, period_ms: int, now_ms: int) -> bool:
        """It is time to send this again."""
        due_ms = self._due.get(name, now_ms)
        if now_ms < due_ms or name in self.mischief.muted:
            return False
        jitter_ms = self.profile.jitter_ms
        if period_ms >= 250 and jitter_ms:
            period_ms += self._random.randint(-jitter_ms, jitter_ms)
        self._due[name] = due_ms + period_ms if due_ms + period_ms > now_ms else now_ms + period_ms
        self.first_ms.setdefault(name, now_ms)
        return True

    def _say(self, frame: Frame) -> None:
        wrong = self.mischief.active.get("wrong_length")
        if wrong is not None and frame.id == BY_NAME[wrong["message"]].id:
            frame = Frame(frame.id, True, frame.data[: wrong["length"]].ljust(wrong["length"], b"\xff"))
        self._out.append(frame)

    def _say_long(self, name: str, period_ms: int, now_ms: int) -> None:
        sender = self._sender
        if sender.busy or not self._turn(name, period_ms, now_ms):
            return
        data = self.bms.long(name, now_ms)
        sender.faults = self.mischief.transport(name) if self.mischief.active else set()
        wrong = self.mischief.active.get("wrong_length")
        if wrong is not None and wrong["message"] == name:
            data = data[: wrong["length"]].ljust(wrong["length"], b"\xff")
        sender.start(BY_NAME[name].pgn, data, now_ms)

    def _nuisance(self, now_ms: int) -> None:
        active = self.mischief.active
        if "flood" in active:
            self._flood += active["flood"]["rate_per_s"] * CYCLE_ms / 1000
            while self._flood >= 1:
                self._flood -= 1
                self._out.append(strangers.garbage(self._random, active["flood"]["ids"] == "own"))
        if "strangers" in active and self._turn("strangers", 100, now_ms):
            self._out += strangers.OTHER_PROTOCOLS
