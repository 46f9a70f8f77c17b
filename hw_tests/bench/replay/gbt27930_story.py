"""The story of a GB/T 27930 session, from what both sides said: phases, deviations with their clauses, endings.

A bus shows neither contactors nor the insulation test: `handshake` is all of CHM and BHM. Times are only as good as
the log's, which may be 0.1 s coarse, so nothing here judges a single period; the mean of many is judged.
"""

from typing import Any

from hw_tests.bench.gbt27930.messages import BY_NAME, Message
from hw_tests.bench.replay.gbt27930_places import AFTER, CLAUSES, PLACES, TIMEOUTS, WORDS, LATE_s, used_bits
from hw_tests.bench.replay.protocol import CHARGER, VEHICLE, Signals, Told
from hw_tests.bench.replay.story import Story

_PERIOD_SHARE = 0.2  # so far may a mean period be off
_PERIOD_LEAST = 10  # periods for a mean
_TR_s = 0.2  # J1939: an answer is due
_COARSE_s = 0.101  # what a coarse time stamp can make of no time at all
_HELD_s = 1.0  # a difference of measurements lasts so long before it is told
_READY = 0xAA
_SILENT_s = 1.0
_RUNNING = ("charge", "discharge", "pause")
_ENDING = ("stopping", "statistics", "error")


class GbtStory(Story):
    """Feed it everything told."""

    clauses = CLAUSES

    def __init__(self) -> None:
        super().__init__()
        self._heard: dict[str, float] = {}  # in this phase
        self._ever: dict[str, float] = {}  # in this attempt
        self._periods: dict[str, tuple[int, float]] = {}  # how many, their sum
        self._last: dict[str, Signals] = {}
        self._rts: tuple[float, str] | None = None  # not yet answered
        self._since: dict[str, float] = {}
        self._over = False

    def _hear(self, told: Told) -> None:
        if told.error:
            self._undecoded(told)
            return
        name = told.name
        if name.startswith("TP."):
            self._transport(told)
            return
        if told.frame is None and told.packets == 0:
            return
        self._move(name, told)
        self._place(name, told)
        self._timing(name, told)
        self._padding(name, told)
        self._last[name] = told.signals
        judge = getattr(self, "_hear_" + name.lower().replace("bclp", "bcl"), None)
        if judge is not None:
            judge(told.signals, told)
        self._ever[name] = self._heard[name] = told.t_s
        if name == "BCLP":
            self._ever["BCL"] = self._heard["BCL"] = told.t_s

    # --- phases ---
    def _move(self, name: str, told: Told) -> None:
        phase = self.phase
        if name in ("CHM", "CDC", "CRM"):
            self._begin(name, told)
        elif name in ("CML", "CTS") and phase == "identify":
            self._enter("configure")
        elif name == "CRO" and phase == "configure":
            self._enter("precharge")
        elif name in ("BCL", "BCLP", "CCS") and phase not in (*_RUNNING, *_ENDING):
            self._enter("charge")
        elif name in ("CST", "BST") and phase not in _ENDING:
            self._stop(name, told)
        elif name in ("BSD", "CSD") and phase in ("stopping", *_RUNNING):
            self._enter("statistics")
        elif name in ("BEM", "CEM") and phase != "error":
            self._error(name, told)
        if name == "CCS" and self.phase in _RUNNING:
            self._direct(told.signals.get("permission", 1), told.t_s)

    def _begin(self, name: str, told: Told) -> None:
        """What begins a handshake or an identification, whatever was before."""
        if name == "CRM":
            if told.signals["result"] != _READY and self.phase in ("", "error"):
                self._again("identify")
            elif told.signals["result"] != _READY and self.phase == "handshake":
                self._enter("identify")
            return
        if self.phase == "handshake":
            return
        if self.phase not in ("", *_ENDING):
            if self.now_s - self.since_s <= 0.5:
                return  # its last ones cross the first of the next phase
            self._end(CHARGER, "restart", f"{name} in the phase {self.phase}: the charger began anew")
        self._again("handshake")

    def _direct(self, permission: int, t_s: float) -> None:
        """CCS 7.1-2: pause, charge, discharge. Before it was ever allowed it is no pause."""
        paused = "pause" if "allowed" in self._since else self.phase
        self._enter({0: paused, 2: "discharge"}.get(permission, "charge"))
        if permission:
            self._since["allowed"] = t_s

    def _enter(self, phase: str) -> None:
        if phase != self.phase:
            self._missing()
            if not (phase in _RUNNING and self.phase in _RUNNING):
                self._heard.clear()
            self.enter(phase)

    def _again(self, phase: str) -> None:
        """A new attempt: nothing was said yet."""
        self._missing()
        self._ever.clear()
        self._heard.clear()
        self._since.clear()
        self._over = False
        self.enter(phase)

    def _end(self, side: str, how: str, reason: str) -> None:
        if not self._over:
            self._over = True
            self.ended(side, how, reason)

    def _stop(self, name: str, told: Told) -> None:
        side = told.side
        answer = {"CST": "bms_stopped", "BST": "charger_stopped"}[name]
        reasons = [key for key, value in told.signals.items() if value == 1]
        alone = [reason for reason in reasons if reason != answer]
        if reasons == [answer]:  # an answer to what the log does not show
            self.deviate(side, "wrong_value", f"{name} answers a stop of the other side that was not seen")
        self._end(side, "stop", f"{name}: {', '.join(alone or reasons) or 'no reason given'}")
        self._enter("stopping")

    def _error(self, name: str, told: Told) -> None:
        missing = [key for key, value in told.signals.items() if value == 1]
        reason = f"{name}: {', '.join(missing) or 'no reason given'}"
        for key in missing:
            word = WORDS.get((name, key))
            at_s = self._ever.get(word) if word else None
            if word and at_s is not None:
                reason += f"; the last {word} was {told.t_s - at_s:.1f} s before"
            elif word:
                reason += f"; no {word} came"
        other = VEHICLE if told.side == CHARGER else CHARGER
        if told.t_s - self.last_s[other] > 0.5:
            reason += f"; the {other} had been silent for {told.t_s - self.last_s[other]:.1f} s"
        self._end(told.side, "error", reason)
        self._enter("error")

    # --- order, time, bits ---
    def _place(self, name: str, told: Told) -> None:
        places = PLACES.get(name)
        tail = self.phase in ("stopping", "error") and self.now_s - self.since_s <= 0.3
        if places is not None and self.phase and self.phase not in places and not tail:
            self.once(told.side, "wrong_phase", f"{name} {self.phase}", f"{name} in the phase {self.phase}")
        for before in AFTER.get(name, ()):
            if before not in self._ever and self.phases and self.phases[0].t_s < told.t_s:
                self.once(told.side, "out_of_order", f"{name} {before}", f"{name} before any {before}")

    def _timing(self, name: str, told: Told) -> None:
        name = "BCL" if name == "BCLP" else name
        at_s = self._heard.get(name)
        if at_s is None:
            return
        gap_s = told.t_s - at_s
        late_s = LATE_s.get(name)
        if late_s is not None and gap_s > late_s + _COARSE_s:
            limit_s = TIMEOUTS.get(name, 5.0)
            what = f"{name} after {gap_s:.1f} s" + (f", the time-out is {limit_s:g} s" if gap_s > limit_s else "")
            self.deviate(told.side, "late", what)
        elif gap_s >= 0:
            count, total_s = self._periods.get(name, (0, 0.0))
            self._periods[name] = count + 1, total_s + gap_s

    def _padding(self, name: str, told: Told) -> None:
        message = BY_NAME.get(name)
        if message is None or told.packets or name in ("BEM", "CEM"):  # their idle pattern is F0 F0 F0 FC (facts 1.4);
            return  # and the optional parts of long messages are as they are
        unused = ~used_bits(message, len(told.raw)) & (1 << 8 * len(told.raw)) - 1
        if int.from_bytes(told.raw, "little") & unused != unused:
            self.once(told.side, "padding", name, f"{name} {told.raw.hex(' ')}")

    def _missing(self) -> None:
        """At the end of a phase: what should have come in it and did not."""
        if self.phase == "charge" and self.now_s - self.since_s > 5:
            for name, side in (("BCS", VEHICLE), ("BSM", VEHICLE), ("CCS", CHARGER), ("BCL", VEHICLE)):
                if name not in self._ever and not (name == "BCL" and "BCLP" in self._ever):
                    self.deviate(side, "missing", f"no {name} in the phase charge")
        if self.phase == "error" and self.now_s - self.since_s > 5:
            self.deviate(CHARGER, "no_retry", f"no CRM=00 in {self.now_s - self.since_s:.0f} s after the error")
        if self.phase == "handshake" and "BHM" not in self._ever and self.now_s - self.since_s > 1:
            self.deviate(VEHICLE, "missing", "no BHM: a car of the 2011 edition, or none")

    def _undecoded(self, told: Told) -> None:
        message = BY_NAME.get(told.name)
        if "no answer" in told.error:
            return  # the charger's doing: tp_silent
        if "incomplete" in told.error:
            self.deviate(VEHICLE, "tp_incomplete", f"{told.name} {told.error}", told.t_s)
        elif message is None and told.name != "TP":
            self.once(told.side, "unknown_frame", told.error, told.error)
        else:
            self.deviate(told.side, "wrong_length" if told.name != "TP" else "tp_wrong", told.error)

    # --- transport (facts 1.3) ---
    def _transport(self, told: Told) -> None:
        if told.name == "TP.RTS":
            if self._rts is not None:
                self.deviate(CHARGER, "tp_silent", f"the RTS at {self._rts[0]:.1f} s had no answer")
            self._rts = told.t_s, f"{told.signals['pgn']:04X}"
        elif told.name in ("TP.CTS", "TP.ABORT") and told.side == CHARGER:
            if told.name == "TP.ABORT":
                self.deviate(CHARGER, "tp_aborted", f"{told.signals['pgn']:04X}, reason {told.signals['reason']}")
            if self._rts is not None and told.t_s - self._rts[0] > _TR_s + _COARSE_s:
                self.deviate(CHARGER, "tp_late", f"CTS after {told.t_s - self._rts[0]:.1f} s")
            self._rts = None

    # --- contents ---
    def _hear_chm(self, signals: Signals, told: Told) -> None:
        if told.raw not in (b"\x01\x01\x00", b"\x00\x01\x00"):
            self.once(CHARGER, "wrong_value", "CHM", f"CHM version {told.raw.hex(' ')}")

    def _hear_bhm(self, signals: Signals, told: Told) -> None:
        self.facts["inlet_max_dV"] = signals["voltage_max_dV"]

    def _ready_or_not(self, name: str, key: str, signals: Signals, told: Told) -> None:
        if signals[key] not in (0, _READY):
            self.once(told.side, "wrong_value", name, f"{name} {told.raw[0]:02X}, neither 00 nor AA")

    def _hear_crm(self, signals: Signals, told: Told) -> None:
        self._ready_or_not("CRM", "result", signals, told)
        if signals["result"] == _READY and "BRM" not in self._ever and "identify" in [p.name for p in self.phases]:
            self.once(CHARGER, "out_of_order", "CRM=AA", "CRM=AA before BRM was complete")

    def _hear_brm(self, signals: Signals, told: Told) -> None:
        self.facts["vin"] = signals.get("vin", "")

    def _hear_bcp(self, signals: Signals, told: Told) -> None:
        keys = ("voltage_max_dV", "voltage_dV", "energy_Wh", "soc_permille")
        self.facts |= {"pack_" + key: signals[key] for key in keys if key in signals}
        self.facts["charge_max_dA"] = signals["current_max_dA"]

    def _hear_cml(self, signals: Signals, told: Told) -> None:
        fine = signals["voltage_min_dV"] < signals["voltage_max_dV"] and 0 <= signals["current_min_dA"]
        if not fine or signals["current_min_dA"] > signals["current_max_dA"]:
            self.once(CHARGER, "wrong_value", "CML", f"CML {told.raw.hex(' ')}")
        pack_dV = self._last.get("BCP", {}).get("voltage_dV")
        if pack_dV is not None and not signals["voltage_min_dV"] <= pack_dV <= signals["voltage_max_dV"]:
            self.once(CHARGER, "range", "CML", f"the pack's {pack_dV / 10:.1f} V lie outside the charger's range")

    def _hear_bro(self, signals: Signals, told: Told) -> None:
        self._ready_or_not("BRO", "ready", signals, told)
        if signals["ready"] == _READY:
            self._ever["BRO=AA"] = told.t_s

    def _hear_cro(self, signals: Signals, told: Told) -> None:
        self._ready_or_not("CRO", "ready", signals, told)
        if "BRO=AA" not in self._ever:
            self.once(CHARGER, "out_of_order", "CRO", "CRO before BRO=AA")
        if signals["ready"] == _READY:
            self._ever["CRO=AA"] = told.t_s

    def _hear_bcl(self, signals: Signals, told: Told) -> None:
        if "CRO=AA" not in self._ever:
            self.once(VEHICLE, "out_of_order", "BCL", "BCL before CRO=AA")
        most = self._last.get("BCP", {})
        if most and signals["mode"] != 3:
            if signals["current_dA"] > most["current_max_dA"]:
                what = f"{signals['current_dA'] / 10:.1f} A asked, at most {most['current_max_dA'] / 10:.1f}"
                self.once(VEHICLE, "demand_above_max", "A", what)
            if signals["voltage_dV"] > most["voltage_max_dV"]:
                what = f"{signals['voltage_dV'] / 10:.1f} V asked, at most {most['voltage_max_dV'] / 10:.1f}"
                self.once(VEHICLE, "demand_above_max", "V", what)
        self.most("demand_most_dA", abs(signals["current_dA"]))

    def _hear_bcs(self, signals: Signals, told: Told) -> None:
        self.facts.setdefault("soc_first_permille", signals["soc_permille"])
        self.facts["soc_last_permille"] = signals["soc_permille"]
        if signals["soc_permille"] > 1000:
            self.once(VEHICLE, "wrong_value", "BCS", f"BCS tells {signals['soc_permille'] / 10:.0f} %")

    def _hear_ccs(self, signals: Signals, told: Told) -> None:
        self.most("voltage_most_dV", signals["voltage_dV"])
        self.most("current_most_dA", abs(signals["current_dA"]))
        car, demand, pack = self._last.get("BCS"), self._last.get("BCL"), self._last.get("BCP")
        if "CCS" not in self._ever and pack is not None and signals["voltage_dV"] < 0.95 * pack["voltage_dV"]:
            what = f"the first CCS tells {signals['voltage_dV'] / 10:.1f} V, the pack has {pack['voltage_dV'] / 10:.1f}"
            self.once(CHARGER, "no_precharge", "", what)
        if car is not None and "BCS" in self._ever:
            off_dV = signals["voltage_dV"] - car["voltage_dV"]
            self._lasting(CHARGER, "ccs_measurement", abs(off_dV) > 50 + car["voltage_dV"] / 50, told,
                          f"CCS tells {signals['voltage_dV'] / 10:.1f} V, BCS {car['voltage_dV'] / 10:.1f} V",
                          "more" if off_dV > 0 else "less")  # fmt: skip
            off_dA = signals["current_dA"] - car["current_dA"]
            self._lasting(CHARGER, "ccs_current", abs(off_dA) > 30 + abs(car["current_dA"]) / 20, told,
                          f"{signals['current_dA'] / 10:.1f} A, BCS has {car['current_dA'] / 10:.1f} A")  # fmt: skip
        if demand is not None and signals["current_dA"] > 0:
            above = signals["current_dA"] > demand["current_dA"] * 1.03 + 20
            self._lasting(CHARGER, "current_above_demand", above, told,
                          f"{signals['current_dA'] / 10:.1f} A, asked {demand['current_dA'] / 10:.1f}")  # fmt: skip

    def _lasting(self, side: str, name: str, wrong: bool, told: Told, detail: str, key: str = "") -> None:
        if not wrong:
            self._since.pop(name, None)
        elif told.t_s - self._since.setdefault(name, told.t_s) >= _HELD_s:
            self.once(side, name, key, detail)

    # --- the end ---
    def finish(self) -> None:
        """Means, the last gaps, and an ending if nobody has said one."""
        self._missing()
        for name, (count, total_s) in self._periods.items():
            message: Message | None = BY_NAME.get(name)
            if message is None or not message.period_ms or count < _PERIOD_LEAST:
                continue
            mean_ms = total_s / count * 1000
            if abs(mean_ms - message.period_ms) > _PERIOD_SHARE * message.period_ms:
                side = VEHICLE if message.from_car else CHARGER
                what = f"{name} every {mean_ms:.0f} ms on the mean of {count}, not {message.period_ms}"
                self.deviate(side, "period", what)
        if self._rts is not None:
            self.deviate(CHARGER, "tp_silent", f"the RTS at {self._rts[0]:.1f} s had no answer", self._rts[0])
        if not self._over and self.phases:
            self._silent()

    def _silent(self) -> None:
        for side, other in ((CHARGER, VEHICLE), (VEHICLE, CHARGER)):
            silent_s = self.last_s[other] - self.last_s[side]
            if silent_s > _SILENT_s:
                self._end(side, "silence", f"the {side} falls silent; the {other} goes on for {silent_s:.1f} s")
                return
        self._end("", "log ends", f"in the phase {self.phase}, with both sides speaking")

    def told_now(self) -> dict[str, Any]:
        """Newest signals by message, for the plot."""
        return self._last
