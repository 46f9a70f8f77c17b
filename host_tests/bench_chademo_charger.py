"""A small CHAdeMO charger for tests of the emulated car, and the two together in virtual time without physics."""

from collections.abc import Callable

from hw_tests.bench.chademo import codec
from hw_tests.bench.chademo.car import Car
from hw_tests.bench.chademo.profiles import profile
from hw_tests.bench.chademo.vehicle import FakeVehicle
from hw_tests.bench.frame import Frame


class Charger:
    """Follows facts 2.5 as a home charger does; attributes below spoil it."""

    def __init__(self, vehicle: FakeVehicle, protocol: int = 2):
        self.vehicle = vehicle
        self.protocol = protocol
        self.heard: dict[str, codec.Signals] = {}
        self.wanted_A = 0.0  # the operating point, + charges the car
        self.available_A, self.discharge_A = 60, 50
        self.v2x = True
        self.with_208 = True
        self.frames_108 = True
        self.stop_wanted = False
        self.state = "idle"
        self.muted = False
        self.slow_ms = 0  # between 102.3 > 0 and 109.5 = 05
        self.told_V_off = 0
        self.time_left_min = 60
        self.fault = ""  # a bit of 109.5
        self.physics: Callable[[], None] = self._physics
        self.frames: Callable[[], list[Frame]] = self._frames
        self.instead: dict[str, Callable[..., None]] = {}  # of what it does in a state
        self._since_ms = 0
        self._send_ms: int | None = None

    def hear(self, frame: Frame) -> None:
        name, signals = codec.decode(frame)
        self.heard[name] = signals

    def _enter(self, state: str, now_ms: int) -> None:
        self.state, self._since_ms = state, now_ms

    def step(self, now_ms: int) -> list[Frame]:
        waited_ms, vehicle = now_ms - self._since_ms, self.vehicle
        status = self.heard.get("102", {})
        step = self.instead.get(self.state, getattr(self, "_" + self.state))
        step(status, waited_ms, now_ms)
        self.physics()
        if not vehicle.d1 or "200" not in self.heard and "102" not in self.heard or self.muted:
            self._send_ms = None if not vehicle.d1 else self._send_ms
            return []
        if self._send_ms is None:
            self._send_ms = now_ms + 50
        if now_ms < self._send_ms:
            return []
        self._send_ms += 100
        return self.frames()

    def _idle(self, status: codec.Signals, waited_ms: int, now_ms: int) -> None:
        if self.vehicle.plugged and not self.stop_wanted:
            self.vehicle.d1 = True
            self._enter("start", now_ms)

    def _start(self, status: codec.Signals, waited_ms: int, now_ms: int) -> None:
        if status.get("charge_enabled") and self.vehicle.permission:
            self._enter("test", now_ms)

    def _test(self, status: codec.Signals, waited_ms: int, now_ms: int) -> None:
        self.vehicle.inlet_V = 490.0 if 200 < waited_ms < 600 else 0.0
        if waited_ms > 800:
            self.vehicle.d2 = True
            self._enter("close", now_ms)

    def _close(self, status: codec.Signals, waited_ms: int, now_ms: int) -> None:
        old = self.heard["102"]["protocol"] < 2
        if waited_ms > 500 and (self.vehicle.contactors_closed if old else not status["contactors_open"]):
            if status["request_dA"] > 0:
                self._enter("begin", now_ms)

    def _begin(self, status: codec.Signals, waited_ms: int, now_ms: int) -> None:
        if waited_ms >= self.slow_ms:
            self._enter("run", now_ms)

    def _run(self, status: codec.Signals, waited_ms: int, now_ms: int) -> None:
        if self.stop_wanted:
            self._enter("halt", now_ms)
        elif not status["charge_enabled"] or not self.vehicle.permission:
            self._enter("off", now_ms)

    def _halt(self, status: codec.Signals, waited_ms: int, now_ms: int) -> None:
        if not status["charge_enabled"] and not self.vehicle.permission:
            self._enter("off", now_ms)

    def _off(self, status: codec.Signals, waited_ms: int, now_ms: int) -> None:
        if status["contactors_open"] and waited_ms > 100 or waited_ms > 6000:
            self.vehicle.d2 = False
            self._enter("done", now_ms)

    def _done(self, status: codec.Signals, waited_ms: int, now_ms: int) -> None:
        self.stop_wanted = True
        if waited_ms > 600:
            self.vehicle.d1 = False
            self.heard = {}
            self._enter("idle", now_ms)

    def _physics(self) -> None:
        vehicle, current_A = self.vehicle, 0.0
        if self.state == "run":
            request_A = self.heard["102"]["request_dA"] / 10
            allowed_A = -self.heard["200"]["discharge_max_dA"] / 10 if "200" in self.heard else 0.0
            current_A = max(-allowed_A, min(request_A, self.wanted_A))
        if vehicle.contactors_closed:
            vehicle.inlet_V = vehicle.pack_V
            vehicle.current_A = current_A
        else:
            vehicle.current_A = 0.0
            if self.state != "test":
                vehicle.inlet_V *= 0.9

    def _frames(self) -> list[Frame]:
        vehicle = self.vehicle
        status = {"idle": 0x20, "start": 0x20, "run": 0x05, "halt": 0x25, "done": 0x20}.get(self.state, 0x24)
        running = self.state == "run"
        charge_A, discharge_A = max(0.0, vehicle.current_A), max(0.0, -vehicle.current_A)
        limit_dV = min(4980 + 20, self.heard.get("100", {}).get("voltage_max_dV", 5000))
        f108 = codec.encode("108", weld_detection=1, voltage_available_dV=5000,
                            current_available_dA=self.available_A * 10, voltage_threshold_dV=limit_dV)  # fmt: skip
        bits = {self.fault: 1} if self.fault else {}
        f109 = codec.encode("109", protocol=self.protocol, voltage_dV=round(vehicle.inlet_V + self.told_V_off) * 10,
                            current_dA=round(charge_A) * 10, discharge_compatible=int(self.v2x),
                            charging=status & 1, locked=status >> 2 & 1, stop_control=status >> 5 & 1,
                            time_left_s=2550 if running else 0, time_left_min=self.time_left_min if running else 0,
                            **bits)  # fmt: skip
        frames = [f108, f109] if self.frames_108 else [f109]
        if self.v2x and self.with_208:
            frames.append(codec.encode("208", current_dA=-round(discharge_A) * 10, input_voltage_dV=5000,
                                       discharge_max_dA=-self.discharge_A * 10, voltage_threshold_dV=2500))  # fmt: skip
            frames.append(codec.encode("209", sequence=2, discharge_time_min=5 if running else 0))
        return frames


class Pair:
    """Car and charger on a wire that takes no time. `sent` has every frame with its time and sender."""

    def __init__(self, which: str = "leaf_ze0", seed: int = 0, plugged: bool = True, **changes: object):
        self.vehicle = FakeVehicle(plugged=plugged)
        self.car = Car(profile(which, **changes), self.vehicle, seed)
        self.charger = Charger(self.vehicle)
        self.sent: list[tuple[int, str, Frame]] = []
        self.now_ms = 0

    def run(self, ms: int, until: Callable[[], bool] | None = None, step_ms: int = 10) -> bool:
        """Let time pass; True as soon as `until` holds."""
        end_ms = self.now_ms + ms
        while self.now_ms < end_ms:
            self.now_ms += step_ms
            for frame in self.car.step(self.now_ms):
                self.sent.append((self.now_ms, "car", frame))
                if not frame.ext and frame.id in codec.BY_ID and len(frame.data) == 8:
                    self.charger.hear(frame)
            for frame in self.charger.step(self.now_ms):
                self.sent.append((self.now_ms, "charger", frame))
                self.car.receive(frame, self.now_ms)
            if until is not None and until():
                return True
        return False

    def to(self, phase: str, limit_ms: int = 30_000) -> "Pair":
        """Until the car is in this phase."""
        assert self.run(limit_ms, lambda: self.car.phase == phase), f"{self.car.phase}: {self.car.log}"
        return self

    def frames(self, name: str) -> list[tuple[int, codec.Signals]]:
        """All frames of that name with their times, decoded."""
        return [(at_ms, codec.decode(frame)[1]) for at_ms, _, frame in self.sent
                if not frame.ext and frame.id == codec.BY_NAME[name].id and len(frame.data) == 8]  # fmt: skip

    @property
    def phases(self) -> list[str]:
        """Where the car was, in order."""
        return [phase for _, phase in self.car.phases]
