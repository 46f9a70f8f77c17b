"""The story of a CHAdeMO session, from what both sides said: phases, deviations with their clauses, endings.

The phases are those of hw_tests/bench/chademo/observer.py, as far as a bus shows them: d1, d2, k and the lock do not
appear on it, only what both sides say of them.
"""

from hw_tests.bench.chademo.codec import BY_ID, FAULTS, NO_TIME, stray
from hw_tests.bench.replay.protocol import CHARGER, VEHICLE, Signals, Told
from hw_tests.bench.replay.story import Story

_F = "CHAdeMO (IEEE 2030.1.1), facts "
CLAUSES = {
    "wrong_length": _F + "2.1 DLC 8", "stray_bits": _F + "2.1 unused bytes 0", "period": _F + "2.1 every 100 ms",
    "late": _F + "2.1, 2.5 no 102 for 1 s", "out_of_order": _F + "2.1 108 before 109",
    "early": _F + "2.1 the charger starts after the car's first set", "missing": _F + "2.3 109.4, 208 and 209",
    "permission_late": _F + "2.5 step 2: 8 s", "close_late": _F + "2.5 step 4: 24 s",
    "request_late": _F + "2.5 step 5: 4 s", "start_late": _F + "2.5 step 6: 0.5 s",
    "current_above_request": _F + "2.5 step 7", "stop_late": _F + "2.5 step 8: 2.5 s",
    "current_after_stop": _F + "2.5 step 8: 5 A in 0.5 s", "weld_late": _F + "2.5 step 9: 4 s, 10 s at most",
    "not_fallen": _F + "2.3 108.0: 10 V within 2 s", "unlocked_live": _F + "2.4, 2.5 step 10: V < 10 V",
    "threshold": _F + "2.3 108.4-5", "incompatible": _F + "2.3 battery-incompatible",
    "both_directions": _F + "2.6 109.3 = 0 while discharging", "discharge_undeclared": _F + "2.6 conditions",
    "discharge_above_limit": _F + "2.6", "target_moved": _F + "2.7 freeze the target at d2",
    "current_early": _F + "2.5 step 6: 109.5.0 first", "time_over": _F + "2.5 stop causes: remaining time 0",
}  # fmt: skip

_PERIOD_s = 0.1
_LATE_s = 0.3
_SLACK_s = 0.11  # a frame's period: nothing can be seen sooner
_LIVE_dV = 600
_RUNNING = ("charge", "discharge")
_BEFORE = ("handshake", "configure", "insulation", "precharge")


class ChademoStory(Story):
    """Feed it everything told."""

    clauses = CLAUSES

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, Signals] = {}
        self._at: dict[str, float] = {}
        self._periods: dict[str, tuple[int, float]] = {}
        self._when: dict[str, float] = {}  # moments of this session
        self._since: dict[str, float] = {}
        self._stopped = False
        self._over = False

    def _hear(self, told: Told) -> None:
        if told.error:
            self.deviate(told.side, "wrong_length", told.error)
            return
        name = told.name
        if told.frame is not None and stray(told.frame):
            self.once(told.side, "stray_bits", name, f"{name} {told.raw.hex(' ')}")
        self._timing(name, told)
        judge = getattr(self, "_hear_" + name, None)
        if judge is not None:
            judge(told.signals, told)
        self._last[name] = told.signals
        self._at[name] = told.t_s

    def _timing(self, name: str, told: Told) -> None:
        at_s = self._at.get(name)
        if at_s is None:
            return
        gap_s = told.t_s - at_s
        if gap_s > _LATE_s and name not in ("202", "700"):
            what = f"{name} after {gap_s:.2f} s" + (", the time-out is 1 s" if gap_s > 1 else "")
            self.deviate(told.side, "late", what)
        elif gap_s >= 0:
            count, total_s = self._periods.get(name, (0, 0.0))
            self._periods[name] = count + 1, total_s + gap_s

    # --- the charger ---
    def _hear_108(self, signals: Signals, told: Told) -> None:
        if "108" not in self._at and not {"100", "101", "102"} <= self._at.keys():
            self.once(CHARGER, "early", "108", "108 before the car's first 100, 101 and 102")
        self.facts["available_dA"] = signals["current_available_dA"]
        battery = self._last.get("100")
        if battery is not None and "permitted" in self._when:
            least_dV = min(battery["voltage_max_dV"], signals["voltage_available_dV"])
            if signals["voltage_threshold_dV"] != least_dV:
                what = f"108.4-5 is {signals['voltage_threshold_dV'] / 10:.0f} V, not {least_dV / 10:.0f}"
                self.once(CHARGER, "threshold", "", what)

    def _hear_109(self, signals: Signals, told: Told) -> None:
        if "108" not in self._at:
            self.once(CHARGER, "out_of_order", "109", "109 before any 108")
        if not self.phase or (self.phase == "ended" and signals["locked"]):
            self._forget()
            self.enter("handshake")
            self._when["109"] = told.t_s
        self.most("voltage_most_dV", signals["voltage_dV"])
        self.most("current_most_dA", signals["current_dA"])
        self._charger_status(signals, told)
        self._declared(signals, told)
        self._flow(signals, told)

    def _forget(self) -> None:
        """A session begins, the first of the log or another one."""
        self._when.clear()
        self._since.clear()
        self._over = False

    def _charger_status(self, signals: Signals, told: Told) -> None:
        if self.phase == "handshake" and signals["locked"]:
            self.enter("configure")
        if self.phase == "configure" and signals["voltage_dV"] > _LIVE_dV:
            self.enter("insulation")
        if signals["charging"] and self.phase in _BEFORE:
            self._begins(told)
        if signals["stop_control"] and self.phase in _RUNNING:
            bits = [key for key in ("charger_fault", "system_fault", "battery_incompatible") if signals[key]]
            self._stops(CHARGER, "109.5.5" + (f", {', '.join(bits)}" if bits else ""))
        elif not signals["charging"] and self.phase in _RUNNING:
            self._stops(CHARGER, "109.5.0 fell at once")
        if not signals["charging"] and self.phase == "stopping":
            self.enter("weld_check")
            self._when["off"] = told.t_s
        if self.phase == "weld_check" and not signals["locked"]:
            self.need(signals["voltage_dV"] <= 100, CHARGER, "unlocked_live",
                      f"unlocked at {signals['voltage_dV'] / 10:.0f} V")  # fmt: skip
            self.enter("ended")
            self._when["ended"] = told.t_s

    def _begins(self, told: Told) -> None:
        self.enter("charge")
        asked_s = self._when.get("asked")
        if asked_s is not None and told.t_s - asked_s > 0.5 + _SLACK_s:
            self.deviate(CHARGER, "start_late", f"109.5 = 05 came {told.t_s - asked_s:.2f} s after the request")

    def _stops(self, side: str, reason: str) -> None:
        self._end(side, "stop", reason)
        self.enter("stopping")
        self._when["stop"] = self.now_s

    def _end(self, side: str, how: str, reason: str) -> None:
        if not self._over:
            self._over = True
            self.ended(side, how, reason)

    def _declared(self, signals: Signals, told: Told) -> None:
        """109.4 = 1 asks for 208 and 209."""
        if not signals["discharge_compatible"]:
            return
        since_s = self._when.setdefault("v2x", told.t_s)
        for name in ("208", "209"):
            if name not in self._at and told.t_s - since_s > 0.5:
                self.once(CHARGER, "missing", name, f"109.4 = 1 without {name}")

    def _flow(self, signals: Signals, told: Told) -> None:
        if signals["current_dA"] and not signals["charging"] and self.phase in _BEFORE:
            what = f"{signals['current_dA'] / 10:.0f} A before 109.5.0"
            self.once(CHARGER, "current_early", "", what)
        if self.phase == "discharge" and signals["current_dA"] > 0:
            self.enter("charge")
        discharging = self._last.get("208", {}).get("current_dA", 0) < 0
        if discharging and signals["current_dA"]:
            self.once(CHARGER, "both_directions", "", "109.3 and 208.0 tell a current at the same time")
        car = self._last.get("102")
        if car is not None and self.phase == "charge":
            above = signals["current_dA"] > car["request_dA"] * 1.1 + 20 and car["request_dA"] < 2550
            self._lasting(CHARGER, "current_above_request", above, told,
                          f"{signals['current_dA'] / 10:.0f} A, asked {car['request_dA'] / 10:.0f}")  # fmt: skip
        disabled_s = self._when.get("disabled")
        if disabled_s is not None and signals["current_dA"] > 50 and told.t_s - disabled_s > 0.5 + _SLACK_s:
            self.once(CHARGER, "current_after_stop", "", f"{signals['current_dA'] / 10:.0f} A after k off")
        opened_s = self._when.get("opened")
        if opened_s is not None and self._last.get("108", {}).get("weld_detection"):
            if told.t_s - opened_s > 2 + _SLACK_s and signals["voltage_dV"] > 100:
                self.once(CHARGER, "not_fallen", "", f"{signals['voltage_dV'] / 10:.0f} V, 2 s after the contactors")
        if self.phase in _RUNNING and not signals["time_left_min"] and signals["time_left_s"] in (0, NO_TIME * 10):
            self.once(CHARGER, "time_over", "", "remaining time 0 while running")

    def _hear_208(self, signals: Signals, told: Told) -> None:
        self.most("discharge_most_dA", -signals["current_dA"])
        if signals["current_dA"] >= 0:
            return
        if self.phase == "charge":
            self.enter("discharge")
        car, own, limit = self._last.get("102", {}), self._last.get("109", {}), self._last.get("200")
        if not (car.get("discharge_compatible") and own.get("discharge_compatible") and limit is not None):
            self.once(CHARGER, "discharge_undeclared", "", "discharge without 102.5.7, 109.4 and 200")
        elif -signals["current_dA"] > -limit["discharge_max_dA"] * 1.1 + 20:
            what = f"{-signals['current_dA'] / 10:.0f} A, the car allows {-limit['discharge_max_dA'] / 10:.0f}"
            self.once(CHARGER, "discharge_above_limit", "", what)

    # --- the car ---
    def _hear_100(self, signals: Signals, told: Told) -> None:
        self.facts["battery_max_dV"] = signals["voltage_max_dV"]

    def _hear_101(self, signals: Signals, told: Told) -> None:
        self.facts["capacity_Wh"] = signals["capacity_Wh"]

    def _hear_200(self, signals: Signals, told: Told) -> None:
        if "permitted" in self._when:
            keys = [key for key in ("energy_min_permille", "energy_max_permille") if key in signals]
            self.facts |= {key: signals[key] for key in keys}

    def _hear_102(self, signals: Signals, told: Told) -> None:
        if signals["charge_enabled"]:
            self._enabled(signals, told)
        elif self.phase in (*_RUNNING, "precharge"):
            self._car_stops(signals)
        if not signals["charge_enabled"] and "permitted" in self._when:
            self._when.setdefault("disabled", told.t_s)
        faults = [name for name in FAULTS if signals[name]]
        if faults and self.phase in (*_RUNNING, "precharge"):
            self._stops(VEHICLE, f"102.4: {', '.join(faults)}")
        if self.phase in ("stopping", "weld_check") and signals["contactors_open"]:
            self._opened(told)

    def _enabled(self, signals: Signals, told: Told) -> None:
        when = self._when
        if "permitted" not in when:
            when["permitted"] = told.t_s
            self._compatible(signals)
            if told.t_s - when.get("109", told.t_s) > 8 + _SLACK_s:
                self.deviate(VEHICLE, "permission_late", f"102.5.0 {told.t_s - when['109']:.1f} s after the first 109")
        closed = not signals["contactors_open"] if signals["protocol"] >= 2 else signals["request_dA"] > 0
        if closed and self.phase in _BEFORE and self.phase != "precharge":
            self.enter("precharge")
            when["closed"] = told.t_s
            when["target"] = signals["target_dV"]
            if told.t_s - when["permitted"] > 24 + _SLACK_s:
                self.deviate(VEHICLE, "close_late", f"contactors {told.t_s - when['permitted']:.1f} s after 102.5.0")
        if signals["request_dA"] and "asked" not in when and "closed" in when:
            when["asked"] = told.t_s
            if told.t_s - when["closed"] > 4 + _SLACK_s:
                self.deviate(VEHICLE, "request_late", f"102.3 {told.t_s - when['closed']:.1f} s after the contactors")
        if "closed" in when and signals["target_dV"] not in (when["target"], 0):
            self.once(VEHICLE, "target_moved", "", f"{when['target'] / 10:.0f} to {signals['target_dV'] / 10:.0f} V")
        if "soc_permille" in signals:
            self.facts.setdefault("soc_first_permille", signals["soc_permille"])
            self.facts["soc_last_permille"] = signals["soc_permille"]
        self.most("request_most_dA", signals["request_dA"])

    def _compatible(self, signals: Signals) -> None:
        offer = self._last.get("108")
        if offer is not None and signals["target_dV"] > offer["voltage_available_dV"]:
            if not self._last.get("109", {}).get("battery_incompatible"):
                self.once(CHARGER, "incompatible", "", "the target lies above 108.1-2 and 109.5.3 is 0")

    def _car_stops(self, signals: Signals) -> None:
        causes = [key for key in ("not_in_park", "system_fault", "stop_before_charge") if signals[key]]
        self._stops(VEHICLE, "102.5.0 = 0" + (f", {', '.join(causes)}" if causes else ""))

    def _opened(self, told: Told) -> None:
        if "opened" in self._when:
            return
        self._when["opened"] = told.t_s
        off_s = self._when.get("off")
        if off_s is not None and told.t_s - off_s > 4 + _SLACK_s:
            self.deviate(VEHICLE, "weld_late", f"102.5.3 = 1 {told.t_s - off_s:.1f} s after 109.5.0 = 0")
        if "stop" in self._when and off_s is None and told.t_s - self._when["stop"] > 2.5 + _SLACK_s:
            self.deviate(CHARGER, "stop_late", f"109.5.0 still 1, {told.t_s - self._when['stop']:.1f} s after the stop")

    def _lasting(self, side: str, name: str, wrong: bool, told: Told, detail: str) -> None:
        if not wrong:
            self._since.pop(name, None)
        elif told.t_s - self._since.setdefault(name, told.t_s) >= 1.0:
            self.once(side, name, "", detail)

    # --- the end ---
    def finish(self) -> None:
        """Means, and an ending if nobody has said one."""
        for name, (count, total_s) in self._periods.items():
            mean_s = total_s / count
            if count >= 10 and name not in ("202", "700") and abs(mean_s - _PERIOD_s) > 0.1 * _PERIOD_s:
                side = next(VEHICLE if each.from_car else CHARGER for each in BY_ID.values() if each.name == name)
                self.deviate(side, "period", f"{name} every {mean_s * 1000:.0f} ms on the mean of {count}, not 100")
        if self._over or not self.phases:
            return
        for side, other in ((CHARGER, VEHICLE), (VEHICLE, CHARGER)):
            silent_s = self.last_s[other] - self.last_s[side]
            if silent_s > 1.0:
                self._end(side, "silence", f"the {side} falls silent; the {other} goes on for {silent_s:.1f} s")
                return
        self._end("", "log ends", f"in the phase {self.phase}, with both sides speaking")
