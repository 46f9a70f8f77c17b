"""What the car itself watches while power may flow; each gives the bit of 102.4 that ends the session.

The tolerances are not public (facts 2.8): those here are the digest's figures where it has some, else the bench's.
"""

from typing import TYPE_CHECKING

from hw_tests.bench.chademo.profiles import Profile
from hw_tests.bench.chademo.vehicle import Vehicle

if TYPE_CHECKING:
    from hw_tests.bench.chademo.car import Car

OVER_A, OVER_ms = 10.0, 5000  # facts 2.5 step 7: V2H +-10 A for 5 s; about 10 % or 20 A otherwise
FAR_OVER_A, FAR_OVER_ms = 20.0, 1000
UNDER_ms = 2000  # undersupply, cars without dynamic control (facts 2.7)
TOLD_A, TOLD_ms = 10.0, 5000  # told against sensed
TOLD_V, TOLD_V_ms = 20.0, 2000  # 109.1-2 against its own: DEV_VOLT (facts 2.7)
HIGH_ms = 300  # above 100.4-5 or below 200.4-5


class Guards:
    """`look(now)` once a cycle: the first thing that is wrong, as (bit of 102.4, why), or None."""

    def __init__(self, car: "Car"):
        self._car = car
        self._since: dict[str, int] = {}

    def clear(self) -> None:
        """A new session."""
        self._since.clear()

    def _lasts(self, name: str, wrong: bool, now_ms: int, held_ms: int) -> bool:
        if not wrong:
            self._since.pop(name, None)
            return False
        return now_ms - self._since.setdefault(name, now_ms) >= held_ms

    def look(self, now_ms: int) -> tuple[str, str] | None:
        """While contactors are closed."""
        profile, vehicle = self._car.profile, self._car.vehicle
        if self._lasts("high", vehicle.pack_V > profile.voltage_max_V, now_ms, HIGH_ms):
            return "over_voltage", f"pack {vehicle.pack_V:.0f} V"
        low = vehicle.current_A < -1 and vehicle.pack_V < profile.discharge_voltage_min_V
        if self._lasts("low", low, now_ms, HIGH_ms):
            return "under_voltage", f"pack {vehicle.pack_V:.0f} V"
        if vehicle.temperature_C > profile.temperature_max_C:
            return "over_temperature", f"{vehicle.temperature_C:.0f} degC"
        return self._current(profile, vehicle, now_ms) or self._told(vehicle, now_ms)

    def _current(self, profile: Profile, vehicle: Vehicle, now_ms: int) -> tuple[str, str] | None:
        car = self._car
        current_A, battery = vehicle.current_A, car.battery
        allowed_A = battery.request_A if current_A > 0 else battery.discharge_A
        over_A = abs(current_A) - allowed_A
        if self._lasts("over", over_A > max(OVER_A, 0.1 * allowed_A), now_ms, OVER_ms) or self._lasts(
            "far_over", over_A > FAR_OVER_A, now_ms, FAR_OVER_ms
        ):
            return "current_deviation", f"{current_A:.0f} A, allowed {allowed_A} A"
        tolerant = car.v2x_agreed or profile.dynamic != ""
        if "undersupply_fault" in car.mischief.active:
            tolerant = False
        under = not tolerant and car.running_for(now_ms) > UNDER_ms
        under = under and battery.request_A - current_A > profile.undersupply_A
        if self._lasts("under", under, now_ms, UNDER_ms):
            return "current_deviation", f"{current_A:.0f} A, asked for {battery.request_A} A"
        return None

    def _told(self, vehicle: Vehicle, now_ms: int) -> tuple[str, str] | None:
        told = self._car.heard.get("109")
        if told is None:
            return None
        off_V = told["voltage_dV"] / 10 - vehicle.inlet_V
        if self._lasts("told_V", abs(off_V) > TOLD_V, now_ms, TOLD_V_ms):
            return "voltage_deviation", f"told {off_V:+.0f} V off"
        off_A = self._car.told_A - vehicle.current_A
        if self._lasts("told_A", abs(off_A) > TOLD_A, now_ms, TOLD_ms):
            return "current_deviation", f"told {off_A:+.0f} A off"
        return None
