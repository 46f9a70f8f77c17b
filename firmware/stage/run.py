# RUN: watts at the meter become amperes toward the car. Feed-forward by the measured ratio of DC to AC power; the ratio
# is corrected slowly while nothing else changes, so that the meter shows what was ordered (2 % or 100 W).
from micropython import const

from firmware.contract import CHARGE
from firmware.faults import (
    F_CONTACTOR_FEEDBACK,
    F_CONVERTER_FAULT,
    F_CONVERTER_MODE,
    F_CONVERTER_OFF,
    F_TEMPERATURE_HIGH,
)
from firmware.station import (
    P_APPLIED_W,
    P_CHARGE_MAX_W,
    P_DISCHARGE_MAX_W,
    V_MODE,
    V_ON,
    V_POWER_AC_W,
    C_VOLTAGE_MIN_dV,
    P_CHARGE_MAX_dA,
    P_CHARGE_RATIO_permille,
    P_DISCHARGE_MAX_dA,
    P_DISCHARGE_RATIO_permille,
    S_CURRENT_dA,
    S_LINK_dV,
    S_TEMP1_dC,
    S_TEMP2_dC,
    V_MAX_dV,
)
from firmware.units import TICKS_MASK, UNKNOWN, clamp

_SLOPE_dA_s = const(1500)  # down to zero before a change of direction
_STILL_dV = const(3)  # a change of voltage that changes no current worth a frame
_LEAST_dV = const(500)  # below this there is no battery: no current
_TURN_ms = const(5000)  # each half of a change of direction: to OFF, to ON in the other mode
_FEEDBACK_ms = const(50)  # the gate may say so sooner
_STEADY_ms = const(1000)  # converter's reaction and the age of its AC reading
_LEARN_W = const(500)  # below this the ratio is mostly the converter's own consumption
_COOLER_dC = const(20)


class Run:
    def __init__(self, stage):
        self._stage = stage
        config = stage.config
        self._ramp_W_s = config["grid_ramp_W_s"]
        self._derate_dC = config["temperature_derate_dC"]
        self._ratio_permille = config["efficiency_permille"]
        self._reaction_ms = _STEADY_ms + config["converter_reaction_ms"]
        self._target_W = UNKNOWN  # what the current was last computed from; UNKNOWN: still on its way there
        self._most_dA = self._most_dV = self._low_dV = self._high_dV = 0
        self._ramp_W = 0  # magnitude, in the direction of the order's mode
        self._left = 0  # of the ramp, in W ms
        self._since = 0  # the half turn at work began
        self._steady = 0  # the last change of the set-point
        self._fed_back = 0

    def begin(self, now):
        self._ramp_W = self._left = 0
        self._target_W = UNKNOWN
        self._since = self._fed_back = self._steady = now

    def step(self, now, want):
        stage = self._stage
        order, converter, reached = stage.order, stage.converter, stage.reached
        mode = order.mode
        if reached.open:
            if (now - self._fed_back) & TICKS_MASK >= _FEEDBACK_ms:
                stage.fail(F_CONTACTOR_FEEDBACK, 0, now)
                return
        else:
            self._fed_back = now
        if want.direction != -mode and converter[V_MODE] == mode and converter[V_ON] == 1 and order.on:
            self._since = now
            reached.done = 1
            self._follow(now, want, mode)
        else:
            reached.done = 0
            self._turn(now, want, want.direction or mode)

    # --- the way through zero ---
    def _turn(self, now, want, mode):
        stage = self._stage
        order = stage.order
        self._ramp_W = self._left = 0
        self._target_W = UNKNOWN
        late = (now - self._since) & TICKS_MASK >= _TURN_ms
        if order.on and order.mode != mode:
            order.current_dA = max(0, order.current_dA - _SLOPE_dA_s * stage.dt_ms(now) // 1000)
            if order.current_dA == 0:
                order.on = 0
                self._since = now
        elif not order.on:
            if stage.converter_off():
                self._voltages(want, mode)
                stage.command(mode, order.voltage_dV, 0)
                self._since = now
            elif late:
                stage.fail(F_CONVERTER_OFF, 0, now)
        else:
            order.current_dA = 0
            if late:
                right = stage.converter[V_MODE] == mode
                stage.fail(F_CONVERTER_FAULT if right else F_CONVERTER_MODE, 0, now)

    def _voltages(self, want, mode):
        stage = self._stage
        order = stage.order
        if mode == CHARGE:
            order.voltage_dV = min(want.voltage_dV, stage.board.RATED_dV, stage.converter[V_MAX_dV])
            order.cutoff_dV = 0
        else:
            # What a set voltage means to a converter that takes current is not documented: the least voltage is right
            # whether it is ignored, or read as the end of the discharge.
            order.cutoff_dV = max(want.voltage_min_dV, stage.car[C_VOLTAGE_MIN_dV])
            order.voltage_dV = order.cutoff_dV

    # --- following ---
    def _follow(self, now, want, mode):
        stage = self._stage
        power = stage.power
        target_W = power[P_APPLIED_W] * want.direction  # magnitude; the other way round or no direction: not positive
        if mode == CHARGE:
            most_dA, told_dA = power[P_CHARGE_MAX_dA], want.charge_dA
        else:
            most_dA, told_dA = power[P_DISCHARGE_MAX_dA], want.discharge_dA
        if told_dA < most_dA:
            most_dA = told_dA
        voltage_dV = stage.sense[S_LINK_dV]
        if (
            target_W == self._target_W
            and most_dA == self._most_dA
            and self._low_dV <= voltage_dV <= self._high_dV
            and want.voltage_dV == self._most_dV
            and (now - self._steady) & TICKS_MASK < self._reaction_ms
        ):
            return
        self._most_dA, self._most_dV = most_dA, want.voltage_dV
        self._voltages(want, mode)
        if voltage_dV < _LEAST_dV or stage.order.voltage_dV < _LEAST_dV:
            voltage_dV = _LEAST_dV
            most_dA = 0
        self._low_dV, self._high_dV = voltage_dV - _STILL_dV, voltage_dV + _STILL_dV
        ramp_W = self._ramp(now, target_W if target_W > 0 else 0, mode)
        # Not the target until it is reached: the next tick ramps on.
        self._target_W = target_W if ramp_W == target_W or ramp_W == 0 >= target_W else UNKNOWN
        ratio = power[P_CHARGE_RATIO_permille if mode == CHARGE else P_DISCHARGE_RATIO_permille]
        wanted_dA = (ramp_W * ratio // 1000 * 100 + voltage_dV // 2) // voltage_dV
        if wanted_dA > most_dA:
            wanted_dA = most_dA if most_dA > 0 else 0
        self._set(now, mode, wanted_dA, most_dA)

    def _ramp(self, now, target_W, mode):
        # The grid's slope is for what is wished; a limit acts at once.
        ramp_W = self._ramp_W
        if ramp_W != target_W:
            self._left += self._ramp_W_s * self._stage.dt_ms(now)
            step_W = self._left // 1000
            self._left -= step_W * 1000
            if ramp_W < target_W:
                ramp_W = min(target_W, ramp_W + step_W)
            else:
                most_W = self._stage.power[P_CHARGE_MAX_W if mode == CHARGE else P_DISCHARGE_MAX_W]
                ramp_W = min(most_W, max(target_W, ramp_W - step_W))
            self._ramp_W = ramp_W
        return ramp_W

    def _set(self, now, mode, wanted_dA, most_dA):
        order = self._stage.order
        old_dA = order.current_dA
        # One step of 0.1 A to and fro is the sensor's noise: not worth a frame each.
        if wanted_dA > old_dA + 1 or wanted_dA < old_dA - 1 or old_dA > most_dA or not wanted_dA and old_dA:
            order.current_dA = wanted_dA
            self._steady = now
        elif self._target_W == UNKNOWN:
            self._steady = now
        elif (now - self._steady) & TICKS_MASK >= self._reaction_ms:
            self._steady = now
            self._warm(now)
            self._learn(mode)
            order.current_dA = wanted_dA

    # --- once a second, when all is steady ---
    def _learn(self, mode):
        stage = self._stage
        power_W, flowing_dA = stage.converter[V_POWER_AC_W], stage.sense[S_CURRENT_dA]
        ordered_dA = stage.order.current_dA
        if power_W == UNKNOWN or flowing_dA == UNKNOWN or self._ramp_W < _LEARN_W:
            return
        power_W *= mode
        flowing_dA *= mode
        # Only while the converter does follow: at its voltage limit more amperes would change nothing.
        if power_W < _LEARN_W or not ordered_dA * 9 <= flowing_dA * 10 <= ordered_dA * 11:
            return
        seen_permille = ordered_dA * stage.sense[S_LINK_dV] // 100 * 1000 // power_W
        charging = mode == CHARGE
        first = self._ratio_permille if charging else 1000000 // self._ratio_permille
        slot = P_CHARGE_RATIO_permille if charging else P_DISCHARGE_RATIO_permille
        ratio = stage.power[slot]
        stage.power[slot] = clamp(ratio + (seen_permille - ratio) // 2, first - 200, first + 200)
        self._target_W = UNKNOWN  # computed anew in the next tick

    def _warm(self, now):
        stage = self._stage
        hot_dC = max(stage.sense[S_TEMP1_dC], stage.sense[S_TEMP2_dC])
        if hot_dC > self._derate_dC:
            stage.faults.set(F_TEMPERATURE_HIGH, hot_dC, now)
        elif hot_dC < self._derate_dC - _COOLER_dC:
            stage.faults.clear(F_TEMPERATURE_HIGH, now)
