"""The battery management of the emulated car: what it senses, asks for and says, as frames ready to send."""

from collections.abc import Callable
from random import Random

from hw_tests.bench.gauge import Gauge

from ..frame import Frame
from . import codec
from .mischief import Mischief
from .profiles import Profile
from .vehicle import Vehicle

CHARGE, DISCHARGE = 1, -1
FORBIDDEN, CHARGE_ALLOWED, DISCHARGE_ALLOWED = 0, 1, 2  # BSM 7.5-6; 2 is V1.12, "untrusted" in 2015
STATES = ("cell_voltage", "soc", "over_current", "over_temperature", "insulation", "connector")
_BCL_ID = 0x181056F4


class Bms:
    """Builds every message of the car. `demand_A` is + charging; `step_demand` moves it."""

    def __init__(self, profile: Profile, vehicle: Vehicle, mischief: Mischief, random: Random):
        self.profile, self.vehicle, self.mischief = profile, vehicle, mischief
        self.gauge = Gauge(profile, vehicle, mischief)
        self.demand_A = 0.0
        self.tapering = False
        self._random = random
        self._at_ms = 0
        self._bcl = Frame(_BCL_ID, True, b"")
        self._bcl_key: tuple[int, int, int] = (0, 0, 0)
        self._bsm_key: tuple[int, ...] = ()
        self._bsm = Frame(0, True, b"")

    def reset(self, now_ms: int) -> None:
        """Nothing is asked for."""
        self.demand_A = 0.0
        self._at_ms = now_ms

    # What it asks for.

    def full(self, now_ms: int) -> bool:
        """Charged to its target, as far as it knows."""
        return self.gauge.permille(now_ms, 1) >= self.profile.soc_target_permille

    def allows(self, direction: int, now_ms: int) -> bool:
        """The pack may be used in this direction."""
        if direction == CHARGE:
            return "charge_forbidden" not in self.mischief.active
        if "discharge_forbidden" in self.mischief.active:
            return False
        return self.gauge.permille(now_ms, 1) > self.profile.soc_min_permille

    def _charge_target_A(self, now_ms: int) -> float:
        profile, vehicle = self.profile, self.vehicle
        if not self.allows(CHARGE, now_ms) or self.full(now_ms):
            return 0.0
        limit_A = profile.charge_max_A
        span = profile.soc_target_permille - profile.taper_from_permille
        above = self.gauge.permille(now_ms, 1) - profile.taper_from_permille
        if above > 0 and span > 0:
            limit_A = max(profile.end_A, limit_A * (1 - above / span))
        held_A = (profile.voltage_max_V - vehicle.pack_ocv_V) / profile.resistance_ohm
        self.tapering = above > 0 or held_A < limit_A
        return max(0.0, min(limit_A, held_A))

    def _discharge_target_A(self, now_ms: int) -> float:
        profile = self.profile
        if not self.allows(DISCHARGE, now_ms):
            return 0.0
        held_A = (self.vehicle.pack_ocv_V - profile.voltage_min_V) / profile.resistance_ohm
        return -max(0.0, min(profile.discharge_max_A, held_A))

    def step_demand(self, direction: int, now_ms: int) -> None:
        """Move the demand: it rises by the profile's ramp and falls at once; a new direction begins at zero."""
        elapsed_s = min(now_ms - self._at_ms, 200) / 1000
        self._at_ms = now_ms
        active = self.mischief.active
        target_A = self._charge_target_A(now_ms) if direction == CHARGE else self._discharge_target_A(now_ms)
        if active:
            target_A = self._misled(target_A, direction, now_ms)
        if self.demand_A * direction < 0:
            self.demand_A = 0.0
        rise_A = self.profile.demand_ramp_A_s * elapsed_s
        if abs(target_A) > abs(self.demand_A) + rise_A and "demand_flaps" not in active:
            target_A = self.demand_A + rise_A * direction
        self.demand_A = target_A

    def _misled(self, target_A: float, direction: int, now_ms: int) -> float:
        active, profile = self.mischief.active, self.profile
        largest_A = profile.charge_max_A if direction == CHARGE else profile.discharge_max_A
        if "refuse_current" in active:
            return 0.0
        if "demand_above_max" in active:
            return direction * (active["demand_above_max"]["current_A"] or 2 * largest_A)
        if "demand_flaps" in active:
            return direction * largest_A if now_ms // active["demand_flaps"]["period_ms"] % 2 else 0.0
        return target_A

    def permission(self, direction: int, v2g: bool, now_ms: int) -> int:
        """BSM 7.5-6."""
        active = self.mischief.active
        if "pause" in active:
            return FORBIDDEN
        if "untrusted" in active:
            return 2
        if not self.allows(direction, now_ms):
            return FORBIDDEN
        if v2g:
            return CHARGE_ALLOWED if direction == CHARGE else DISCHARGE_ALLOWED
        return self.profile.permission

    # What it says. Cyclic short messages are kept as long as they do not change.

    def bcl(self, direction: int) -> Frame:
        """BCL, or BCLP with mode 03 while discharging (facts 1.4, 1.8a)."""
        profile, active = self.profile, self.mischief.active
        voltage_V, mode = profile.voltage_max_V, codec.MODE_CV if self.tapering else codec.MODE_CC
        if direction == DISCHARGE:
            mode = codec.MODE_DISCHARGE
            choices = {"minimum": profile.voltage_min_V, "present": self.vehicle.pack_V}
            voltage_V = choices.get(profile.demand_voltage, voltage_V)
        if active:
            voltage_V = active.get("demand_above_max", {}).get("voltage_V") or voltage_V
            mode = active.get("wrong_mode", {}).get("mode", mode)
        voltage, current = round(voltage_V * 10), codec.raw_current(self.demand_A)
        key = (voltage, current, mode)
        if key != self._bcl_key:
            self._bcl_key = key
            data = bytes((voltage & 0xFF, voltage >> 8, current & 0xFF, current >> 8, mode))
            self._bcl = Frame(_BCL_ID, True, data)
        return self._bcl

    def bsm(self, permission: int) -> Frame:
        """BSM with the states of the pack (facts 1.4)."""
        temperature_dC = round(self.vehicle.temperature_C) * 10
        states = [0] * len(STATES)
        fault = self.mischief.active.get("bsm_fault")
        if fault:
            states[STATES.index(fault["bit"])] = fault["value"]
        key = (permission, temperature_dC, *states)
        if key != self._bsm_key:
            self._bsm_key = key
            self._bsm = codec.encode(
                "BSM", cell_voltage_max_number=1 + self._random.randrange(min(256, self.profile.cells)),
                temperature_max_dC=temperature_dC, temperature_max_number=2, temperature_min_dC=temperature_dC - 10,
                temperature_min_number=28, permission=permission, **dict(zip(STATES, states)),
            )  # fmt: skip
        return self._bsm

    def bhm(self) -> Frame:
        """BHM: the highest voltage that the car may be tested with."""
        return codec.encode("BHM", voltage_max_dV=round(self.profile.voltage_max_V * 10))

    def bcpp(self) -> Frame:
        """BCPP: what limits a discharge (V1.12)."""
        profile = self.profile
        return codec.encode(
            "BCPP", current_max_dA=-round(profile.discharge_max_A * 10),
            voltage_min_dV=round(profile.voltage_min_V * 10),
            cell_voltage_min_mV=self._cell_mV(profile.voltage_min_V), soc_min_permille=profile.soc_min_permille,
        )  # fmt: skip

    def bcsp(self, now_ms: int) -> Frame:
        """BCSP: remaining discharge time and range (V1.12)."""
        left_Wh = max(0, self.gauge.permille(now_ms) - self.profile.soc_min_permille) / 1000 * self.vehicle.capacity_Wh
        power_W = max(1000.0, -self.demand_A * self.vehicle.pack_V)
        remaining_min = min(600, round(left_Wh / power_W * 60))
        return codec.encode("BCSP", remaining_min=remaining_min, range_m=self._range_m(now_ms))

    def bsd(self, now_ms: int) -> Frame:
        """BSD: how the pack was left."""
        temperature_dC, cell_mV = round(self.vehicle.temperature_C) * 10, self._cell_mV(self.vehicle.pack_V)
        return codec.encode(
            "BSD", soc_permille=self.gauge.permille(now_ms), cell_voltage_min_mV=cell_mV - 10,
            cell_voltage_max_mV=cell_mV, temperature_min_dC=temperature_dC - 10, temperature_max_dC=temperature_dC,
        )  # fmt: skip

    def _cell_mV(self, pack_V: float) -> int:
        return round(pack_V / self.profile.cells * 100) * 10

    def _range_m(self, now_ms: int) -> int:
        return min(65535, round(self.gauge.permille(now_ms) * self.vehicle.capacity_Wh / 1000 / 160 * 10)) * 100

    def _tenths(self, value: float, largest: int = 65535) -> int:
        """Capacity in 0.1 Ah or energy in 0.1 kWh, as hundreds of mAh or Wh."""
        return min(largest, round(value / 100)) * 100

    def long(self, name: str, now_ms: int) -> bytes:
        """The bytes of a long message."""
        return self._LONG[name](self, now_ms)

    def _brm(self, now_ms: int) -> bytes:
        profile = self.profile
        return codec.payload(
            "BRM", profile.brm_length, version_minor=1, version_major=1, battery_type=profile.battery_type,
            capacity_mAh=self._tenths(self.vehicle.capacity_Wh / profile.nominal_V * 1000),
            voltage_dV=round(profile.nominal_V * 10), maker="SLUI", pack_serial=1, year=2024, month=2, day=29,
            charge_cycles=77, ownership=1, vin=profile.vin,
            **({"software_serial": 1, "software_date": 0x20240229} if profile.brm_length == 49 else {}),
        )  # fmt: skip

    def _bcp(self, now_ms: int) -> bytes:
        profile, vehicle = self.profile, self.vehicle
        return codec.payload(
            "BCP", cell_voltage_max_mV=self._cell_mV(profile.voltage_max_V),
            current_max_dA=round(profile.charge_max_A * 10), energy_Wh=self._tenths(vehicle.capacity_Wh),
            voltage_max_dV=round(profile.voltage_max_V * 10), temperature_max_dC=round(profile.temperature_max_C) * 10,
            soc_permille=self.gauge.permille(now_ms, 1), voltage_dV=round(vehicle.pack_V * 10),
        )  # fmt: skip

    def _bcs(self, now_ms: int) -> bytes:
        vehicle, soc_permille = self.vehicle, self.gauge.permille(now_ms)
        missing_Wh = max(0, self.profile.soc_target_permille - soc_permille) / 1000 * vehicle.capacity_Wh
        power_W = max(1000.0, vehicle.current_A * vehicle.pack_V)
        return codec.payload(
            "BCS", voltage_dV=max(0, round(vehicle.pack_V * 10)),
            current_dA=codec.CURRENT.zero - codec.raw_current(vehicle.current_A),
            cell_voltage_max_mV=self._cell_mV(vehicle.pack_V), cell_group=1, soc_permille=soc_permille,
            remaining_min=min(600, round(missing_Wh / power_W * 60)),
        )  # fmt: skip

    def _bdc(self, now_ms: int) -> bytes:
        profile, vehicle = self.profile, self.vehicle
        return codec.payload(
            "BDC", vin=profile.vin, soc_permille=self.gauge.permille(now_ms),
            capacity_mAh=self._tenths(vehicle.capacity_Wh / profile.nominal_V * 1000),
            energy_Wh=self._tenths(vehicle.capacity_Wh), cycles_done=profile.cycles_done,
            cycles_left=profile.cycles_left, range_m=self._range_m(now_ms),
        )  # fmt: skip

    def _bmv(self, now_ms: int) -> bytes:
        cell_mV, cells = self._cell_mV(self.vehicle.pack_V), min(256, self.profile.cells)
        return codec.payload("BMV", cell_mV=(cell_mV,) * cells, group=tuple(1 + i // 16 & 15 for i in range(cells)))

    def _bmt(self, now_ms: int) -> bytes:
        return codec.payload("BMT", temperature_dC=(round(self.vehicle.temperature_C) * 10,) * 32)

    def _bsp(self, now_ms: int) -> bytes:
        return codec.payload("BSP", reserved=b"\xff" * 16)

    _LONG: dict[str, Callable[["Bms", int], bytes]] = {
        "BRM": _brm, "BCP": _bcp, "BCS": _bcs, "BDC": _bdc, "BMV": _bmv, "BMT": _bmt, "BSP": _bsp,
    }  # fmt: skip
