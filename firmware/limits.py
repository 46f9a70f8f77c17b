# What may flow, per direction: the least of all magnitudes, with the reason of the one that binds. Powers are AC at the
# meter, currents DC toward the car; the measured ratio of the two converts, the installer's efficiency until then.
from micropython import const

from firmware.contract import CHARGE, DISCHARGE, RUN
from firmware.faults import STOP
from firmware.station import (
    C_AWAKE_W,
    C_CAN_DISCHARGE,
    C_GATE_DISCHARGE_OK,
    C_GATE_WHY,
    C_PAUSED,
    C_PHASE,
    P_AGGREGATOR_SERIAL,
    P_APPLIED_W,
    P_CHARGE_MAX_W,
    P_CHARGE_WHY,
    P_DIRECTION,
    P_DISCHARGE_MAX_W,
    P_DISCHARGE_WHY,
    P_REASON,
    P_SOURCE,
    P_WANTED_W,
    PH_ENDED,
    PH_FAULT,
    PH_STOPPING,
    R_AGGREGATOR,
    R_BOARD,
    R_CAR_AWAKE,
    R_CAR_CURRENT,
    R_CAR_NO_DISCHARGE,
    R_CAR_PAUSE,
    R_CAR_VOLTAGE,
    R_CONVERTER,
    R_FAULT,
    R_FLOOR,
    R_FULL,
    R_NO_SESSION,
    R_NO_WISH,
    R_NONE,
    R_OWNER,
    R_SITE,
    R_STOPPING,
    R_TEMPERATURE,
    R_TURNING,
    V_POWER_AC_W,
    V_RATED_W,
    V_READY,
    V_STATUS,
    C_CHARGE_dA,
    C_DISCHARGE_dA,
    C_SOC_permille,
    C_VOLTAGE_MIN_dV,
    P_CHARGE_MAX_dA,
    P_CHARGE_RATIO_permille,
    P_DISCHARGE_RATIO_permille,
    P_TARGET_dA,
    S_CURRENT_dA,
    S_INLET_dV,
    S_TEMP1_dC,
    S_TEMP2_dC,
    V_MAX_dA,
)
from firmware.units import TICKS_MASK, UNKNOWN
from firmware.wishes import SOURCES, SRC_AGGREGATOR, W_CHARGE_MAX_W

# One direction; in the records the slots of discharging follow those of charging.
_CHARGE = const(0)
_DISCHARGE = const(1)
_EVERY = const(7)  # ticks between two looks at what must not act at once
_HYSTERESIS_W = const(100)  # less than this in the other direction does not turn the converter round
_HOLD_ms = const(10000)  # the direction is kept that long at 0 W
_FULL_BACK_permille = const(10)  # charging resumes so far below the ceiling
_TAPER_dA_dV = const(4)  # discharging ends softly: 4 A for each volt above the least voltage
_TAPER_dV = const(150)
_CREEP_dA = const(2)  # what a limit read off the flow itself may grow at each look, so that it can rise again
_CREEP_W = const(200)
_CV_dV = const(5)  # so close to the car's voltage, and below the ordered current: the converter holds the voltage
_LAG_dA = const(10)
_POWER_LIMITING = const(0x010000)  # status byte 5 bit 0 of the converter


class Limits:
    def __init__(self, station, wishes, board, config):
        self._car = station.car.now
        self._sense = station.sense.now
        self._converter = station.converter.now
        self._power = power = station.power.now
        self._wishes = wishes
        self._rated_dA, self._rated_W = board.RATED_dA, board.RATED_W
        self._site_W = (config["charge_max_W"], config["discharge_max_W"])
        self._derate_dC = config["temperature_derate_dC"]
        self._span_dC = max(1, config["temperature_stop_dC"] - self._derate_dC)
        self._ceiling_permille = config["ceiling_permille"]
        power[P_CHARGE_RATIO_permille] = config["efficiency_permille"]
        power[P_DISCHARGE_RATIO_permille] = 1000000 // config["efficiency_permille"]
        power[P_SOURCE] = UNKNOWN
        power[P_REASON] = R_NO_WISH
        power[P_CHARGE_WHY] = power[P_DISCHARGE_WHY] = R_NO_SESSION
        self._turn = self._rest = 0
        self._key = -1
        self._severity = 0
        self._running = False
        self._voltage_dV = 0
        self._accepts_dA = [0, 0]  # as last computed with, as is
        self._serial = self._wanted_W = 0
        self._full = self._holding = 0
        self._flat = 0  # when there was last a power worth a direction
        self._least = 0  # while one direction is computed: the least magnitude so far and its reason
        self._least_dA = 0
        self._why = R_NONE

    def step(self, now, want, reached, severity):
        # Anything that must act in this very tick makes the key or one of these differ; the rest is looked at in turn.
        car = self._car
        key = ((severity * 8 + want.mode) * 8 + reached.mode) * 32 + want.direction
        if car[C_PAUSED] == 1:
            key += 4
        if car[C_GATE_DISCHARGE_OK] == 1:
            key += 8
        if car[C_CAN_DISCHARGE] == 1:
            key += 16
        if key != self._key or self._power[P_AGGREGATOR_SERIAL] != self._serial:
            self._key = key
            self._serial = self._power[P_AGGREGATOR_SERIAL]
            self._severity = severity
            self._running = want.mode == RUN and reached.mode == RUN
            self._look(want, _CHARGE)
            self._look(want, _DISCHARGE)
        elif car[C_CHARGE_dA] != self._accepts_dA[_CHARGE]:
            self._look(want, _CHARGE)
        elif car[C_DISCHARGE_dA] != self._accepts_dA[_DISCHARGE]:
            self._look(want, _DISCHARGE)
        elif self._turn < _EVERY:
            self._turn += 1
            if self._power[P_WANTED_W] == self._wanted_W:
                return
        else:
            self._in_turn(want)
        self._apply(now, want)

    def _in_turn(self, want):
        # The direction in use more often than the other.
        self._turn = 0
        self._rest = (self._rest + 1) & 3
        discharges = self._power[P_DIRECTION] == DISCHARGE
        self._look(want, _DISCHARGE if discharges != (self._rest == 0) else _CHARGE)

    def _apply(self, now, want):
        power = self._power
        wanted_W = self._wanted_W = power[P_WANTED_W]
        reason = R_NONE
        applied_W = self._car[C_AWAKE_W]
        if 0 < applied_W <= power[P_CHARGE_MAX_W] and wanted_W < applied_W:
            reason = R_CAR_AWAKE  # only where all of it may be charged
        elif wanted_W > power[P_CHARGE_MAX_W]:
            applied_W = power[P_CHARGE_MAX_W]
            reason = power[P_CHARGE_WHY]
        elif wanted_W < -power[P_DISCHARGE_MAX_W]:
            applied_W = -power[P_DISCHARGE_MAX_W]
            reason = power[P_DISCHARGE_WHY]
        else:
            applied_W = wanted_W
            if power[P_SOURCE] == UNKNOWN:
                reason = R_NO_WISH
        power[P_APPLIED_W] = applied_W
        self._direct(now, applied_W)
        if reason == R_NONE and applied_W and want.mode == RUN and want.direction != power[P_DIRECTION]:
            reason = R_TURNING
        power[P_REASON] = reason

    def _blocked(self):
        # Why nothing at all may flow; R_NONE if it may.
        phase = self._car[C_PHASE]
        if self._severity >= STOP or phase == PH_FAULT:
            return R_FAULT
        if not self._running:
            return R_STOPPING if PH_STOPPING <= phase < PH_ENDED else R_NO_SESSION
        if self._car[C_PAUSED] == 1:
            return R_CAR_PAUSE
        return R_NONE

    def _direct(self, now, applied_W):
        # Which direction to ask of the car. Little power the other way, or none for a while, does not turn it round.
        power = self._power
        if applied_W > _HYSTERESIS_W:
            power[P_DIRECTION] = CHARGE
            self._flat = now
        elif applied_W < -_HYSTERESIS_W:
            power[P_DIRECTION] = DISCHARGE
            self._flat = now
        elif power[P_DIRECTION] and (now - self._flat) & TICKS_MASK >= _HOLD_ms:
            power[P_DIRECTION] = 0

    # --- one direction ---
    def _look(self, want, side):
        power, car = self._power, self._car
        self._accepts_dA[side] = car[C_CHARGE_dA + side]
        self._voltage_dV = max(0, self._sense[S_INLET_dV])  # UNKNOWN is less, and must not be calculated with
        self._least = self._rated_dA
        self._why = R_BOARD
        blocked = self._blocked()
        if blocked:
            self._take(0, blocked)
        elif side == _CHARGE:
            self._fill(car[C_SOC_permille])
            self._take(car[C_CHARGE_dA], R_CAR_CURRENT)
            self._converter_and_heat()
            self._hold(want, self._sense[S_CURRENT_dA])
        else:
            self._offered(want.voltage_min_dV)
            self._converter_and_heat()
        self._watts(power[P_CHARGE_RATIO_permille + side], side)
        power[P_CHARGE_MAX_dA + side] = self._least_dA
        power[P_CHARGE_MAX_W + 2 * side] = self._least
        power[P_CHARGE_WHY + 2 * side] = self._why

    def _offered(self, least_dV):
        car = self._car
        if car[C_VOLTAGE_MIN_dV] > least_dV:
            least_dV = car[C_VOLTAGE_MIN_dV]
        if car[C_CAN_DISCHARGE] != 1 or least_dV <= 0:
            self._take(0, R_CAR_NO_DISCHARGE)
        if car[C_GATE_DISCHARGE_OK] != 1:
            why = car[C_GATE_WHY]
            self._take(0, why if why > R_NONE else R_FLOOR)
        self._take(car[C_DISCHARGE_dA], R_CAR_CURRENT)
        if self._voltage_dV - least_dV < _TAPER_dV:
            self._take((self._voltage_dV - least_dV) * _TAPER_dA_dV, R_CAR_VOLTAGE)

    def _hold(self, want, flowing_dA):
        # When the converter holds the car's voltage, what flows is what the car can take, and a little more.
        if want.direction != CHARGE or self._voltage_dV < want.voltage_dV - _CV_dV:
            self._holding = 0
        elif self._power[P_TARGET_dA] > flowing_dA + _LAG_dA:
            self._holding = 1
        if self._holding:
            self._take(flowing_dA + _CREEP_dA, R_CAR_VOLTAGE)

    def _take(self, limit, why):
        if limit < self._least:  # UNKNOWN is less than anything: what is not known is 0
            self._least = limit if limit > 0 else 0
            self._why = why

    def _fill(self, soc_permille):
        if self._ceiling_permille >= 1000:
            return  # the car itself ends a full charge
        if soc_permille >= self._ceiling_permille:
            self._full = 1
        elif soc_permille < self._ceiling_permille - _FULL_BACK_permille:
            self._full = 0
        if self._full:
            self._take(0, R_FULL)

    def _converter_and_heat(self):
        converter, sense = self._converter, self._sense
        self._take(converter[V_MAX_dA] if converter[V_READY] == 1 else 0, R_CONVERTER)
        hot_dC, cool_dC = sense[S_TEMP1_dC], sense[S_TEMP2_dC]
        if cool_dC > hot_dC:
            hot_dC, cool_dC = cool_dC, hot_dC
        if cool_dC == UNKNOWN:
            self._take(0, R_TEMPERATURE)
        elif hot_dC > self._derate_dC:
            left_dC = self._derate_dC + self._span_dC - hot_dC
            self._take(self._rated_dA * left_dC // self._span_dC, R_TEMPERATURE)

    def _watts(self, ratio_permille, side):
        # From the least current to watts at the meter, then the limits that are said in watts.
        self._least_dA = self._least
        self._least = self._least * self._voltage_dV // 100 * 1000 // ratio_permille
        if self._least <= 0:
            return
        self._take(self._rated_W, R_BOARD)
        converter = self._converter
        self._take(converter[V_RATED_W], R_CONVERTER)
        if converter[V_STATUS] & _POWER_LIMITING and converter[V_POWER_AC_W] != UNKNOWN:
            self._take(abs(converter[V_POWER_AC_W]) * 51 // 50 + _CREEP_W, R_CONVERTER)
        self._take(self._site_W[side], R_SITE)
        self._wished(W_CHARGE_MAX_W + side)
        # The same in amperes, with room for the stage's trim.
        self._least_dA = min(self._least_dA, self._least * ratio_permille // 1000 * 103 // self._voltage_dV)

    def _wished(self, slot):
        taken = self._wishes.taken
        for source in range(SOURCES):
            if taken[source][slot] != UNKNOWN:
                self._take(taken[source][slot], R_AGGREGATOR if source == SRC_AGGREGATOR else R_OWNER)
