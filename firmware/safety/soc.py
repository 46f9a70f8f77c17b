# The floor, and how full the car is at the very least (house rule 3). Two readings, the lower counts: what the car
# reports less one step of that report, and our own account of the energy that went through our sensors. The account is
# kept in mWh of the car's capacity, and errs towards empty: out counts 3 % more, in counts 3 % less.
#
# A car is no longer believed when energy worth 2 % left and its report did not fall, or when the report rises and no
# charge paid for it. One number tells both: `_doubt`, what it still owes us an explanation for. Energy out adds to it,
# a rise adds to it; energy in and a fall pay it back, half as much again: old packs hold less than they say.
from array import array

from micropython import const

from firmware.units import UNKNOWN

# Why not, by the numbers of firmware/station.py (a test compares them).
R_NONE = const(0)
R_NO_SESSION = const(2)
R_FLOOR = const(5)
R_SOC_DOUBT = const(6)
R_CAR_NO_DISCHARGE = const(7)
R_CAR_VOLTAGE = const(9)

HARD_FLOOR_permille = const(100)  # below 10 % nobody discharges a car here
_HYSTERESIS_permille = const(20)  # that much above the floor before discharge begins again
_FULL_permille = const(1000)
_DOUBT_permille = const(20)
_LOSS = const(32)  # a 32th: 3 %
_UNITS_a_mWh = const(45000)  # 8 dV * dA * ms
_CAPACITY_MAX_Wh = const(500000)  # keeps every sum below within 31 bits
_SLOPE_ms_dA = const(5)  # a ramp down at 20 A/s takes 5 ms for each 0.1 A
_LATENCY_ms = const(600)  # from our no to the begin of that ramp, with the car's and the converter's part
_SOURCES = const(4)
_VOLTAGE_TIMES = const(10)  # calls of judge() in a row at or below the least voltage: a second


class Soc:
    def __init__(self, car, owner_permille):
        self._car = car
        # Not a number between 0 and 1000 is an unreadable floor: full.
        self._owner_permille = owner_permille if 0 <= owner_permille <= _FULL_permille else _FULL_permille
        self._raises = array("i", [UNKNOWN] * _SOURCES)
        self.floor_permille = _FULL_permille
        self.low_permille = 0
        self.ok = 0
        self.why = R_NO_SESSION
        self.replugged()

    def replugged(self):
        self.vin = 0  # of the car that the account was retained for; 0: it began in this run
        self.ratchet_permille = 0
        self.doubted = 0
        self._energy = 0  # 8 dV * dA * ms since the last judge()
        self.low_mWh = UNKNOWN  # the account; UNKNOWN until the car reports
        self.capacity_Wh = 0
        self.soc_permille = UNKNOWN  # as last reported by BCS
        self._reports = 0
        self.doubt_mWh = 0
        self.out_W = 0  # power going out, for the image
        self._hungry = 1  # at the floor: hysteresis applies
        self._thin = 0

    def raise_floor(self, source, permille):
        self._raises[source] = permille

    def ratchet(self, permille):
        # A departure reserve: only upwards while this car stays.
        if permille > self.ratchet_permille:
            self.ratchet_permille = min(permille, _FULL_permille)

    def add(self, voltage_dV, current_dA, dt_ms):
        # Every tick, from the board's own sensors.
        self._energy += (voltage_dV * current_dA >> 3) * dt_ms

    def judge(self, voltage_dV, current_dA):
        # Every 100 ms: whether discharge may go on, and why not.
        car = self._car
        if self.vin and car.vin:
            if car.vin != self.vin:
                self.replugged()  # another car came while we were off
            self.vin = 0
        self._settle()
        self._floor()
        if self.low_mWh == UNKNOWN or car.soc_permille == UNKNOWN:
            self.low_permille = 0
            self._no(R_NO_SESSION)
            return
        reported_permille = car.soc_permille - car.soc_step_permille
        self.low_permille = max(0, min(reported_permille, self.low_mWh // self.capacity_Wh))
        self._empty(voltage_dV)
        if self.doubted:
            self._no(R_SOC_DOUBT)
        elif not car.offered():
            self._no(R_CAR_NO_DISCHARGE)
        elif self._thin >= _VOLTAGE_TIMES:
            self._no(R_CAR_VOLTAGE)
        else:
            self._compare(voltage_dV, current_dA, self.capacity_Wh)

    def _no(self, why):
        self.ok = 0
        self.why = why

    def _compare(self, voltage_dV, current_dA, capacity_Wh):
        # What will still flow out while the current ramps down counts as gone.
        margin_permille = 0
        if current_dA < 0:
            mWh = voltage_dV * -current_dA // 100 * (_LATENCY_ms - current_dA * _SLOPE_ms_dA // 2) // 3600
            margin_permille = mWh // capacity_Wh + 1
        above_permille = self.low_permille - margin_permille - self.floor_permille
        if above_permille <= 0:
            self._hungry = 1
        elif above_permille >= _HYSTERESIS_permille:
            self._hungry = 0
        if self._hungry:
            self._no(R_FLOOR)
        else:
            self.ok = 1
            self.why = R_NONE

    def _floor(self):
        floor_permille = max(HARD_FLOOR_permille, self._owner_permille, self.ratchet_permille, self._car.floor_permille)
        for permille in self._raises:
            if permille > floor_permille:
                floor_permille = permille
        self.floor_permille = min(floor_permille, _FULL_permille)

    def _empty(self, voltage_dV):
        # BCPP's least voltages. Low for a second is low for good: without the load it would come back, and fall again.
        car = self._car
        low = voltage_dV <= car.voltage_min_dV
        if UNKNOWN < car.highest_cV <= car.cell_min_cV or UNKNOWN < car.lowest_cV <= car.cell_min_cV:
            low = True
        if low:
            self._thin += 1
        elif self._thin < _VOLTAGE_TIMES:
            self._thin = 0

    # --- the account ---
    def _settle(self):
        car = self._car
        capacity_Wh = min(car.capacity_Wh, _CAPACITY_MAX_Wh)
        if capacity_Wh != self.capacity_Wh and capacity_Wh:
            self._resize(capacity_Wh)
        mWh = self._energy // _UNITS_a_mWh
        self._energy -= mWh * _UNITS_a_mWh
        self.out_W = -mWh * 36 if mWh < 0 else 0  # mWh in 100 ms
        if self.low_mWh == UNKNOWN:
            self._open()
            return
        if mWh < 0:
            self.low_mWh = max(0, self.low_mWh + mWh + mWh // _LOSS)
            self.doubt_mWh -= mWh
        else:
            self.low_mWh += mWh - mWh // _LOSS
            self.doubt_mWh -= mWh + mWh // 2
        if car.soc_reports != self._reports:
            self._reported()
        if self.doubt_mWh < 0:
            self.doubt_mWh = 0
        elif self.doubt_mWh > _DOUBT_permille * self.capacity_Wh:
            self.doubted = 1

    def _open(self):
        car = self._car
        if self.capacity_Wh and car.soc_permille != UNKNOWN:
            self.low_mWh = max(0, car.soc_permille - car.soc_step_permille) * self.capacity_Wh

    def _resize(self, capacity_Wh):
        # The same share of another whole.
        if self.low_mWh != UNKNOWN:
            self.low_mWh = self.low_mWh // self.capacity_Wh * capacity_Wh
            self.doubt_mWh = self.doubt_mWh // self.capacity_Wh * capacity_Wh
        self.capacity_Wh = capacity_Wh

    def _reported(self):
        # A report arrived. The first one of a session only sets the mark.
        car = self._car
        self._reports = car.soc_reports
        soc_permille = car.soc_permille
        last_permille = self.soc_permille
        self.soc_permille = soc_permille
        if last_permille != UNKNOWN and soc_permille != last_permille:
            self._moved((soc_permille - last_permille) * self.capacity_Wh)
        most_mWh = soc_permille * self.capacity_Wh
        if self.low_mWh > most_mWh:
            self.low_mWh = most_mWh

    def _moved(self, change_mWh):
        self.doubt_mWh += change_mWh
        if change_mWh < 0:
            self.doubt_mWh += change_mWh // 2
        elif self.doubt_mWh <= _DOUBT_permille * self.capacity_Wh:
            # A rise that was paid for: the account may come up by as much, or its caution adds up over weeks.
            lag_mWh = (self.soc_permille - self._car.soc_step_permille) * self.capacity_Wh - self.low_mWh
            if lag_mWh > 0:
                self.low_mWh += lag_mWh if lag_mWh < change_mWh else change_mWh
