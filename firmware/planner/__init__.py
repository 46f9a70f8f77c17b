# The station's own plan, which counts when nobody of higher rank has a live order: below the floor charge up to it,
# else rest at 0 W. It never discharges. Derived from the state at every step, not from edges, so that a re-plug, a
# restart or a lost message cannot make it forget (uplink.md section 4, row 33).
from micropython import const

from firmware.station import C_GATE_FLOOR_permille, C_GATE_SOC_LOW_permille
from firmware.units import UNKNOWN, age_ms
from firmware.wishes import SRC_PLAN

_LEASE_ms = const(60000)
_RENEW_ms = const(10000)  # every post makes control copy a record: not more often than needed
_START_permille = const(3)  # this far below the floor charging starts,
_ENOUGH_permille = const(5)  # this far above it ends: no hunting around the floor (uplink.md section 4, row 32)


class Planner:
    name = "planner"

    def __init__(self, view, wishes, config):
        self._car = view.car
        self._wishes = wishes
        self._charge_W = config["charge_max_W"]
        self._charging = False
        self._power_W = UNKNOWN
        self._posted = 0
        self._serial = 0

    def step(self, now):
        car = self._car.values
        power_W = self._plan(car[C_GATE_SOC_LOW_permille], car[C_GATE_FLOOR_permille])
        if power_W == self._power_W and age_ms(now, self._posted) < _RENEW_ms:
            return
        if power_W != self._power_W:
            self._serial += 1
        self._power_W, self._posted = power_W, now
        self._wishes.post_power(SRC_PLAN, self._serial, power_W, now, _LEASE_ms)

    def restart(self):
        self._power_W = UNKNOWN

    def _plan(self, soc_low_permille, floor_permille):
        # W at the meter, 0 or more.
        if soc_low_permille == UNKNOWN or floor_permille == UNKNOWN:
            self._charging = False
        elif soc_low_permille < floor_permille - _START_permille:
            self._charging = True
        elif soc_low_permille >= min(floor_permille + _ENOUGH_permille, 1000):
            self._charging = False
        return self._charge_W if self._charging else 0
