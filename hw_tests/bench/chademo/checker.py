"""What the car sees the charger do wrong, from the protocol's view and each with its clause.

A session is clean when `Car.log` is empty. Nothing here changes what the car does.
"""

from typing import TYPE_CHECKING, NamedTuple

from hw_tests.bench.chademo import codec
from hw_tests.bench.chademo.codec import Signals
from hw_tests.bench.frame import Frame

if TYPE_CHECKING:
    from hw_tests.bench.chademo.car import Car

MOST_OF_A_KIND = 20  # entries of one name in the log; all are counted


class Deviation(NamedTuple):
    """One thing that the charger did against the protocol."""

    at_ms: int
    name: str
    detail: str
    clause: str


# name: the clause of the facts that it offends.
CLAUSES = {
    "unknown_frame": "2.3 ids", "wrong_length": "2.1 DLC 8", "padding": "2.1 unused bytes are 0",
    "before_the_car": "2.1 after the car's first set", "order": "2.1 108 precedes 109", "period": "2.1 100 ms +-10 ms",
    "wrong_value": "2.3 signals", "changed": "2.3 fixed for the session", "status": "2.3 109.5, 2.5",
    "threshold": "2.3 108.4-5", "no_208": "2.3 109.4", "timeout": "2.5 limits", "d2_early": "2.5 step 10",
    "d1_early": "2.5 step 10", "inlet_live": "2.7 inlet ~0 V at d2", "not_bled": "2.5 step 10",
    "unlocked_live": "2.4 locked while V > 10 V", "test_early": "2.5 step 3: only if 102.5.0 = 1",
    "test_voltage": "2.5 step 3", "weld_promise": "2.3 108.0", "late_start": "2.5 step 6: 0.5 s",
    "current_before_start": "2.5 step 6", "current_above_request": "2.5 step 7", "slope": "2.5 step 7: 20 A/s",
    "current_after_stop": "2.5 step 8: 5 A in 0.5 s", "measurement": "2.5 step 7, 2.7 DEV_VOLT",
    "direction_told": "2.6 109.3 = 0 while discharging", "discharged_without_permission": "2.6 conditions",
    "discharge_above_limit": "2.6 min(255-200.0, 255-208.3)", "below_own_floor": "2.6 inhibit 200.6",
    "above_own_ceiling": "2.6 inhibit 200.7", "pack_under_voltage": "2.6 stop at max(200.4-5, 208.6-7)",
    "pack_over_voltage": "2.2 100.4-5", "car_fault": "2.2 102.4: the car's own monitors",
}  # fmt: skip

# Between two of the same. The standard says 100 +-10; a station's tick and the bus take some more.
EARLY_ms, LATE_ms = 70, 140
RUN_SLOPE_A_s, SLOPE_ms = 20.0, 500
HELD_ms = 500  # how long a physical excess must last: shorter ones are the regulator's
DELAY_ms = 300  # a falling request or limit must be followed after this
STOP_HELD_ms = 550  # 0.5 s and a cycle of the car
RUNNING = ("charge", "stopping")


class Checker:
    """Watches what the car receives and senses. `log` has the deviations, `counts` how many of each name."""

    def __init__(self, car: "Car"):
        self.log: list[Deviation] = []
        self.counts: dict[str, int] = {}
        self.current_after_unplug_ms: int | None = None  # from the loss of the plug to 5 A
        self._car = car
        self._heard_ms: dict[str, int] = {}
        self._fixed: dict[str, int] = {}  # what must not change
        self._since: dict[str, int] = {}
        self._said: set[str] = set()
        self._allow: dict[int, tuple[float, int]] = {1: (0.0, 0), -1: (0.0, 0)}  # A, as of ms
        self._slope: tuple[int, float] = (0, 0.0)  # ms, A: the beginning of a window
        self._unplugged_ms: int | None = None
        self._pair = False  # a 108 has come since the last 109

    def complain(self, name: str, detail: str) -> None:
        """Note one deviation."""
        count = self.counts[name] = self.counts.get(name, 0) + 1
        if count <= MOST_OF_A_KIND:
            self.log.append(Deviation(self._car.now_ms, name, f"{self._car.phase}: {detail}", CLAUSES[name]))

    def once(self, name: str, detail: str) -> None:
        """Note a deviation that lasts, only when it begins."""
        if name not in self._said:
            self._said.add(name)
            self.complain(name, detail)

    def _need(self, condition: bool, name: str, detail: str) -> None:
        if not condition:
            self.complain(name, detail)

    def new_phase(self) -> None:
        """Lasting deviations are judged within a phase."""
        self._since.clear()
        self._said.clear()
        if self._car.phase == "awake":
            self._heard_ms.clear()
            self._fixed.clear()
            self._pair = False
            self._allow = {1: (0.0, 0), -1: (0.0, 0)}

    # Frames.

    def undecoded(self, error: codec.CodecError, frame: Frame) -> None:
        """A frame that the codec refused."""
        known = not frame.ext and frame.id in codec.BY_ID
        self.complain("wrong_length" if known else "unknown_frame", str(error))

    def message(self, name: str, signals: Signals, frame: Frame, now_ms: int) -> None:
        """A well-formed frame of the charger, before the car acts on it."""
        car = self._car
        first_ms = car.battery.state.first_ms
        if first_ms is None or now_ms - first_ms < 3 * car.profile.spacing_ms:
            self.complain("before_the_car", name)
        stray = codec.stray(frame)
        self._need(not stray, "padding", f"{name} {frame.data.hex(' ')}")
        last_ms = self._heard_ms.get(name)
        if last_ms is not None and not EARLY_ms <= now_ms - last_ms <= LATE_ms:
            self.complain("period", f"{name} after {now_ms - last_ms} ms")
        self._heard_ms[name] = now_ms
        judge = getattr(self, "_judge_" + name, None)
        if judge is not None:
            judge(signals, now_ms)

    def _same(self, name: str, value: int) -> None:
        if self._fixed.setdefault(name, value) != value:
            self.complain("changed", f"{name} from {self._fixed[name]} to {value}")
            self._fixed[name] = value

    def _judge_108(self, signals: Signals, now_ms: int) -> None:
        self._pair = True
        self._need(signals["weld_detection"] in (0, 1), "wrong_value", f"108.0 {signals['weld_detection']}")
        self._same("108.1-2 in dV", signals["voltage_available_dV"])
        if self._car.battery.state.settled:
            limit_dV = min(round(self._car.profile.voltage_max_V) * 10, signals["voltage_available_dV"])
            if self._lasts("threshold", signals["voltage_threshold_dV"] != limit_dV, now_ms, 300):
                self.once("threshold", f"108.4-5 {signals['voltage_threshold_dV']} dV, not {limit_dV}")

    def _judge_109(self, signals: Signals, now_ms: int) -> None:
        car = self._car
        self._need(self._pair, "order", "109 without a 108 before it")
        self._pair = False
        self._need(signals["protocol"] <= 3, "wrong_value", f"109.0 {signals['protocol']}")
        self._same("109.0", signals["protocol"])
        charging, locked = signals["charging"], signals["locked"]
        if charging and car.phase in ("awake", "permitted", "closed", "ended"):
            self.once("status", "109.5.0 without closed contactors and a request")
        if car.phase in ("closed", "ready", "charge", "stopping") and not locked:
            self.once("status", "109.5.2 = 0 with closed contactors")
        if not locked and self._lasts("unlocked", car.vehicle.inlet_V > 10, now_ms, 200):
            self.once("unlocked_live", f"109.5.2 = 0 at {car.vehicle.inlet_V:.0f} V")
        if car.phase == "ready" and car.asked_ms is not None and now_ms - car.asked_ms > 600 and not charging:
            self.once("late_start", f"109.5.0 still 0 {now_ms - car.asked_ms} ms after 102.3 > 0")
        self._direction(signals, now_ms)

    def _direction(self, signals: Signals, now_ms: int) -> None:
        out_dA = self._car.heard.get("208", {}).get("current_dA", 0)
        both = signals["current_dA"] > 0 and out_dA < 0
        if self._lasts("both", both, now_ms, 250):  # the two frames are not of one moment
            self.once("direction_told", f"109.3 {signals['current_dA']} dA and 208.0 {out_dA} dA")
        if self._car.phase not in RUNNING:
            return
        vehicle, told_A = self._car.vehicle, (signals["current_dA"] + out_dA) / 10
        off_V, off_A = signals["voltage_dV"] / 10 - vehicle.inlet_V, told_A - vehicle.current_A
        wrong = abs(off_V) > 5 + 0.01 * vehicle.inlet_V or abs(off_A) > 3 + 0.05 * abs(vehicle.current_A)
        if self._lasts("measured", wrong, now_ms, 1000):
            self.once("measurement", f"109 and 208 are {off_V:+.1f} V and {off_A:+.1f} A off")

    def _judge_208(self, signals: Signals, now_ms: int) -> None:
        told = self._car.heard.get("109")
        if told is not None and told["discharge_compatible"] == 0:
            self.once("wrong_value", "208 although 109.4 = 0")

    def _judge_209(self, signals: Signals, now_ms: int) -> None:
        self._need(signals["sequence"] <= 2, "wrong_value", f"209.0 {signals['sequence']}")

    # Physics, once a cycle of the car.

    def _lasts(self, name: str, wrong: bool, now_ms: int, held_ms: int = HELD_ms) -> bool:
        if not wrong:
            self._since.pop(name, None)
            return False
        return now_ms - self._since.setdefault(name, now_ms) >= held_ms

    def physics(self, now_ms: int) -> None:
        """Volts and amperes against what was agreed."""
        car = self._car
        vehicle, phase = car.vehicle, car.phase
        if phase in ("awake", "permitted") and not vehicle.close_contactors:
            self._test(now_ms)
        if phase == "weld" and car.opened_ms is not None and not vehicle.contactors_closed:
            self._weld(now_ms - car.opened_ms)
        battery = car.battery
        self._follow(1, float(battery.request_A) if phase == "charge" else 0.0, now_ms)
        self._follow(-1, float(battery.discharge_A) if phase == "charge" else 0.0, now_ms)
        current_A = vehicle.current_A
        self._ramp(current_A, now_ms)
        if -1.0 < current_A < 1.0:
            for name in ("current", "high", "low", "floor", "ceiling", "stop"):
                self._since.pop(name, None)
            return
        self._current(current_A, now_ms)
        self._limits(current_A, now_ms)

    def _test(self, now_ms: int) -> None:
        inlet_V = self._car.vehicle.inlet_V
        if not self._car.battery.state.enabled and inlet_V > 20:
            self.once("test_early", f"{inlet_V:.0f} V before 102.5.0 = 1")
        available_V = self._car.heard.get("108", {}).get("voltage_available_dV", 0) / 10
        if inlet_V > max(available_V, self._car.profile.voltage_max_V) * 1.03 + 5:
            self.once("test_voltage", f"{inlet_V:.0f} V in the insulation test")

    def _weld(self, waited_ms: int) -> None:
        vehicle = self._car.vehicle
        if not self._car.heard.get("108", {}).get("weld_detection"):
            return
        if waited_ms > 1000 and vehicle.inlet_V > 0.25 * vehicle.pack_ocv_V:
            self.once("weld_promise", f"{vehicle.inlet_V:.0f} V {waited_ms} ms after the contactors opened")
        if waited_ms > 2000 and vehicle.inlet_V > 10:
            self.once("weld_promise", f"{vehicle.inlet_V:.0f} V {waited_ms} ms after the contactors opened")

    def _follow(self, direction: int, wanted_A: float, now_ms: int) -> None:
        """What a direction allows: at once up, after DELAY_ms down."""
        allow_A, at_ms = self._allow[direction]
        if wanted_A >= allow_A or now_ms - at_ms > DELAY_ms:
            self._allow[direction] = (wanted_A, now_ms)

    def _ramp(self, current_A: float, now_ms: int) -> None:
        """Its magnitude may rise by 20 A/s; a fall is never too fast."""
        at_ms, then_A = self._slope
        if now_ms - at_ms < SLOPE_ms:
            return
        self._slope = (now_ms, current_A)
        if self._car.phase != "charge" or now_ms - at_ms > 2 * SLOPE_ms:
            return
        before_A = abs(then_A) if then_A * current_A > 0 else 0.0
        rise_A = abs(current_A) - before_A
        if rise_A > RUN_SLOPE_A_s * (now_ms - at_ms) / 1000 * 1.25 + 2:
            self.complain("slope", f"{then_A:.1f} to {current_A:.1f} A in {now_ms - at_ms} ms")

    def _current(self, current_A: float, now_ms: int) -> None:
        car = self._car
        direction, amount_A = (1, current_A) if current_A > 0 else (-1, -current_A)
        allow_A = self._allow[direction][0]
        name = "current_above_request" if direction > 0 else "discharge_above_limit"
        if direction < 0 and not car.may_discharge:
            name = "discharged_without_permission"
        elif car.running_ms is None:
            name = "current_before_start"
        if car.phase == "charge" or car.running_ms is None:
            if self._lasts("current", amount_A > allow_A + max(2.0, 0.05 * allow_A), now_ms):
                self.once(name, f"{current_A:.1f} A, allowed {allow_A:.0f}")
        elif self._lasts("stop", amount_A > 5, now_ms, 10) and now_ms - car.stop_ms > STOP_HELD_ms:
            self.once("current_after_stop", f"{current_A:.1f} A, {now_ms - car.stop_ms} ms after k off")

    def _limits(self, current_A: float, now_ms: int) -> None:
        car = self._car
        profile, vehicle = car.profile, car.vehicle
        permille = vehicle.soc * 1000
        if current_A > 0:
            if self._lasts("high", vehicle.pack_V > profile.voltage_max_V, now_ms, 100):
                self.once("pack_over_voltage", f"{vehicle.pack_V:.1f} V, at most {profile.voltage_max_V:.0f}")
            over = profile.v2x and permille > profile.ceiling_permille + 15
            if self._lasts("ceiling", over, now_ms, 2000):
                self.once("above_own_ceiling", f"SOC {vehicle.soc:.3f} while charging")
            return
        if self._lasts("low", vehicle.pack_V < profile.discharge_voltage_min_V, now_ms, 100):
            self.once("pack_under_voltage", f"{vehicle.pack_V:.1f} V, at least {profile.discharge_voltage_min_V:.0f}")
        if self._lasts("floor", permille < profile.floor_permille - 15, now_ms, 2000):
            self.once("below_own_floor", f"SOC {vehicle.soc:.3f} while discharging")

    # Plug and d1, in every phase.

    def plug(self, plugged: bool, now_ms: int) -> None:
        """The plug came or went."""
        self._unplugged_ms = None if plugged else now_ms

    def unplugged(self, now_ms: int) -> None:
        """While the plug is out and current has not yet gone."""
        if self._unplugged_ms is not None and abs(self._car.vehicle.current_A) <= 5:
            self.current_after_unplug_ms = now_ms - self._unplugged_ms
            self._unplugged_ms = None

    def asleep(self) -> None:
        """d1 went off with the plug in: no current, contactors open, and the inlet bled."""
        vehicle = self._car.vehicle
        if abs(vehicle.current_A) > 5 or vehicle.close_contactors:
            self.complain("d1_early", f"d1 off at {vehicle.current_A:.1f} A, phase {self._car.phase}")
        if not vehicle.contactors_closed and vehicle.inlet_V > 10:
            self.complain("not_bled", f"inlet {vehicle.inlet_V:.0f} V when d1 went off")
