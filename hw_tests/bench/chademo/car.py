"""The car's side of CHAdeMO with V2X: a state machine in virtual time.

    car = Car("leaf_ze0", vehicle, seed=1)
    car.receive(frame, now_ms)             # a frame of the charger
    frames = car.step(now_ms)              # what the car sends now; call it every 1 to 10 ms
    car.misbehave("fault", bit="over_temperature", for_ms=2000)
    car.phase, car.facts(), car.log        # log: what the charger did against the protocol

`now_ms` never goes back and does not wrap. The car works in cycles of 10 ms while d1 gives it 12 V.

Phases (facts 2.5): asleep, awake (d1: frames, values provisional), permitted (k and 102.5.0; waits for the lock, the
insulation test and d2), closed (contactors), ready (asks for a current), charge (109.5 = 05; both directions and none),
stopping (k off, 102.5.0 = 0), weld (contactors open, checks them), ended.
"""

from typing import Any

from hw_tests.bench.chademo import codec
from hw_tests.bench.chademo.battery import CHARGE, DISCHARGE
from hw_tests.bench.chademo.checker import Checker, Deviation
from hw_tests.bench.chademo.guards import Guards
from hw_tests.bench.chademo.node import LOW_A, Node
from hw_tests.bench.chademo.profiles import Profile, profile
from hw_tests.bench.chademo.vehicle import Vehicle
from hw_tests.bench.frame import Frame

# Facts 2.5, limits in ms.
CHARGER_ms = 8_000  # first 100 -> the charger speaks
D2_ms = 20_000  # k -> d2
CLOSE_ms = 4_000  # d2 -> contactors closed
SILENCE_ms = 1_000  # without 109
STOP_ms = 2_500  # k off -> 5 A, then the contactors open anyway
OFF_ms = 10_000  # k off -> 109.5.0 = 0
V2X_ms = 500  # 109.4 = 1 -> 208 and 209
TIME_OVER_ms = 500
WELDED_ms = 2_500  # contactors open -> the inlet must have fallen
CLOSED_09_V = 50.0  # facts 2.5 step 4

PHASES = ("awake", "permitted", "closed", "ready", "charge", "stopping", "weld", "ended")
PERMITS = ("permitted", "closed", "ready", "charge")
LIVE = ("closed", "ready", "charge")


class Car(Node):
    """One emulated car at the plant's `vehicle`."""

    def __init__(self, which: Profile | str, vehicle: Vehicle, seed: int = 0):
        super().__init__(profile(which) if isinstance(which, str) else which, vehicle, seed)
        self.checker = Checker(self)
        self.guards = Guards(self)
        self._phase_step = {name: getattr(self, "_step_" + name) for name in PHASES}
        self._forget()

    def _forget(self) -> None:
        """A new session: nothing was heard, said or agreed yet."""
        super()._forget()
        self.guards.clear()
        self.charger_ms: int | None = None  # the charger's first 109
        self.heard_ms: int | None = None  # its newest
        self.d2_ms: int | None = None
        self.running_ms: int | None = None
        self.asked_ms: int | None = None  # 102.3 > 0
        self.stop_ms = 0
        self.halted_ms: int | None = None  # 109.5.5 was seen
        self.off_ms: int | None = None  # 109.5.0 has fallen
        self.opened_ms: int | None = None
        self.idle_ms: int | None = None
        self.time_over_ms: int | None = None
        self.stop_reason = ""
        self.may_discharge = False  # the charger was told a limit in this session
        self.energy_in_Wh = self.energy_out_Wh = 0.0

    # The outside.

    @property
    def log(self) -> list[Deviation]:
        """What the charger did against the protocol."""
        return self.checker.log

    @property
    def told_A(self) -> float:
        """The present current as the charger tells it, + charging."""
        told, told_out = self.heard.get("109", {}), self.heard.get("208", {})
        return float(told.get("current_dA", 0) + told_out.get("current_dA", 0)) / 10

    @property
    def direction(self) -> int:
        """+1 charging, -1 discharging, 0 neither, as the charger tells."""
        told_A = self.told_A
        return CHARGE if told_A > 0 else DISCHARGE if told_A < 0 else 0

    @property
    def v2x_agreed(self) -> bool:
        """Both are discharge compatible, and 208 and 209 are there (facts 2.6)."""
        told = self.heard.get("109")
        both = told is not None and self.profile.v2x and told["discharge_compatible"] == 1
        return both and "208" in self.heard and "209" in self.heard

    def running_for(self, now_ms: int) -> int:
        """Since 109.5 = 05, in ms; 0: it is not."""
        return now_ms - self.running_ms if self.phase == "charge" and self.running_ms is not None else 0

    def misbehave(self, name: str, for_ms: int | None = None, **arguments: Any) -> None:
        """Begin a misbehaviour (`mischief.KNOWN`), for ever or for a time; "recover" (what=...) ends one or all."""
        if name == "recover":
            self.mischief.end(arguments.get("what"))
            return
        self.mischief.begin(name, self.now_ms, for_ms, arguments)
        if name == "stop":
            self.mischief.end(name)
            if self.phase in PERMITS:
                self._stop("car", self.now_ms)
        elif name == "open_under_load":
            self._open(self.now_ms)

    def facts(self) -> dict[str, Any]:
        """The car as it sees itself."""
        vehicle, battery = self.vehicle, self.battery
        running = self.phase == "charge"
        return {
            "phase": self.phase, "direction": self.direction if running else 0,
            "demand_A": float(battery.request_A) if running else 0.0,
            "discharge_A": float(battery.discharge_A) if running else 0.0,
            "soc_told_permille": battery.gauge.permille(self.now_ms), "v2g": self.v2x_agreed,
            "may_discharge": self.may_discharge, "permitted": bool(vehicle.permission),
            "contactors_closed": bool(vehicle.contactors_closed), "openings": self.openings,
            "opened_under_load": self.opened_under_load, "stop": self.stop_reason,
            "faults": sorted(battery.state.faults), "system_fault": battery.state.system_fault,
            "sessions": self.sessions, "frames_sent": self.frames_sent, "frames_heard": self.frames_heard,
            "energy_in_Wh": round(self.energy_in_Wh, 2), "energy_out_Wh": round(self.energy_out_Wh, 2),
            "current_after_unplug_ms": self.checker.current_after_unplug_ms,
            "misbehaves": sorted(self.mischief.active), "deviations": dict(self.checker.counts),
        }  # fmt: skip

    def receive(self, frame: Frame, now_ms: int) -> None:
        """A frame of the charger."""
        self.now_ms = now_ms
        if self.phase == "asleep" or "deaf" in self.mischief.active:
            return
        self.frames_heard += 1
        try:
            name, signals = codec.decode(frame)
        except codec.CodecError as error:
            self.checker.undecoded(error, frame)
            return
        if codec.BY_NAME[name].from_car:
            self.checker.complain("unknown_frame", f"{name} from the charger")
            return
        self.checker.message(name, signals, frame, now_ms)
        self.heard[name] = signals
        if name == "109":
            self.charger_ms = now_ms if self.charger_ms is None else self.charger_ms
            self.heard_ms = now_ms
            self._hear_status(signals, now_ms)

    # Exits: a stop by either side, a fault, a time-out.

    def _stop(self, reason: str, now_ms: int, fault: str = "", system: bool = False) -> None:
        """k off and 102.5.0 = 0 (facts 2.5 step 8); with `fault` a bit of 102.4, with `system` 102.5.2."""
        state = self.battery.state
        if fault:
            state.faults.add(fault)
        state.system_fault |= system
        state.enabled = False
        self.stop_reason = self.stop_reason or reason
        self.stop_ms = now_ms
        self.battery.request_A = self.battery.discharge_A = 0
        closed = self.vehicle.close_contactors
        self._enter("stopping" if closed else "ended", now_ms)
        self.permit(False)

    def _late(self, since_ms: int | None, limit_ms: int, what: str, now_ms: int) -> bool:
        if since_ms is None or now_ms - since_ms <= limit_ms:
            return False
        self.checker.complain("timeout", what)
        self._stop(what, now_ms, system=True)
        return True

    def _hear_status(self, told: codec.Signals, now_ms: int) -> None:
        if self.phase == "charge":
            if told["stop_control"] and self.halted_ms is None:
                self.halted_ms = now_ms
            elif not told["stop_control"]:
                self.halted_ms = None
        if self.phase in ("stopping", "weld") and not told["charging"] and self.off_ms is None:
            self.off_ms = now_ms
        if self.phase in ("awake", *PERMITS):
            for bit in ("charger_fault", "system_fault", "battery_incompatible"):
                if told[bit]:
                    self._stop(bit, now_ms)
                    return

    # One cycle.

    def _cycle(self, now_ms: int) -> list[Frame]:
        state, profile = self.battery.state, self.profile
        if state.first_ms is None or self.charger_ms is None:
            state.reference = profile.first_reference
        else:  # log: 100 if the charger is 1.0, else 255
            known = self.heard["109"]["protocol"] >= 2
            state.reference = 100 if known or profile.first_reference == 100 else 255
        if state.first_ms is not None:
            state.settled = now_ms - state.first_ms >= profile.settle_ms
        if self.phase in LIVE:
            self._watch(now_ms)
        self.permit(self.phase in PERMITS)
        return super()._cycle(now_ms)

    def _watch(self, now_ms: int) -> None:
        """What ends every phase with closed contactors."""
        if not self.vehicle.d2:
            self.checker.complain("d2_early", f"d2 off at {self.vehicle.current_A:.1f} A")
            self._stop("d2_lost", now_ms)
            return
        if self.heard_ms is not None and self._late(self.heard_ms, SILENCE_ms, "charger_silent", now_ms):
            return
        wrong = self.guards.look(now_ms) if self.phase == "charge" else None
        if wrong is not None:
            self.checker.complain("car_fault", f"{wrong[0]}: {wrong[1]}")
            self._stop(wrong[0], now_ms, fault=wrong[0])

    def _begin_set(self, now_ms: int) -> None:
        """Requests move once a set."""
        offer, battery = self.heard.get("108", {}), self.battery
        available_A = offer.get("current_available_dA", 0) // 10
        agreed = self.heard.get("118", {})
        battery.state.high_current = bool(self.profile.high_current and agreed.get("high_current_control"))
        running = self.phase == "charge"
        wanted = self.phase in ("ready", "charge")
        battery.step_request(wanted, not running, available_A, now_ms)
        if wanted and battery.request_A > 0 and self.asked_ms is None:
            self.asked_ms = now_ms
        asked = self.asked_ms is not None and now_ms - self.asked_ms >= self.profile.discharge_ms
        offered_A = -self.heard.get("208", {}).get("discharge_max_dA", 0) // 10
        if self.phase in PERMITS or not self.profile.discharge_early:
            early = self.profile.discharge_early and not running
            battery.step_discharge(early or (wanted and asked and self.v2x_agreed), offered_A, now_ms)
        if running and battery.discharge_A > 0:
            self.may_discharge = True

    # One step a phase, in the order of a session.

    def _step_awake(self, now_ms: int) -> None:
        first_ms = self.battery.state.first_ms
        if first_ms is None:
            return
        if self.charger_ms is None:
            self._late(first_ms, CHARGER_ms, "charger_missing", now_ms)
            return
        if self.heard["109"]["discharge_compatible"] and self.profile.v2x and now_ms - self.charger_ms > V2X_ms:
            if not self.v2x_agreed:  # facts 2.3: the car faults
                self.checker.complain("no_208", "109.4 = 1 without 208 and 209")
                self._stop("no_208", now_ms, system=True)
                return
        active = self.mischief.active
        wait_ms = self.profile.permit_ms + self.mischief.value("late_permission", "ms", 0)
        offered_A = self.heard.get("108", {}).get("current_available_dA", 0) / 10
        if "refuse" in active or offered_A < self.profile.available_min_A:
            return
        if now_ms - first_ms >= wait_ms and now_ms - self.charger_ms >= V2X_ms:
            self.battery.state.enabled = True
            self._enter("permitted", now_ms)

    def _step_permitted(self, now_ms: int) -> None:
        vehicle = self.vehicle
        if self._late(self.heard_ms, SILENCE_ms, "charger_silent", now_ms):
            return
        if not vehicle.d2:
            self.d2_ms = None
            self._late(self.since_ms, D2_ms, "d2_missing", now_ms)
            return
        if self.d2_ms is None:
            self.d2_ms = now_ms
            if vehicle.inlet_V > self.profile.dead_V:  # facts 2.7: or it aborts
                self.checker.complain("inlet_live", f"inlet {vehicle.inlet_V:.0f} V when d2 closed")
                self._stop("inlet_live", now_ms, system=True)
                return
        if now_ms - self.d2_ms >= self.profile.close_ms:
            self._close()
            if vehicle.contactors_closed or "contactor_lie" in self.mischief.active:
                self.battery.state.contactors_open = False
                self._enter("closed", now_ms)
                return
        if now_ms - self.d2_ms > CLOSE_ms:
            self._stop("contactors", now_ms, system=True)

    def _step_closed(self, now_ms: int) -> None:
        if now_ms - self.since_ms >= self.profile.request_ms:
            self._enter("ready", now_ms)

    def _step_ready(self, now_ms: int) -> None:
        told = self.heard["109"]
        if told["charging"] and not told["stop_control"] and self.asked_ms is not None:
            self.running_ms = now_ms
            self._enter("charge", now_ms)
            return
        self._late(self.asked_ms, self.profile.start_ms, "start_missing", now_ms)

    def _step_charge(self, now_ms: int) -> None:
        self._count_energy()
        told, profile = self.heard["109"], self.profile
        if self.halted_ms is not None and now_ms - self.halted_ms >= profile.stop_ms:
            self._stop("charger", now_ms)
        elif not told["charging"]:
            self._stop("charger_off", now_ms)
        elif not profile.v2x and self.battery.full(now_ms):
            self._stop("full", now_ms)
        else:
            self._time_over(told, now_ms)
            self._idle(told, now_ms)

    def _time_over(self, told: codec.Signals, now_ms: int) -> None:
        in_minutes = told["time_left_s"] == codec.NO_TIME * 10
        if (told["time_left_min"] if in_minutes else told["time_left_s"]) > 0:
            self.time_over_ms = None
        elif self.time_over_ms is None:
            self.time_over_ms = now_ms
        elif now_ms - self.time_over_ms > TIME_OVER_ms:
            self._stop("time_over", now_ms)

    def _idle(self, told: codec.Signals, now_ms: int) -> None:
        if told["current_dA"] > 0:
            self.idle_ms = None
        elif self.idle_ms is None:
            self.idle_ms = now_ms
        elif self.profile.idle_stop_ms and now_ms - self.idle_ms > self.profile.idle_stop_ms:
            self._stop("idle", now_ms)

    def _count_energy(self) -> None:
        energy_Wh = self.vehicle.pack_V * self.vehicle.current_A * self._elapsed_ms / 3_600_000
        if energy_Wh > 0:
            self.energy_in_Wh += energy_Wh
        else:
            self.energy_out_Wh -= energy_Wh

    def _step_stopping(self, now_ms: int) -> None:
        self._count_energy()
        told = self.heard.get("109")
        if told is not None and not told["charging"] and self.off_ms is None:
            self.off_ms = now_ms
        low = abs(self.vehicle.current_A) <= LOW_A
        waited_ms = now_ms - self.stop_ms
        checked = self.off_ms is not None and low and now_ms - self.off_ms >= self.profile.open_ms
        if checked or (waited_ms > STOP_ms and not low) or waited_ms > OFF_ms or not self.vehicle.d2:
            if waited_ms > OFF_ms and self.off_ms is None:
                self.checker.complain("timeout", "109.5.0 did not fall")
            self._open(now_ms)
            self.opened_ms = now_ms
            self._enter("weld", now_ms)

    def _step_weld(self, now_ms: int) -> None:
        """The contactors are open: the voltage at the inlet must fall, or one of them is welded."""
        opened_ms = self.opened_ms if self.opened_ms is not None else now_ms
        waited_ms, vehicle = now_ms - opened_ms, self.vehicle
        fallen = vehicle.inlet_V < 0.25 * vehicle.pack_ocv_V
        if waited_ms >= self.profile.weld_ms and fallen and not vehicle.contactors_closed:
            self.battery.state.contactors_open = True
            self._enter("ended", now_ms)
        elif waited_ms > WELDED_ms:
            if not vehicle.d2 and not vehicle.contactors_closed:
                self.battery.state.contactors_open = True
            else:
                self.battery.state.system_fault = True
            self._enter("ended", now_ms)

    def _step_ended(self, now_ms: int) -> None:
        """Nothing more to say until the charger takes d1 away."""
        if not self.vehicle.contactors_closed:
            self.battery.state.contactors_open = True
