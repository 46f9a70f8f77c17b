"""The control unit of the emulated car: what it asks for and says, as frames ready to send."""

from dataclasses import dataclass, field

from hw_tests.bench.chademo import codec
from hw_tests.bench.chademo.mischief import Mischief
from hw_tests.bench.chademo.profiles import Profile
from hw_tests.bench.chademo.vehicle import Vehicle
from hw_tests.bench.frame import Frame
from hw_tests.bench.gauge import Gauge

CHARGE, DISCHARGE = 1, -1
RATE_MAX_A = 254  # 102.3: FF means 110
MINUTES_MAX = 60  # 101.2 (log)


@dataclass
class State:
    """What the car has decided and what its frames tell."""

    enabled: bool = False  # 102.5.0
    contactors_open: bool = True  # 102.5.3
    not_in_park: bool = False
    system_fault: bool = False
    stop_before: bool = False
    faults: set[str] = field(default_factory=set)  # bits of 102.4
    reference: int = 100  # 100.6
    settled: bool = False  # no garbage any more
    high_current: bool = False
    first_ms: int | None = None  # the first frame of the session


class Battery:
    """Builds every frame of the car. `request_A` and `discharge_A` are magnitudes, as last sent."""

    def __init__(self, profile: Profile, vehicle: Vehicle, mischief: Mischief):
        self.profile, self.vehicle, self.mischief = profile, vehicle, mischief
        self.gauge = Gauge(profile, vehicle, mischief)
        self.state = State()
        self.request_A = 0
        self.discharge_A = 0
        self._frames = {"100": self._100, "101": self._101, "102": self._102, "103": self._103, "110": self._110,
                              "200": self._200, "201": self._201, "202": self._202, "700": self._700}  # fmt: skip

    def reset(self) -> None:
        """A new session."""
        self.state = State()
        self.request_A = 0
        self.discharge_A = self.profile.discharge_max_A if self.profile.discharge_early else 0

    # What it asks for.

    def full(self, now_ms: int) -> bool:
        """Charged as far as it wants, as far as it knows."""
        most = min(self.profile.soc_target_permille, self.profile.ceiling_permille)
        return self.gauge.permille(now_ms, 1) >= most

    def empty(self, now_ms: int) -> bool:
        """At its own floor, 200.6."""
        return self.gauge.permille(now_ms, 1) <= self.profile.floor_permille

    def _charge_limit_A(self, now_ms: int) -> float:
        profile = self.profile
        if self.full(now_ms):
            return 0.0
        limit_A = float(profile.charge_max_A)
        span = profile.soc_target_permille - profile.taper_from_permille
        above = self.gauge.permille(now_ms, 1) - profile.taper_from_permille
        if above > 0 and span > 0:
            limit_A = max(profile.end_A, limit_A * (1 - above / span))
        held_A = (profile.target_V - self.vehicle.pack_ocv_V) / profile.resistance_ohm
        return max(0.0, min(limit_A, held_A))

    def step_request(self, wanted: bool, starting: bool, available_A: int, now_ms: int) -> None:
        """Once a 102: up by a step as far as the charger offers (log: 15 A offered, 14 A asked), down at once.

        A car that is full asks for the least at the start, as it must ask to start at all.
        """
        profile, active = self.profile, self.mischief.active
        limit_A = self._charge_limit_A(now_ms)
        if starting:
            limit_A = max(limit_A, float(profile.charge_step_A))
        limit_A = min(limit_A, available_A, RATE_MAX_A) if wanted else 0.0
        if active and wanted:
            limit_A = self._misled(limit_A, available_A, now_ms)
            if "request_flaps" in active or "request_above_available" in active:
                self.request_A = int(limit_A)
                return
        if self.request_A > limit_A:
            self.request_A = int(limit_A)
        elif self.request_A + profile.charge_step_A <= limit_A:
            self.request_A += profile.charge_step_A

    def _misled(self, limit_A: float, available_A: int, now_ms: int) -> float:
        active = self.mischief.active
        if "refuse_current" in active or "no_request" in active:
            return 0.0
        if "request_above_available" in active:
            return float(active["request_above_available"]["current_A"] or available_A + 20)
        if "request_flaps" in active:
            return limit_A if now_ms // active["request_flaps"]["period_ms"] % 2 else 0.0
        return limit_A

    def step_discharge(self, allowed: bool, offered_A: int, now_ms: int) -> None:
        """Once a 200: up 2 A a frame to the tighter of its own limit and the charger's 208.3, down at once (log)."""
        profile = self.profile
        limit_A = 0.0
        if allowed and not self.empty(now_ms) and "discharge_forbidden" not in self.mischief.active:
            held_A = (self.vehicle.pack_ocv_V - profile.discharge_voltage_min_V) / profile.resistance_ohm
            limit_A = max(0.0, min(profile.discharge_max_A, offered_A, held_A))
        self.discharge_A = min(self.discharge_A + profile.charge_step_A, int(limit_A))

    # What it says.

    def names(self, charger_heard: bool) -> list[str]:
        """The frames of one set, in their order (log)."""
        profile = self.profile
        names = ["100", "101", "102"]
        if profile.v2x:
            names.append("200")
        if profile.protocol >= 3:
            names.append("110")
        if profile.sequence is not None:
            names.append("201")
        if "700" in profile.extra and charger_heard:  # repeats before the session only
            return names + [name for name in profile.extra if name != "700"]
        return names + list(profile.extra)

    def frame(self, name: str, now_ms: int) -> Frame:
        """One frame as it is now."""
        return self._frames[name](now_ms)

    @property
    def garbage(self) -> bool:
        """SOC, energies and capacity mean nothing now."""
        return not self.state.settled or "garbage" in self.mischief.active

    def _100(self, now_ms: int) -> Frame:
        profile = self.profile
        return codec.encode(
            "100", current_min_dA=profile.charge_min_A * 10, voltage_min_dV=round(profile.voltage_min_V) * 10,
            voltage_max_dV=round(profile.voltage_max_V) * 10,
            soc_reference=self.mischief.value("reference", "value", self.state.reference),
        )  # fmt: skip

    def _101(self, now_ms: int) -> Frame:
        if self.garbage:  # nothing at first, then the capacity of a new pack (log)
            first = self.state.first_ms is None or now_ms - self.state.first_ms < 100
            return codec.encode("101", capacity_Wh=0 if first else round(self.profile.capacity_Wh / 100) * 100)
        return codec.encode(
            "101", time_max_s=codec.NO_TIME * 10, time_max_min=MINUTES_MAX, time_left_min=self._minutes(now_ms),
            capacity_Wh=self.profile.told_Wh,
        )  # fmt: skip

    def _minutes(self, now_ms: int) -> int:
        if not self.profile.tells_time:
            return 0
        power_W = max(1000.0, self.vehicle.current_A * self.vehicle.pack_V)
        most = min(self.profile.soc_target_permille, self.profile.ceiling_permille)
        missing_Wh = max(0, most - self.gauge.permille(now_ms, 1)) / 1000 * self.profile.told_Wh
        return min(255, round(missing_Wh / power_W * 60))

    def _102(self, now_ms: int) -> Frame:
        state, active, profile = self.state, self.mischief.active, self.profile
        request_A = self.request_A
        if state.high_current and request_A:
            request_A = 255
        target_V = self.mischief.value("target_raised", "voltage_V", profile.target_V)
        target_V = 0.0 if "target_zero" in active else target_V
        enabled = (state.enabled or "can_without_permission" in active) and not (
            "enable_lost" in active or "permission_without_can" in active
        )
        return codec.encode(
            "102", protocol=self.mischief.value("protocol", "value", profile.protocol), target_dV=round(target_V) * 10,
            request_dA=request_A * 10, charge_enabled=int(enabled),
            not_in_park=int(state.not_in_park or "not_in_park" in active),
            system_fault=int(state.system_fault or "system_fault" in active),
            contactors_open=int(profile.flags_1_0 and state.contactors_open and "contactor_lie" not in active),
            stop_before_charge=int(state.stop_before or "stop_before_charge" in active),
            dynamic_ze0=int(profile.dynamic == "ze0"),
            discharge_compatible=int(profile.v2x and "discharge_forbidden" not in active),
            soc_raw=self._soc_raw(now_ms), **dict.fromkeys(self._faults(), 1),
        )  # fmt: skip

    def _faults(self) -> set[str]:
        active = self.mischief.active
        return self.state.faults | ({active["fault"]["bit"]} if "fault" in active else set())

    def _soc_raw(self, now_ms: int) -> int:
        state = self.state
        if self.garbage:  # 3, then 1 (log)
            return 3 if state.first_ms is None or now_ms - state.first_ms < 100 else 1
        if state.reference == 100:
            return self.gauge.permille(now_ms, 10) // 10
        return self.gauge.permille(now_ms, 1) * state.reference // 1000

    def _103(self, now_ms: int) -> Frame:
        return codec.encode("103", voltage_dV=round(self.vehicle.pack_V) * 10)

    def _110(self, now_ms: int) -> Frame:
        profile = self.profile
        return codec.encode(
            "110", dynamic_control=int(profile.dynamic == "110"), high_current_control=int(profile.high_current),
            request_extended_dA=self.request_A * 10,
        )  # fmt: skip

    def _200(self, now_ms: int) -> Frame:
        profile = self.profile
        low, high = self._energy(profile.floor_permille), self._energy(profile.ceiling_permille)
        if self.garbage:  # facts 2.2: FF and 1A
            low, high = 0xFF, 0xFF
        return codec.encode(
            "200", discharge_max_dA=-self.mischief.value("discharge_limit", "current_A", self.discharge_A) * 10,
            discharge_voltage_min_dV=round(profile.discharge_voltage_min_V) * 10,
            energy_min_raw=self.mischief.value("floor", "raw", low), energy_max_raw=high,
        )  # fmt: skip

    def _energy(self, permille: int) -> int:
        """In the unit of 201.0: 0.1 kWh of the rated capacity (log: 43h and B2h of 22.2 kWh), or per cent."""
        if self.profile.sequence in (1, 2):
            return permille // 10
        return round(self.profile.told_Wh / 100 * permille / 1000)

    def _201(self, now_ms: int) -> Frame:
        profile = self.profile
        above = max(0, self.gauge.permille(now_ms, 1) - profile.floor_permille) / 1000
        energy_Wh = round(above * profile.told_Wh / 100) * 100
        minutes = min(600, round(energy_Wh / max(1000.0, -self.vehicle.current_A * self.vehicle.pack_V) * 60))
        sequence = self.mischief.value("sequence", "value", profile.sequence or 0)
        return codec.encode("201", sequence=sequence, discharge_time_min=minutes, energy_available_Wh=energy_Wh)

    def _202(self, now_ms: int) -> Frame:
        return Frame(0x202, False, bytes((1, 1, 1, 0, 0, 0, 0, 0)))  # facts 2.2

    def _700(self, now_ms: int) -> Frame:
        return Frame(0x700, False, bytes((1, 2, 0, 0, 6, 0, 0, 0)))  # facts 2.2: Nissan's
