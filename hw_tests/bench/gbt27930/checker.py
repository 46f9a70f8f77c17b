"""What the car sees the charger do wrong, from the standard's view and each with its clause.

A session is clean when `Car.log` is empty. Nothing here changes what the car does.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

from . import codec

if TYPE_CHECKING:
    from .car import Car

MOST_OF_A_KIND = 20  # entries of one name in the log; all are counted


class Deviation(NamedTuple):
    """One thing that the charger did against the standard."""

    at_ms: int
    name: str
    detail: str
    clause: str


# name: the clause of the facts that it offends.
CLAUSES = {
    "unknown_frame": "1.2 ids", "wrong_length": "1.2 lengths", "wrong_phase": "1.2 sent when",
    "late": "1.2 periods", "wrong_value": "1.4 signals", "padding": "1.1 unused bits are ones",
    "tp_unexpected": "1.3", "tp_aborted": "1.3", "tp_late": "1.3 Tr", "tp_wrong": "1.3", "tp_silent": "1.3 T3, T4",
    "timeout": "1.6", "restarts": "1.6 at most 3 times",
    "aux_voltage": "1.5 12 V +-5 %", "insulation_voltage": "1.5 min(BHM voltage, own max)",
    "aux_off_early": "1.5 normal stop", "not_bled": "1.5 output <= 60 V",
    "current_before_permission": "1.5 CCS", "current_above_demand": "1.4 BCL",
    "current_above_maximum": "1.4 BCP, 1.8 BCPP", "discharged_without_permission": "1.8",
    "pack_over_voltage": "1.4 BCP", "pack_under_voltage": "1.8 BCPP", "below_own_minimum": "1.8 BCPP",
    "current_in_pause": "1.4 BSM: pause", "no_stop_on_fault": "1.4 BSM: stop", "current_after_stop": "1.6 BST, CST",
    "current_without_bcl": "1.6 BCL 1 s", "wrong_direction": "1.8 CCD, CCS", "ccs_measurement": "1.4 CCS",
    "csd_statistics": "1.4 CSD",
}  # fmt: skip

# Phases in which each message of the charger has a place (facts 1.2, 1.5, 1.8a).
PLACES = {
    "CDC": {"awake", "offer"},
    "CHM": {"awake", "offer", "handshake", "ended"},
    "CRM": {"awake", "handshake", "identify", "parameters", "error"},
    "CTS": {"parameters", "ready"},
    "CML": {"parameters", "ready"},
    "CMLP": {"parameters", "ready"},
    "CRO": {"ready", "charge"},
    "CCD": {"ready", "charge", "stopping"},
    "CCS": {"charge"},
    "CST": {"parameters", "ready", "charge", "stopping", "statistics", "error"},
    "CSD": {"statistics", "ended"},
    "CSDP": {"statistics", "ended"},
}

# Silence between two of the same within a phase that is no mere jitter. The standard's periods are 10 to 500 ms, real
# chargers are slow (facts 1.6), so a deviation is what comes near a time-out: half of it, or four periods.
LATE_ms = {"CHM": 1000, "CRM": 1000, "CML": 1000, "CTS": 2000, "CRO": 1000, "CCS": 500, "CST": 100, "CSD": 1000,
           "CCD": 2500}  # fmt: skip

PHYSICAL = {"current", "high", "low", "empty", "most"}  # what lasts only as long as current flows
HELD_ms = 500  # how long a physical excess must last: shorter ones are the regulator's
SLOPE_A_s = 20.0  # a falling demand must be followed at least so fast (GB/T 18487.1)
DELAY_ms = 1000  # after this


class Checker:
    """Watches what the car receives and senses. `log` has the deviations, `counts` how many of each name."""

    def __init__(self, car: "Car"):
        self.log: list[Deviation] = []
        self.counts: dict[str, int] = {}
        self.current_after_unplug_ms: int | None = None  # from the loss of the plug to 5 A
        self._car = car
        self._heard: dict[str, int] = {}
        self._allow_A = {1: 0.0, -1: 0.0}  # what the demands of the last second justify, each direction
        self._fall_ms = {1: 0, -1: 0}
        self._since: dict[str, int] = {}
        self._said: set[str] = set()
        self._wrong_ccs = 0
        self._unplugged_ms: int | None = None
        self._at_ms = 0

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

    def new_phase(self) -> None:
        """Periods and lasting deviations are judged within a phase."""
        self._heard.clear()
        self._since.clear()
        self._said.clear()
        self._wrong_ccs = 0

    # Messages.

    def message(self, name: str, signals: dict[str, Any], now_ms: int, length: int, raw: bytes) -> None:
        """A well-formed message of the charger, before the car acts on it."""
        car = self._car
        places = PLACES.get(name)
        if places is not None and car.phase not in places:
            if not (name == "CCS" and car.phase in ("stopping", "error") and now_ms - car.since_ms < 300):
                self.complain("wrong_phase", name)
        last_ms = self._heard.get(name)
        if last_ms is not None and now_ms - last_ms > LATE_ms.get(name, 1 << 60):
            self.complain("late", f"{name} after {now_ms - last_ms} ms")
        self._heard[name] = now_ms
        judge = getattr(self, "_judge_" + name.lower(), None)
        if judge is not None:
            judge(signals, now_ms, raw)

    def _need(self, condition: bool, name: str, detail: str) -> None:
        if not condition:
            self.complain(name, detail)

    def _judge_chm(self, signals: dict[str, Any], now_ms: int, raw: bytes) -> None:
        self._need(raw == b"\x01\x01\x00", "wrong_value", f"CHM version {raw.hex(' ')}, not 01 01 00")

    def _judge_cdc(self, signals: dict[str, Any], now_ms: int, raw: bytes) -> None:
        # V1.12 as 12 or as BCD: the source does not say.
        known = signals["version_major"] == 1 and signals["version_minor"] in (12, 0x12)
        self._need(known, "wrong_value", f"CDC version {raw[:3].hex(' ')}")

    def _judge_crm(self, signals: dict[str, Any], now_ms: int, raw: bytes) -> None:
        car = self._car
        self._need(signals["result"] in (0, 0xAA), "wrong_value", f"CRM result {raw[0]:02X}")
        if car.phase in ("awake", "handshake") and not car.vehicle.contactors_closed:
            self._need(car.vehicle.inlet_V <= 60, "not_bled", f"inlet {car.vehicle.inlet_V:.0f} V at CRM")
        if signals["result"] == 0xAA:
            self._need("BRM" in car.delivered, "wrong_phase", "CRM=AA before BRM was complete")

    def _judge_cml(self, signals: dict[str, Any], now_ms: int, raw: bytes) -> None:
        self._need("BCP" in self._car.delivered, "wrong_phase", "CML before BCP was complete")
        fine = signals["voltage_min_dV"] < signals["voltage_max_dV"] and 0 <= signals["current_min_dA"]
        fine = fine and signals["current_min_dA"] <= signals["current_max_dA"]
        self._need(fine, "wrong_value", f"CML {raw.hex(' ')}")

    def _judge_cmlp(self, signals: dict[str, Any], now_ms: int, raw: bytes) -> None:
        self._need(self._car.v2g, "wrong_phase", "CMLP though no BDC was given")
        fine = signals["voltage_min_dV"] < signals["voltage_max_dV"] and signals["current_min_dA"] <= 0
        fine = fine and signals["current_max_dA"] <= signals["current_min_dA"]
        self._need(fine, "wrong_value", f"CMLP {raw.hex(' ')}")

    def _judge_cro(self, signals: dict[str, Any], now_ms: int, raw: bytes) -> None:
        self._need(signals["ready"] in (0, 0xAA), "wrong_value", f"CRO {raw[0]:02X}")
        self._need(self._car.ready_sent_ms is not None, "wrong_phase", "CRO before BRO=AA")
        if self._car.v2g and self._car.phase == "ready":
            self._need(self._car.cmlp, "wrong_phase", "CRO without CMLP in a V2G session")

    def _judge_ccd(self, signals: dict[str, Any], now_ms: int, raw: bytes) -> None:
        self._need(self._car.v2g, "wrong_phase", "CCD though no BDC was given")
        self._need(signals["direction"] in (0, 1), "wrong_value", f"CCD {raw[0]:02X}")

    def _judge_ccs(self, signals: dict[str, Any], now_ms: int, raw: bytes) -> None:
        car = self._car
        if car.phase == "charge":
            self._need(car.bcl_sent_ms is not None and "BCS" in car.delivered, "wrong_phase", "CCS before BCL and BCS")
        permission = signals.get("permission", 1)
        expected = (0, 2) if car.ccd == 1 and car.v2g else (0, 1)
        wrong = permission not in expected
        if self._lasts("permission", wrong, now_ms):
            self.once("wrong_direction", f"CCS permission {permission:02b} while CCD is {car.ccd}")
        if len(raw) > 6:
            self._need(raw[6] & 0xFC == 0xFC and raw[7:] in (b"", b"\xff"), "padding", f"CCS {raw.hex(' ')}")
        self._measured(signals)

    def _measured(self, signals: dict[str, Any]) -> None:
        vehicle = self._car.vehicle
        off_V = signals["voltage_dV"] / 10 - vehicle.inlet_V
        off_A = signals["current_dA"] / 10 - vehicle.current_A
        if abs(off_V) <= 5 + 0.01 * vehicle.inlet_V and abs(off_A) <= 3 + 0.05 * abs(vehicle.current_A):
            self._wrong_ccs = 0
            return
        self._wrong_ccs += 1
        if self._wrong_ccs == 20:  # a second
            self.complain("ccs_measurement", f"CCS is {off_V:+.1f} V and {off_A:+.1f} A off")

    def _judge_cst(self, signals: dict[str, Any], now_ms: int, raw: bytes) -> None:
        self._need(raw[2] >> 4 == 0xF and raw[3] >> 4 == 0xF, "padding", f"CST {raw.hex(' ')}")
        self._need(any(value == 1 for value in signals.values()), "wrong_value", f"CST {raw.hex(' ')} gives no reason")

    def _judge_csd(self, signals: dict[str, Any], now_ms: int, raw: bytes) -> None:
        car = self._car
        self._need("BSD" in car.delivered, "wrong_phase", "CSD before BSD")
        minutes = (car.since_ms - car.charge_ms) / 60_000 if car.charge_ms is not None else 0.0
        off_min = signals["total_min"] - minutes
        self._need(-1.2 <= off_min <= 3, "csd_statistics", f"CSD {signals['total_min']} min, were {minutes:.1f}")
        if not car.v2g:  # what it counts in a V2G session is not told
            off_Wh = signals["energy_Wh"] - car.energy_in_Wh
            near = abs(off_Wh) <= 100 + 0.05 * car.energy_in_Wh
            self._need(near, "csd_statistics", f"CSD {signals['energy_Wh']} Wh, were {car.energy_in_Wh:.0f}")

    # Physics, once a BMS cycle.

    def _lasts(self, name: str, wrong: bool, now_ms: int, held_ms: int = HELD_ms) -> bool:
        if not wrong:
            self._since.pop(name, None)
            return False
        return now_ms - self._since.setdefault(name, now_ms) >= held_ms

    def physics(self, now_ms: int) -> None:
        """Volts and amperes against what was agreed."""
        car = self._car
        vehicle = car.vehicle
        current_A = vehicle.current_A
        if car.phase == "handshake" and not vehicle.contactors_closed:
            most_V = car.profile.voltage_max_V * 1.02 + 2
            if vehicle.inlet_V > most_V:
                self.once("insulation_voltage", f"inlet {vehicle.inlet_V:.0f} V, BHM allows {most_V:.0f}")
        charging = car.phase == "charge" and car.permitted
        direction = car.direction
        self._follow(1, car.asked_A if charging and direction == 1 else 0.0, now_ms)
        self._follow(-1, -car.asked_A if charging and direction == -1 else 0.0, now_ms)
        self._at_ms = now_ms
        if -1.0 < current_A < 1.0:
            for name in PHYSICAL & self._since.keys():
                del self._since[name]
            return
        self._current(current_A, now_ms)
        self._limits(current_A, now_ms)
        self._reactions(abs(current_A), now_ms)

    def _follow(self, direction: int, wanted_A: float, now_ms: int) -> None:
        allow_A = self._allow_A[direction]
        if wanted_A >= allow_A:
            self._allow_A[direction] = wanted_A
            self._fall_ms[direction] = now_ms
        elif now_ms - self._fall_ms[direction] > DELAY_ms:
            fallen_A = SLOPE_A_s * (now_ms - self._at_ms) / 1000
            self._allow_A[direction] = max(wanted_A, allow_A - fallen_A)

    def _current(self, current_A: float, now_ms: int) -> None:
        """More than the demand, or what nobody allowed."""
        direction = 1 if current_A > 0 else -1
        amount_A = abs(current_A)
        allow_A = self._allow_A[direction]
        car = self._car
        name = "current_above_demand"
        if direction < 0 and not car.may_discharge:
            name = "discharged_without_permission"
        elif not car.was_permitted:
            name = "current_before_permission"
        if self._lasts("current", amount_A > allow_A + max(2.0, 0.03 * allow_A), now_ms):
            self.once(name, f"{current_A:.1f} A, allowed {allow_A:.1f}")

    def _limits(self, current_A: float, now_ms: int) -> None:
        car = self._car
        profile, vehicle = car.profile, car.vehicle
        if current_A > 0:
            most_A = profile.charge_max_A
            high = vehicle.pack_V > profile.voltage_max_V * 1.01 + 1
            if self._lasts("high", high, now_ms):
                self.once("pack_over_voltage", f"{vehicle.pack_V:.1f} V, at most {profile.voltage_max_V:.1f}")
        else:
            most_A = profile.discharge_max_A
            low = vehicle.pack_V < profile.voltage_min_V - 2
            if self._lasts("low", low, now_ms):
                self.once("pack_under_voltage", f"{vehicle.pack_V:.1f} V, at least {profile.voltage_min_V:.1f}")
            if car.v2g and self._lasts("empty", vehicle.soc * 1000 < profile.soc_min_permille - 15, now_ms, 2000):
                self.once("below_own_minimum", f"SOC {vehicle.soc:.3f} while discharging")
        if self._lasts("most", abs(current_A) > most_A * 1.03 + 2, now_ms):
            self.once("current_above_maximum", f"{current_A:.1f} A, at most {most_A:.1f}")

    def _reactions(self, amount_A: float, now_ms: int) -> None:
        """How soon the current must be gone after a word of either side."""
        car = self._car
        if amount_A <= 5:
            return
        if car.phase == "charge":
            if car.bcl_sent_ms is not None and now_ms - car.bcl_sent_ms > 1500:
                self.once("current_without_bcl", f"{amount_A:.0f} A, {now_ms - car.bcl_sent_ms} ms after the last BCL")
            if car.forbidden_ms is not None and now_ms - car.forbidden_ms > 5000:
                self.once("current_in_pause", f"{amount_A:.0f} A, {now_ms - car.forbidden_ms} ms after BSM forbade")
            if car.fault_told_ms is not None and now_ms - car.fault_told_ms > 1000:
                self.once("no_stop_on_fault", f"{amount_A:.0f} A, {now_ms - car.fault_told_ms} ms after BSM's fault")
        elif car.phase in ("stopping", "statistics", "ended", "error"):
            if now_ms - car.stop_ms > car.stop_limit_ms:
                self.once("current_after_stop", f"{amount_A:.0f} A, {now_ms - car.stop_ms} ms after the stop")

    # Plug and auxiliary supply, in every phase.

    def plug(self, plugged: bool, now_ms: int) -> None:
        """The plug came or went: 5 A within 50 ms (facts 1.5)."""
        self._unplugged_ms = None if plugged else now_ms

    def unplugged(self, now_ms: int) -> None:
        """While the plug is out and current has not yet gone."""
        if self._unplugged_ms is not None and abs(self._car.vehicle.current_A) <= 5:
            self.current_after_unplug_ms = now_ms - self._unplugged_ms
            self._unplugged_ms = None

    def asleep(self) -> None:
        """The auxiliary supply went off with the plug in: no current, and the inlet bled (facts 1.5)."""
        vehicle = self._car.vehicle
        if abs(vehicle.current_A) > 5:
            self.complain("aux_off_early", f"auxiliary supply off at {vehicle.current_A:.0f} A")
        if not vehicle.contactors_closed and vehicle.inlet_V > 60:
            self.complain("not_bled", f"inlet {vehicle.inlet_V:.0f} V when the auxiliary supply went off")

    def undecoded(self, error: codec.CodecError, known: bool) -> None:
        """A frame that the codec refused."""
        self.complain("wrong_length" if known else "unknown_frame", str(error))
