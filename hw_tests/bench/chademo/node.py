"""What every phase of the emulated car stands on: waking by d1, its contactors, and the sets of its frames."""

from collections import deque
from collections.abc import Callable
from random import Random

from hw_tests.bench.chademo import strangers
from hw_tests.bench.chademo.battery import Battery
from hw_tests.bench.chademo.checker import Checker
from hw_tests.bench.chademo.codec import BY_NAME, Signals
from hw_tests.bench.chademo.mischief import Mischief
from hw_tests.bench.chademo.profiles import Profile
from hw_tests.bench.chademo.vehicle import Vehicle
from hw_tests.bench.frame import Frame

CYCLE_ms = 10
SET_ms = 100  # facts 2.1
LOW_A = 5.0  # contactors open without load below this (facts 2.5 step 8)


class Node:
    """The car as a node on the bus. `phase` says where it is; the phases themselves are the Car's."""

    def __init__(self, profile: Profile, vehicle: Vehicle, seed: int = 0):
        self.profile, self.vehicle = profile, vehicle
        self.mischief = Mischief()
        self.battery = Battery(profile, vehicle, self.mischief)
        self.phase = "asleep"
        self.phases: deque[tuple[int, str]] = deque(maxlen=200)  # the newest
        self.phase_count = 0  # all of them
        self.now_ms = 0
        self.since_ms = 0  # of the phase
        self.frames_sent = self.frames_heard = 0
        self.sessions = 0
        self.openings = self.opened_under_load = 0  # of its contactors, by its own command
        self.heard: dict[str, Signals] = {}  # the newest of each frame of the charger
        self.checker: Checker
        self._random = Random(seed)
        self._out: list[Frame] = []
        self._names: list[str] = []  # what is left of the present set
        self._set_ms = self._frame_ms = 0
        self._next_ms = 0
        self._elapsed_ms = self._cycle_ms = 0
        self._plugged = False
        self._powered_ms: int | None = None
        self._flood = 0.0
        self._phase_step: dict[str, Callable[[int], None]] = {}
        vehicle.coil_by_station = True

    def _forget(self) -> None:
        """A new session: nothing was heard, said or agreed yet."""
        self.heard = {}
        self.battery.reset()

    def step(self, now_ms: int) -> list[Frame]:
        """One moment of the car; the frames that it sends now."""
        self.now_ms = now_ms
        vehicle = self.vehicle
        if vehicle.plugged != self._plugged:
            self._plugged = vehicle.plugged
            self.checker.plug(self._plugged, now_ms)
        if not self._plugged:
            self.checker.unplugged(now_ms)
        if vehicle.d1 != (self._powered_ms is not None):
            self._power(vehicle.d1, now_ms)
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
            return
        self._powered_ms = None
        if self.phase != "asleep":
            if self._plugged:
                self.checker.asleep()
            self.permit(False)
            self._open(now_ms)
            self._out.clear()
            self._enter("asleep", now_ms)

    def _wake(self, now_ms: int) -> None:
        self._forget()
        self.sessions += 1
        self._set_ms, self._names = now_ms, []
        self._enter("awake", now_ms)

    def _enter(self, phase: str, now_ms: int) -> None:
        self.phase, self.since_ms = phase, now_ms
        self.phases.append((now_ms, phase))
        self.phase_count += 1
        self.checker.new_phase()

    # Lines and contactors.

    def permit(self, on: bool) -> None:
        """Switch k, unless a misbehaviour holds it."""
        active = self.mischief.active
        if "permission_without_can" in active:
            on = True
        elif "permission_lost" in active or "can_without_permission" in active:
            on = False
        self.vehicle.permission = on

    def _close(self) -> None:
        active = self.mischief.active
        if "contactor_stuck_open" not in active and "contactor_lie" not in active:
            self.vehicle.close_contactors = True

    def _open(self, now_ms: int) -> None:
        active = self.mischief.active
        if not self.vehicle.close_contactors or "contactor_welded" in active or "never_opens" in active:
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
        self._speak(now_ms)
        if active:
            self._nuisance(now_ms)
        if not self._out:
            return []
        out, self._out = self._out, []
        if self.mischief.mute:
            return []
        self.frames_sent += len(out)
        return out

    def _speak(self, now_ms: int) -> None:
        """A set every 100 ms, its frames some 10 ms apart."""
        if now_ms >= self._set_ms:
            late_ms = self.mischief.value("late", "ms", 0)
            self._set_ms += SET_ms + late_ms
            if self._set_ms <= now_ms:
                self._set_ms = now_ms + SET_ms + late_ms
            self._begin_set(now_ms)
            self._names = self.battery.names("109" in self.heard)
            self._frame_ms = now_ms
        while self._names and now_ms >= self._frame_ms:
            name = self._names.pop(0)
            self._frame_ms += self.profile.spacing_ms
            if name not in self.mischief.muted:
                self._say(name, now_ms)

    def _begin_set(self, now_ms: int) -> None:
        """What is decided once a set."""

    def _say(self, name: str, now_ms: int) -> None:
        frame = self.battery.frame(name, now_ms)
        wrong = self.mischief.active.get("wrong_length")
        if wrong is not None and frame.id == BY_NAME[wrong["message"]].id:
            frame = Frame(frame.id, False, frame.data[: wrong["length"]])
        self._out.append(frame)
        if self.battery.state.first_ms is None:
            self.battery.state.first_ms = now_ms

    def _nuisance(self, now_ms: int) -> None:
        active = self.mischief.active
        if "flood" in active:
            self._flood += active["flood"]["rate_per_s"] * CYCLE_ms / 1000
            while self._flood >= 1:
                self._flood -= 1
                self._out.append(strangers.garbage(self._random, active["flood"]["ids"] == "own"))
        if "strangers" in active and now_ms % 100 < CYCLE_ms:
            self._out += strangers.OTHER_PROTOCOLS
