"""A charger just good enough to play a whole session with the emulated car. No firmware in it, and no safety."""

from hw_tests.bench.frame import Frame
from hw_tests.bench.gbt27930 import codec
from hw_tests.bench.gbt27930.car import Car
from hw_tests.bench.gbt27930.messages import CAR_CM_ID, CAR_DT_ID
from hw_tests.bench.gbt27930.transport import Receiver
from hw_tests.bench.gbt27930.vehicle import FakeVehicle

PERIOD_ms = {"CHM": 250, "CRM": 250, "CTS": 500, "CML": 250, "CMLP": 250, "CRO": 250, "CCD": 250, "CCS": 50, "CST": 10,
             "CSD": 250, "CEM": 250, "CDC": 250}  # fmt: skip


class Charger:
    """Plays the charger's phases; `mute`, `length` and the attributes below make it a bad one."""

    def __init__(self, vehicle: FakeVehicle, v2g: bool = False):
        self.vehicle = vehicle
        self.v2g = v2g
        self.phase = "off"
        self.mute: set[str] = set()  # messages that it does not send
        self.length: dict[str, int] = {}  # messages that it sends with a wrong length
        self.say: dict[str, dict] = {}  # signals that it overrides
        self.ccd = 0
        self.follows = True  # the demand; else `current_A` is the test's
        self.current_A = 0.0
        self.slope_A_s = 100.0
        self.stop_wanted = False
        self.cro = 0xAA
        self.keeps_aux = False  # the auxiliary supply on, after the statistics
        self.heeds_faults = True
        self.test_V = 400.0
        self.heard: dict[str, tuple[int, dict]] = {}
        self.history: list[str] = []  # names as they came, a run of the same once
        self.sent: list[str] = []
        self.data: dict[str, bytes] = {}
        self._tp = Receiver()
        self._due: dict[str, int] = {}
        self._since = 0
        self._at = 0
        self._told_ccd = 0

    def enter(self, phase: str, now_ms: int) -> None:
        self.phase, self._since = phase, now_ms
        self._due.clear()
        self.sent.append(phase)

    def receive(self, frame: Frame, now_ms: int) -> None:
        if frame.ext and frame.id == CAR_CM_ID:
            self._tp.control(frame.data, now_ms)
        elif frame.ext and frame.id == CAR_DT_ID:
            whole = self._tp.data(frame.data, now_ms)
            if whole:
                message = codec.long_message(whole[0])
                try:
                    self._hear(*codec.decode_payload(message, whole[1]), now_ms, whole[1])
                except codec.CodecError:
                    self.history.append("refused " + message.name)
        else:
            try:
                self._hear(*codec.decode(frame), now_ms, frame.data)
            except codec.CodecError:
                self.history.append("refused")

    def _hear(self, name: str, signals: dict, now_ms: int, data: bytes) -> None:
        self.heard[name] = (now_ms, signals)
        self.data[name] = data
        if not self.history or self.history[-1] != name:
            self.history.append(name)
        if name == "BST" and self.phase == "charge":
            self.enter("stop", now_ms)
        if name == "BSD" and self.phase == "stop":
            self.enter("statistics", now_ms)

    def fresh(self, name: str, now_ms: int) -> bool:
        return name in self.heard and self.heard[name][0] >= self._since

    def step(self, now_ms: int) -> list[Frame]:
        frames = self._tp.step(now_ms)
        getattr(self, "_in_" + self.phase)(now_ms, frames)
        self._drive(now_ms)
        return frames

    def _say(self, name: str, now_ms: int, frames: list[Frame], **signals: int) -> None:
        if name in self.mute or now_ms < self._due.get(name, 0):
            return
        self._due[name] = now_ms + PERIOD_ms[name]
        signals |= self.say.get(name, {})
        frame = codec.cleared(name, signals) if name in ("CST", "CEM") else codec.encode(name, **signals)
        length = self.length.get(name)
        frames.append(frame if length is None else Frame(frame.id, True, frame.data[:length].ljust(length, b"\xff")))

    def _in_off(self, now_ms: int, frames: list[Frame]) -> None:
        self.vehicle.aux_V = 0.0
        if self.vehicle.plugged:
            self.vehicle.aux_V = 12.0
            self.enter("offer" if self.v2g else "handshake", now_ms)

    def _in_offer(self, now_ms: int, frames: list[Frame]) -> None:
        self._say("CDC", now_ms, frames, version_minor=12, version_major=1)
        if "BDC" in self.heard or now_ms - self._since > 3000:
            self.enter("handshake", now_ms)

    def _in_handshake(self, now_ms: int, frames: list[Frame]) -> None:
        self._say("CHM", now_ms, frames, version_minor=1, version_major=1)
        if "BHM" in self.heard:
            self.vehicle.inlet_V = self.test_V if now_ms - self._since < 1500 else 0.0
        if now_ms - self._since > 2000:
            self.enter("identify", now_ms)

    def _in_identify(self, now_ms: int, frames: list[Frame]) -> None:
        known = self.fresh("BRM", now_ms)
        if known and self._due.get("AA") is None:
            self._due = {"AA": 1}
        self._say("CRM", now_ms, frames, result=0xAA if known else 0, charger_number=1)
        if self.fresh("BCP", now_ms):
            self.enter("configure", now_ms)

    def _in_configure(self, now_ms: int, frames: list[Frame]) -> None:
        self._say("CTS", now_ms, frames, second=1, minute=2, hour=3, day=4, month=5, year=2026)
        self._say("CML", now_ms, frames, voltage_max_dV=7500, voltage_min_dV=2000, current_max_dA=600, current_min_dA=0)
        if self.v2g and "BDC" in self.heard:
            self._say("CMLP", now_ms, frames, voltage_max_dV=7500, voltage_min_dV=2000, current_max_dA=-600,
                      current_min_dA=0)  # fmt: skip
        if "BRO" in self.heard and self.heard["BRO"][1]["ready"] == 0xAA and self.heard["BRO"][0] >= self._since:
            self.enter("ready", now_ms)

    def _in_ready(self, now_ms: int, frames: list[Frame]) -> None:
        ready = self.cro if now_ms - self._since > 500 else 0
        if ready and "AA" not in self._due:
            self._due = {"AA": 1}
        self._say("CRO", now_ms, frames, ready=ready)
        if ready == 0xAA and self.fresh("CRO", now_ms) is False and now_ms - self._since > 520:
            self.enter("charge", now_ms)

    def _in_charge(self, now_ms: int, frames: list[Frame]) -> None:
        if self.v2g and "BDC" in self.heard:
            if self.ccd != self._told_ccd:
                self._told_ccd, self._due["CCD"] = self.ccd, 0
            self._say("CCD", now_ms, frames, direction=self.ccd)
        if ("BCL" in self.heard or "BCLP" in self.heard) and "BCS" in self.heard:
            self._ccs(now_ms, frames)
        if self.stop_wanted or self.heeds_faults and self._told_fault():
            self.enter("stop", now_ms)

    def _told_fault(self) -> bool:
        bsm = self.heard.get("BSM", (0, {}))[1]
        return any(bsm.get(state) == 1 for state in ("cell_voltage", "over_temperature", "insulation", "connector"))

    def _ccs(self, now_ms: int, frames: list[Frame]) -> None:
        direction = self.ccd if self.v2g and "BDC" in self.heard else 0
        self._say(
            "CCS", now_ms, frames, voltage_dV=round(self.vehicle.inlet_V * 10), elapsed_min=0,
            current_dA=round(self.vehicle.current_A * 10), permission=2 if direction else 1,
        )  # fmt: skip

    def _in_stop(self, now_ms: int, frames: list[Frame]) -> None:
        self._say("CST", now_ms, frames, **({"bms_stopped": 1} if "BST" in self.heard else {"manual_stop": 1}))

    def _in_statistics(self, now_ms: int, frames: list[Frame]) -> None:
        car_Wh = self.energy_Wh
        self._say("CSD", now_ms, frames, total_min=0, energy_Wh=round(car_Wh / 100) * 100, charger_number=1)
        if now_ms - self._since > 1000 and not self.keeps_aux:
            self.vehicle.inlet_V = 0.0
            self.vehicle.aux_V = 0.0
            self.enter("gone", now_ms)

    def _in_gone(self, now_ms: int, frames: list[Frame]) -> None:
        pass

    energy_Wh = 0.0

    def _drive(self, now_ms: int) -> None:
        """Physics of a sort: current as asked, the inlet at the pack while K5/K6 are closed."""
        vehicle = self.vehicle
        elapsed_s, self._at = (now_ms - self._at) / 1000, now_ms
        wanted_A = 0.0
        if self.phase == "charge" and self.follows:
            last = max((self.heard[name] for name in ("BCL", "BCLP") if name in self.heard), default=None,
                       key=lambda item: item[0])  # fmt: skip
            allowed = self.heard.get("BSM", (0, {"permission": 1}))[1]["permission"] != 0
            if last is not None and allowed and now_ms - last[0] < 1000:
                wanted_A = last[1]["current_dA"] / 10
        elif self.phase == "charge":
            wanted_A = self.current_A
        step_A = self.slope_A_s * elapsed_s
        current_A = vehicle.current_A + max(-step_A, min(step_A, wanted_A - vehicle.current_A))
        vehicle.current_A = current_A if vehicle.contactors_closed or not self.follows else 0.0
        if vehicle.contactors_closed:
            vehicle.pack_V = vehicle.inlet_V = vehicle.pack_ocv_V + 0.1 * vehicle.current_A
        elif self.phase in ("stop", "statistics"):
            vehicle.inlet_V = max(0.0, vehicle.inlet_V - 2000 * elapsed_s)
        energy_Wh = vehicle.pack_V * vehicle.current_A * elapsed_s / 3600
        self.energy_Wh += max(0.0, energy_Wh)
        vehicle.soc += energy_Wh / vehicle.capacity_Wh


class Pair:
    """A car and this charger on one bus, stepped together."""

    def __init__(self, profile="charge_2015", v2g: bool = False, seed: int = 0):
        self.vehicle = FakeVehicle()
        self.car = Car(profile, self.vehicle, seed)
        self.charger = Charger(self.vehicle, v2g)
        self.now_ms = 0
        self.bus: list[tuple[int, bool, Frame]] = []  # time, by the car, frame
        self.vehicle.plugged = True

    def run(self, ms: int, until=None, step_ms: int = 10) -> bool:
        """Play on; True as soon as `until()` holds."""
        end_ms = self.now_ms + ms
        while self.now_ms < end_ms:
            self.now_ms += step_ms
            for frame in self.charger.step(self.now_ms):
                self.bus.append((self.now_ms, False, frame))
                self.car.receive(frame, self.now_ms)
            for frame in self.car.step(self.now_ms):
                self.bus.append((self.now_ms, True, frame))
                self.charger.receive(frame, self.now_ms)
            if until is not None and until():
                return True
        return False

    def to(self, phase: str, ms: int = 30_000) -> "Pair":
        """Play until the car is in this phase."""
        assert self.run(ms, lambda: self.car.phase == phase), f"{self.car.phase}, not {phase}: {list(self.car.phases)}"
        return self

    def times(self, name: str) -> list[int]:
        """When the car or the charger sent this single-frame message."""
        return [at for at, _, frame in self.bus if name == _name(frame)]

    def names(self) -> set[str]:
        """Names of the car's deviations."""
        return set(self.car.checker.counts)


def _name(frame: Frame) -> str:
    try:
        return codec.decode(frame)[0]
    except codec.CodecError:
        return "?"
