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
_BAND_permille = const(200)  # around the first guess
_COOLER_dC = const(20)


class Run:
    def __init__(self, stage, config):
        self._stage = stage
        self._ramp_W_s = config["grid_ramp_W_s"]
        self._derate_dC = config["temperature_derate_dC"]
        self._first_permille = config["efficiency_permille"]
        self._reaction_ms = _STEADY_ms + config["converter_reaction_ms"]
        self._most_dA = self._most_dV = self._low_dV = self._high_dV = 0
        self.begin(0)

    def begin(self, now):
        self._ramp_W = 0  # magnitude, in the direction of the order's mode
        self._left = 0  # of the ramp, in W ms
        self._target_W = UNKNOWN  # what the current was last computed from; UNKNOWN: still on its way there
        self._since = now  # the half turn at work began
        self._steady = now  # the last change of the set-point
        self._fed_back = now

    def step(self, now, want):
        # Few locals and few calls in what runs every second tick; nothing is computed before something differs.
        stage = self._stage
        if not stage.reached.open:
            self._fed_back = now
        elif (now - self._fed_back) & TICKS_MASK >= _FEEDBACK_ms:
            self._fail(F_CONTACTOR_FEEDBACK, now)
            return
        record = stage.converter
        mode = stage.order.mode
        if want.direction == -mode or record[V_MODE] != mode or record[V_ON] != 1 or not stage.order.on:
            self._turn(now, want)
            return
        stage.reached.done = 1
        record = stage.power
        if mode == CHARGE:
            most_dA = record[P_CHARGE_MAX_dA]
            if want.charge_dA < most_dA:
                most_dA = want.charge_dA
        else:
            most_dA = record[P_DISCHARGE_MAX_dA]
            if want.discharge_dA < most_dA:
                most_dA = want.discharge_dA
        if (
            record[P_APPLIED_W] * want.direction != self._target_W
            or most_dA != self._most_dA
            or not self._low_dV <= stage.sense[S_LINK_dV] <= self._high_dV
            or want.voltage_dV != self._most_dV
            or (now - self._steady) & TICKS_MASK >= self._reaction_ms
        ):
            self._most_dA = most_dA
            self._most_dV = want.voltage_dV
            self._voltages(want)
            self._aim(now, want.direction)

    # --- the way through zero ---
    def _turn(self, now, want):
        stage = self._stage
        order = stage.order
        if stage.reached.done:
            stage.reached.done = 0
            self._since = now
            self._ramp_W = self._left = 0
            self._target_W = UNKNOWN
        if not order.on:
            if stage.converter[V_ON] != 0 or not stage.reached.idle:
                self._late(F_CONVERTER_OFF, now)
                return
            order.mode = want.direction or order.mode
            self._voltages(want)
            stage.command(order.mode, order.voltage_dV, 0)
            self._since = now
        elif want.direction == -order.mode:
            left_dA = order.current_dA - _SLOPE_dA_s * stage.dt_ms(now) // 1000
            order.current_dA = left_dA if left_dA > 0 else 0
            if left_dA <= 0:
                order.on = 0
                self._since = now
        else:
            order.current_dA = 0
            self._late(F_CONVERTER_FAULT if stage.converter[V_MODE] == order.mode else F_CONVERTER_MODE, now)

    def _late(self, code, now):
        if (now - self._since) & TICKS_MASK >= _TURN_ms:
            self._fail(code, now)

    def _fail(self, code, now):
        self._stage.fail(code, 0, now)

    def _voltages(self, want):
        stage = self._stage
        order = stage.order
        if order.mode == CHARGE:
            order.voltage_dV = min(want.voltage_dV, stage.board.RATED_dV, stage.converter[V_MAX_dV])
            order.cutoff_dV = 0
        else:
            # What a set voltage means to a converter that takes current is not documented: the least voltage is right
            # whether it is ignored, or read as the end of the discharge.
            order.voltage_dV = order.cutoff_dV = max(want.voltage_min_dV, stage.car[C_VOLTAGE_MIN_dV])

    # --- following ---
    def _aim(self, now, direction):
        # A magnitude in the confirmed direction; the other way round, or with no direction, it is not positive.
        target_W = self._stage.power[P_APPLIED_W] * direction
        wanted_W = target_W if target_W > 0 else 0
        if wanted_W != self._ramp_W:
            self._ramp(now, wanted_W)
        # Not the target until it is reached: the next tick ramps on.
        self._target_W = target_W if self._ramp_W == wanted_W else UNKNOWN
        self._set(now, self._amperes())

    def _ramp(self, now, target_W):
        # The grid's slope is for what is wished; a limit acts at once.
        stage = self._stage
        step_W = self._left + self._ramp_W_s * stage.dt_ms(now)
        self._left = step_W % 1000
        step_W //= 1000
        if self._ramp_W < target_W:
            self._ramp_W = min(target_W, self._ramp_W + step_W)
        else:
            slot = P_CHARGE_MAX_W if stage.order.mode == CHARGE else P_DISCHARGE_MAX_W
            target_W = max(target_W, self._ramp_W - step_W)
            self._ramp_W = min(target_W, stage.power[slot])

    def _amperes(self):
        stage = self._stage
        voltage_dV = stage.sense[S_LINK_dV]
        self._low_dV = self._high_dV = voltage_dV
        if voltage_dV < _LEAST_dV or stage.order.voltage_dV < _LEAST_dV or self._most_dA <= 0:
            return 0
        self._low_dV -= _STILL_dV
        self._high_dV += _STILL_dV
        dc_W = self._ramp_W * stage.power[self._ratio()] // 1000
        return min(self._most_dA, (dc_W * 100 + voltage_dV // 2) // voltage_dV)

    def _ratio(self):
        # The slot of the direction at work.
        return P_CHARGE_RATIO_permille if self._stage.order.mode == CHARGE else P_DISCHARGE_RATIO_permille

    def _set(self, now, wanted_dA):
        order = self._stage.order
        old_dA = order.current_dA
        # One step of 0.1 A to and fro is the sensor's noise: not worth a frame each.
        if wanted_dA > old_dA + 1 or wanted_dA < old_dA - 1 or old_dA > self._most_dA or not wanted_dA and old_dA:
            order.current_dA = wanted_dA
        elif self._target_W != UNKNOWN:
            if (now - self._steady) & TICKS_MASK < self._reaction_ms:
                return
            self._warm(now)
            self._learn(order)
            order.current_dA = wanted_dA
        self._steady = now

    # --- once a second, when all is steady ---
    def _learn(self, order):
        stage = self._stage
        power_W = stage.converter[V_POWER_AC_W]
        flowing_dA = stage.sense[S_CURRENT_dA]
        if power_W == UNKNOWN or flowing_dA == UNKNOWN or self._ramp_W < _LEARN_W:
            return
        power_W *= order.mode
        flowing_dA *= 10 * order.mode
        # Only while the converter does follow: at its voltage limit more amperes would change nothing.
        if power_W < _LEARN_W or not order.current_dA * 9 <= flowing_dA <= order.current_dA * 11:
            return
        seen_permille = order.current_dA * stage.sense[S_LINK_dV] // 100 * 1000 // power_W
        self._correct(seen_permille, self._ratio())

    def _correct(self, seen_permille, slot):
        power = self._stage.power
        first = self._first_permille
        if slot == P_DISCHARGE_RATIO_permille:
            first = 1000000 // first
        ratio = (power[slot] + seen_permille) // 2
        power[slot] = clamp(ratio, first - _BAND_permille, first + _BAND_permille)
        self._target_W = UNKNOWN  # computed anew in the next tick

    def _warm(self, now):
        stage = self._stage
        hot_dC = max(stage.sense[S_TEMP1_dC], stage.sense[S_TEMP2_dC])
        if hot_dC > self._derate_dC:
            stage.faults.set(F_TEMPERATURE_HIGH, hot_dC, now)
        elif hot_dC < self._derate_dC - _COOLER_dC:
            stage.faults.clear(F_TEMPERATURE_HIGH, now)
