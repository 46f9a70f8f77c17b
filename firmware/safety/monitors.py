# One small watch for each danger. A watch is a condition and the time it must hold; all conditions are gathered in one
# word, and while nothing is wrong nothing else is done. What trips, stays, until the plug is pulled.
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
from firmware.signals import OUT_AUX, OUT_CONTACTOR, OUT_ENABLE
from firmware.units import TICKS_MASK, UNKNOWN

_ESTOP = const(1)
_CC1 = const(2)
_STALE = const(4)
_SENSOR = const(8)
_OVER_VOLTAGE = const(0x10)
_OVER_CURRENT = const(0x20)
_DIRECTION = const(0x40)
_FEEDBACK = const(0x80)
_TOO_MUCH = const(0x100)
_NOT_OFF = const(0x200)
_FLOOR = const(0x400)
_CONVERTER_V = const(0x800)
_CONVERTER_I = const(0x1000)
_CAR_V = const(0x2000)
_CAR_I = const(0x4000)
_HOT = const(0x8000)
_WATCHES = const(16)
_SLOW = const(0xF800)  # judged in turns, one a tick

_FAULT = bytes((F_ESTOP, F_CC1_LOST, F_SENSOR_STALE, F_SENSOR, F_OVER_VOLTAGE, F_OVER_CURRENT, F_DIRECTION,
                F_CONTACTOR_FEEDBACK, F_OVER_CURRENT, F_CONVERTER_OFF, F_CURRENT_AT_FLOOR, F_VOLTAGE_DISAGREES,
                F_CURRENT_DISAGREES, F_VOLTAGE_DISAGREES, F_CURRENT_DISAGREES, F_TEMPERATURE))  # fmt: skip
# Hold times, ms. Two samples for a button and for hard limits; the slow ones outlast a ramp, a lost report and the
# reaction of the converter; a car reports its current every 250 ms, and late.
_HOLD_ms = (10, 0, 0, 20, 30, 20, 100, 70, 1000, 1500, 5000, 3000, 5000, 5000, 5000, 500)

_OVER_VOLTAGE_dV = const(150)  # above what car or board stand
_OVER_CURRENT_PERCENT = const(110)  # of the board's rating
_WRONG_dA = const(20)  # against the direction
_NOISE_dA = const(50)
_AGREE_dV = const(200)  # plus 3 %
_AGREE_dA = const(50)  # plus 5 %
_CAR_AGREE_dA = const(100)
_HOT_dC = const(950)  # the installer's limit is lower


class Monitors:
    def __init__(self, sensed, car, converter, sequence, board):
        self._sensed = sensed
        self._car = car
        self._converter = converter
        self._sequence = sequence
        self._board_dV = board.RATED_dV
        self._over_dA = board.RATED_dA * _OVER_CURRENT_PERCENT // 100
        self._relay_ms = board.RELAY_ms
        self._since = [0] * _WATCHES
        self._pending = 0
        self._slow = 0
        self._turn = 0
        self._plugged = 0
        self.fault = 0  # the first that tripped
        self.quiet = 1  # 1: no condition holds

    def step(self, now, allowed_dA, floor_ok):
        sensed = self._sensed
        converter = self._converter
        held = self._sequence.held
        live = held & (OUT_CONTACTOR | OUT_ENABLE | OUT_AUX)
        current_dA = sensed.current_dA
        bad = 0
        if sensed.estop:
            bad = _ESTOP
        if self._plugged and not sensed.plugged and live:
            bad |= _CC1
        self._plugged = sensed.plugged
        if live:
            if sensed.stale:
                bad |= _STALE
            elif sensed.broken:
                bad |= _SENSOR
        limit_dV = min(self._car.voltage_max_dV, self._board_dV) + _OVER_VOLTAGE_dV
        if sensed.link_dV > limit_dV or sensed.inlet_dV > limit_dV:
            bad |= _OVER_VOLTAGE
        if (1 if held & OUT_CONTACTOR else 0) != sensed.contactor:
            bad |= _FEEDBACK
        if current_dA > _WRONG_dA or current_dA < -_WRONG_dA:
            bad |= self._current(converter, current_dA, allowed_dA, floor_ok)
        self._look(sensed, converter)
        bad |= self._slow
        if bad or self._pending:
            self._time(bad, now)

    def _current(self, converter, current_dA, allowed_dA, floor_ok):
        bad = 0
        magnitude_dA = current_dA if current_dA > 0 else -current_dA
        if magnitude_dA > self._over_dA:
            bad = _OVER_CURRENT
        direction = converter.on_direction
        if direction == 0:
            return bad | _NOT_OFF if magnitude_dA > _NOISE_dA else bad
        if current_dA * direction < 0:
            bad |= _DIRECTION
        if magnitude_dA > allowed_dA + _NOISE_dA:
            bad |= _TOO_MUCH
        if current_dA < 0 and not floor_ok:
            bad |= _FLOOR
        return bad

    def _look(self, sensed, converter):
        # One comparison a tick; its verdict stands until its next turn.
        turn = self._turn
        self._turn = turn + 1 if turn < 4 else 0
        slow = self._slow
        car = self._car
        closed = sensed.contactor
        if turn == 0:
            far = converter.live and converter.on_left and _far(converter.voltage_dV, sensed.link_dV, _AGREE_dV)
            slow = slow | _CONVERTER_V if far else slow & ~_CONVERTER_V
        elif turn == 1:
            own_dA = sensed.current_dA
            own_dA = own_dA if own_dA > 0 else -own_dA
            far = closed and converter.live and converter.on_left and _far(converter.current_dA, own_dA, _AGREE_dA)
            slow = slow | _CONVERTER_I if far else slow & ~_CONVERTER_I
        elif turn == 2:
            far = closed and car.voltage_dV != UNKNOWN and _far(car.voltage_dV, sensed.inlet_dV, _AGREE_dV)
            slow = slow | _CAR_V if far else slow & ~_CAR_V
        elif turn == 3:
            far = closed and car.voltage_dV != UNKNOWN and _far(car.current_dA, sensed.current_dA, _CAR_AGREE_dA)
            slow = slow | _CAR_I if far else slow & ~_CAR_I
        else:
            slow = slow | _HOT if sensed.temp_dC > _HOT_dC else slow & ~_HOT
        self._slow = slow

    def _time(self, bad, now):
        pending = self._pending
        since = self._since
        for watch in range(_WATCHES):
            bit = 1 << watch
            if bad & bit:
                if not pending & bit:
                    since[watch] = now
                hold_ms = _HOLD_ms[watch]
                if bit == _FEEDBACK:
                    hold_ms += self._relay_ms
                if (now - since[watch]) & TICKS_MASK >= hold_ms and not self.fault:
                    self.fault = _FAULT[watch]
        self._pending = bad
        self.quiet = 0 if bad else 1

    def overdue(self):
        # The gate: a set-point stands above what may flow, and nobody lowers it.
        if not self.fault:
            self.fault = F_OVER_CURRENT


def _far(told, own, tolerance):
    # Apart by more than the tolerance and a 32th (3 %) of our own value.
    apart = told - own if told > own else own - told
    return apart > tolerance + (own if own > 0 else -own) // 32
