# One small watch for each danger. A watch is a condition and the time it must hold; all conditions are gathered in one
# word, and while nothing is wrong nothing else is done. What trips, stays, until the plug is pulled.
from array import array

from micropython import const

from firmware.faults import (
    F_CC1_LOST,
    F_CONTACTOR_FEEDBACK,
    F_CONVERTER_OFF,
    F_CURRENT_AT_FLOOR,
    F_CURRENT_DISAGREES,
    F_DIRECTION,
    F_ESTOP,
    F_OVER_CURRENT,
    F_OVER_VOLTAGE,
    F_SENSOR,
    F_SENSOR_STALE,
    F_TEMPERATURE,
    F_VOLTAGE_DISAGREES,
)
from firmware.safety.sensed import ALARM_CC1, ALARM_ESTOP, ALARM_STALE
from firmware.signals import OUT_CONTACTOR
from firmware.units import TICKS_MASK, UNKNOWN

_OVER_VOLTAGE = const(1)
_OVER_CURRENT = const(2)
_DIRECTION = const(4)
_FEEDBACK = const(8)
_TOO_MUCH = const(0x10)
_NOT_OFF = const(0x20)
_FLOOR = const(0x40)
_CONVERTER_V = const(0x80)
_CONVERTER_I = const(0x100)
_CAR_V = const(0x200)
_CAR_I = const(0x400)
_HOT = const(0x800)
_WATCHES = const(12)

_FAULT = bytes((F_OVER_VOLTAGE, F_OVER_CURRENT, F_DIRECTION, F_CONTACTOR_FEEDBACK, F_OVER_CURRENT, F_CONVERTER_OFF,
                F_CURRENT_AT_FLOOR, F_VOLTAGE_DISAGREES, F_CURRENT_DISAGREES, F_VOLTAGE_DISAGREES, F_CURRENT_DISAGREES,
                F_TEMPERATURE))  # fmt: skip
# Hold times, ms. Two looks for hard limits; the slow ones outlast a ramp, a lost report and the reaction of the
# converter; a car reports its current every 250 ms, and late.
_HOLD_ms = (20, 20, 100, 70, 1000, 1500, 5000, 3000, 5000, 5000, 5000, 500)

_OVER_VOLTAGE_dV = const(150)  # above what car or board stand
_OVER_CURRENT_PERCENT = const(110)  # of the board's rating
_WRONG_dA = const(20)  # against the direction
_NOISE_dA = const(50)
_AGREE_dV = const(200)  # plus 3 %
_AGREE_dA = const(50)  # plus 5 %
_CAR_AGREE_dA = const(100)
_HOT_dC = const(950)  # the installer's limit is lower
_LIVE = const(89)  # OUT_CONTACTOR, OUT_AUX, OUT_ENABLE, OUT_D1: a session


class Monitors:
    def __init__(self, sensed, car, converter, sequence, board):
        self._sensed = sensed
        self._car = car
        self._converter = converter
        self._sequence = sequence
        self._board_dV = board.RATED_dV
        self._over_dA = board.RATED_dA * _OVER_CURRENT_PERCENT // 100
        self._relay_ms = board.RELAY_ms
        self._since = array("i", [0] * _WATCHES)
        self._pending = 0
        self._slow = 0
        self._turn = 0
        self.fault = 0  # the first that tripped
        self.calm = 0  # 1: nothing is wrong now

    def alarm(self, bits):
        # Every tick that has one: what the sensors say for sure needs no time.
        self.calm = 0
        if self.fault:
            return
        if bits & ALARM_ESTOP:
            self.fault = F_ESTOP
        elif self._sequence.held & _LIVE:
            if bits & ALARM_CC1:
                self.fault = F_CC1_LOST
            else:
                self.fault = F_SENSOR_STALE if bits & ALARM_STALE else F_SENSOR

    def step(self, now, allowed_dA, floor_ok):
        # Every other tick. In 11 words of state, as all that a tick calls (host_tests/state_words.py).
        self._turn += 1
        if self._turn & 1:
            self._look(self._turn)
        bad = self._slow
        sensed = self._sensed
        limit_dV = self._car.voltage_max_dV
        if limit_dV > self._board_dV:
            limit_dV = self._board_dV
        limit_dV += _OVER_VOLTAGE_dV
        if sensed.link_dV > limit_dV or sensed.inlet_dV > limit_dV:
            bad |= _OVER_VOLTAGE
        if self._sequence.held & OUT_CONTACTOR != sensed.contactor:
            bad |= _FEEDBACK
        if not -_WRONG_dA <= sensed.current_dA <= _WRONG_dA:
            bad = self._current(allowed_dA, floor_ok) | bad
        if bad or self._pending:
            self._time(bad, now)
        else:
            self.calm = 1

    def _current(self, allowed_dA, floor_ok):
        bad = 0
        current_dA = magnitude_dA = self._sensed.current_dA
        if current_dA < 0:
            magnitude_dA = -current_dA
        if magnitude_dA > self._over_dA:
            bad = _OVER_CURRENT
        direction = self._converter.on_direction
        if direction == 0:
            return bad | _NOT_OFF if magnitude_dA > _NOISE_dA else bad
        if current_dA * direction < 0:
            bad |= _DIRECTION
        if magnitude_dA > allowed_dA + _NOISE_dA:
            bad |= _TOO_MUCH
        if current_dA < 0 and not floor_ok:
            bad |= _FLOOR
        return bad

    def _look(self, turn):
        # One comparison each time; its verdict stands until its next turn.
        if turn >= 9:
            self._turn = 0
        slow = self._slow
        sensed, converter = self._sensed, self._converter
        car = self._car
        if turn == 1:
            far = converter.live and converter.on_left and _far(converter.voltage_dV, sensed.link_dV, _AGREE_dV)
            slow = slow | _CONVERTER_V if far else slow & ~_CONVERTER_V
        elif turn == 9:
            slow = slow | _HOT if sensed.hottest_dC() > _HOT_dC else slow & ~_HOT
        elif not sensed.contactor:
            slow &= ~(_CONVERTER_I | _CAR_V | _CAR_I)
        elif turn == 3:
            far = converter.live and converter.on_left
            far = far and _far(converter.current_dA, abs(sensed.current_dA), _AGREE_dA)
            slow = slow | _CONVERTER_I if far else slow & ~_CONVERTER_I
        elif car.voltage_dV == UNKNOWN:
            slow &= ~(_CAR_V | _CAR_I)
        elif turn == 5:
            far = _far(car.voltage_dV, sensed.inlet_dV, _AGREE_dV)
            slow = slow | _CAR_V if far else slow & ~_CAR_V
        else:
            far = _far(car.current_dA, sensed.current_dA, _CAR_AGREE_dA)
            slow = slow | _CAR_I if far else slow & ~_CAR_I
        self._slow = slow

    def _time(self, bad, now):
        since = self._since
        for watch in range(_WATCHES):
            bit = 1 << watch
            if bad & bit:
                if not self._pending & bit:
                    since[watch] = now
                hold_ms = _HOLD_ms[watch] + self._relay_ms if bit == _FEEDBACK else _HOLD_ms[watch]
                if (now - since[watch]) & TICKS_MASK >= hold_ms and not self.fault:
                    self.fault = _FAULT[watch]
        self._pending = bad
        self.calm = 0

    def overdue(self):
        # The gate: a set-point stands above what may flow, and nobody lowers it.
        if not self.fault:
            self.fault = F_OVER_CURRENT


def _far(told, own, tolerance):
    # Apart by more than the tolerance and a 32th (3 %) of our own value.
    apart = told - own if told > own else own - told
    return apart > tolerance + (own if own > 0 else -own) // 32
