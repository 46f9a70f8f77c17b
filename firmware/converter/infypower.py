# Driver of the Infypower BEG modules. Single writes get lost and a module may hold its set-point for 10 s (facts 3.1):
# everything is sent again and again, every write must come back as an echo, and nothing but OFF and zero is written
# before the modules were counted, seen off and asked what they can do.
#
# The way to ON: OFF reported and less than 1 A sensed, mode, its echo, mode reported, cut-off, volts, amperes, ON. Any
# OFF makes the mode unknown again (DESIGN rule 1).
from array import array

from micropython import const

from firmware.contract import CHARGE, DISCHARGE, Frame
from firmware.converter import infypower_frames as frames
from firmware.converter.infypower_frames import (
    BUSY,
    COUNT,
    CURRENT,
    CUTOFF,
    INVERTER,
    MAX_CURRENT,
    MAX_VOLTAGE,
    MIN_VOLTAGE,
    MODE,
    OFF,
    ON,
    POWER_AC,
    RATED_POWER,
    READ_ID,
    STATUS,
    SWITCH,
    TEMPERATURE,
    VOLTAGE,
    WRITE_ID,
    WRITTEN,
)
from firmware.converter.infypower_modules import Modules, SILENT_ms
from firmware.faults import F_CONVERTER_FAULT, F_CONVERTER_MODE, F_CONVERTER_OFF, F_CONVERTER_SILENT
from firmware.station import (
    V_FAULT,
    V_MODE,
    V_MODE_SET,
    V_MODULES,
    V_ON,
    V_READY,
    V_STATUS,
    S_CURRENT_dA,
    V_AGE_ms,
)
from firmware.units import TICKS_MASK, UNKNOWN

_CYCLE_ms = const(30)  # about 33 frames a second each way, a tenth of 125 kbit/s
_CURRENT_ms = const(20)  # between two changes of the set current
_ECHO_ms = const(100)  # then the write is sent again; twice as fast while it is an emergency
_URGENT_ms = const(20)
_UNECHOED_ms = const(1500)
# Writes, the more urgent first.
_SWITCH, _AMPERES, _MODE, _CUTOFF, _VOLTS, _WRITES = const(0), const(1), const(2), const(3), const(4), const(5)
# What must be right in each phase, as bits; in discharge also the cut-off. OFF is not repeated on the way to ON.
_MATTERS = (
    1 << _SWITCH | 1 << _AMPERES,
    1 << _MODE,
    1 << _AMPERES | 1 << _VOLTS,
    1 << _SWITCH | 1 << _AMPERES | 1 << _VOLTS,
)
# What is repeated in turn: items to read, or below 0 a write (-1 - index).
_CYCLE = (VOLTAGE, STATUS, CURRENT, -1 - _SWITCH, INVERTER, POWER_AC, STATUS, -1 - _AMPERES, VOLTAGE, 0, INVERTER, -1 - _VOLTS,
          CURRENT, -1 - _CUTOFF)  # fmt: skip
_SLOW = (COUNT, MAX_VOLTAGE, MIN_VOLTAGE, MAX_CURRENT, RATED_POWER, TEMPERATURE)  # where the cycle has a 0
# Phases.
_IS_OFF, _SETS_MODE, _SETS_POINT, _IS_ON = const(0), const(1), const(2), const(3)


class Driver(Modules):
    def __init__(self, station, faults, config):
        Modules.__init__(self, station, config["modules"])
        self._sense = station.sense.now
        self._faults = faults
        self._confirm_ms = _UNECHOED_ms + 2 * config["converter_reaction_ms"]
        self._used = 0  # 1: a module may be on
        self._off_at = 0
        self._wanted = array("i", [OFF, 0, frames.RECTIFIER, 0, 0])
        self._sent = array("i", [UNKNOWN] * _WRITES)
        self._before = array("i", [UNKNOWN] * _WRITES)  # sent before that: its echo may still be on its way
        self._echoed = bytearray(_WRITES)  # masks
        self._at = array("i", [0] * _WRITES)  # last sent
        self._since = array("i", [0] * _WRITES)  # not echoed since
        self._due = 1 << _SWITCH  # the first frame after a reset is OFF
        self._code = (SWITCH, CURRENT, MODE, CUTOFF, VOLTAGE)
        self._phase = _IS_OFF
        self._frame = Frame(READ_ID, 8)
        self._polled = -1  # the write that poll() handed out, -1 a read
        self._read = 0  # item to be read in this tick
        self._turn = self._slow = 0
        self._cycled = 0
        self._last = UNKNOWN

    # --- the tick ---
    def step(self, now, order):
        last = self._last
        self._last = now
        dt_ms = (now - last) & TICKS_MASK if last != UNKNOWN else 0
        self._age(dt_ms if dt_ms < 1000 else 1000)
        record = self._now
        if not order.on or order.now or record[V_READY] != 1:
            if self._phase != _IS_OFF:
                self._go_off(now)
        elif self._phase == _IS_ON:
            if order.mode != record[V_MODE]:
                self._wrong_mode(now, order)
            else:
                self._points(order)
        else:
            self._prepare(now, order)
        self._judge(now, order)
        self._plan(now, order.now)

    def _go_off(self, now):
        wanted = self._wanted
        self._phase = _IS_OFF
        self._off_at = now
        wanted[_SWITCH] = OFF
        wanted[_AMPERES] = 0
        self._due |= 1 << _SWITCH | 1 << _AMPERES
        self._due &= 1 << _SWITCH | 1 << _AMPERES

    def _prepare(self, now, order):
        wanted, record = self._wanted, self._now
        phase = self._phase
        if phase == _IS_OFF:
            current_dA = self._sense[S_CURRENT_dA]
            if record[V_ON] == 0 and -10 < current_dA < 10:
                wanted[_MODE] = frames.INVERT if order.mode == DISCHARGE else frames.RECTIFIER
                self._sent[_MODE] = UNKNOWN
                self._phase = _SETS_MODE
        elif wanted[_MODE] != (frames.INVERT if order.mode == DISCHARGE else frames.RECTIFIER):
            self._go_off(now)
        elif phase == _SETS_MODE:
            if record[V_MODE] == order.mode:
                self._phase = _SETS_POINT
        elif self._points(order):
            wanted[_SWITCH] = ON
            self._phase = _IS_ON
            self._used = 1

    def _points(self, order):
        # Set-points from the order; true when all of them are echoed.
        wanted = self._wanted
        wanted[_AMPERES] = order.current_dA * 100
        wanted[_VOLTS] = order.voltage_dV * 100
        if order.mode == DISCHARGE:
            wanted[_CUTOFF] = order.cutoff_dV * 100
            if not self._is_echoed(_CUTOFF):
                return False
        return self._is_echoed(_VOLTS) and self._is_echoed(_AMPERES)

    def _is_echoed(self, index):
        return self._wanted[index] == self._sent[index] and self._echoed[index] == self._all

    def _wrong_mode(self, now, order):
        # On, and a module reports the other mode, or the order names it: nothing flows until the way was gone anew.
        if self._now[V_MODE_SET] == order.mode:
            self._faults.set(F_CONVERTER_MODE, self._inverts, now)
        self._go_off(now)

    def _judge(self, now, order):
        record = self._now
        used = self._used or order.on
        if record[V_AGE_ms] >= SILENT_ms:
            if used:
                self._faults.set(F_CONVERTER_SILENT, 0, now)
            return
        if record[V_FAULT]:
            if used:
                self._faults.set(F_CONVERTER_FAULT, record[V_STATUS], now)
        elif record[V_READY] != 1:
            known, every = self._known, self._all
            for slot in range(len(known)):
                if known[slot] != every:
                    return
            record[V_READY] = 1 if record[V_MODULES] == self._count else 0
        if self._used and self._phase == _IS_OFF:
            if record[V_ON] == 0:
                self._used = 0
            elif (now - self._off_at) & TICKS_MASK >= self._confirm_ms:
                self._faults.set(F_CONVERTER_OFF, record[V_STATUS], now)

    # --- what leaves ---
    def _plan(self, now, urgent):
        wanted, sent, at = self._wanted, self._sent, self._at
        matters = _MATTERS[self._phase]
        if self._phase >= _SETS_POINT and wanted[_MODE] == frames.INVERT:
            matters |= 1 << _CUTOFF
        every, echoed = self._all, self._echoed
        for index in range(_WRITES):
            if not matters >> index & 1:
                continue
            if wanted[index] != sent[index]:
                if index != _AMPERES or not wanted[index] or (now - at[index]) & TICKS_MASK >= _CURRENT_ms:
                    self._due |= 1 << index
            elif echoed[index] != every:
                self._again(index, now, urgent)
        if (now - self._cycled) & TICKS_MASK >= _CYCLE_ms:
            self._cycled = now
            self._cycle(matters)

    def _again(self, index, now, urgent):
        if (now - self._at[index]) & TICKS_MASK >= (_URGENT_ms if urgent else _ECHO_ms):
            self._due |= 1 << index
        if self._phase != _IS_OFF and (now - self._since[index]) & TICKS_MASK >= _UNECHOED_ms:
            if self._now[V_AGE_ms] < SILENT_ms:
                self._faults.set(F_CONVERTER_MODE if index == _MODE else F_CONVERTER_FAULT, index, now)

    def _cycle(self, matters):
        record = self._now
        turn = self._turn = (self._turn + 1) % len(_CYCLE)
        item = _CYCLE[turn]
        if self._phase == _SETS_MODE:
            item = INVERTER
        elif turn & 1 and record[V_READY] != 1 and item != INVERTER:
            item = 0
        elif turn & 1 and record[V_ON] != (1 if self._phase == _IS_ON else 0):
            item = STATUS
        if item == 0:
            self._slow = (self._slow + 1) % len(_SLOW)
            item = _SLOW[self._slow]
        elif item < 0:
            if matters >> (-1 - item) & 1:
                self._due |= 1 << (-1 - item)
                return
            item = STATUS
        self._read = item

    def poll(self, now):
        due = self._due
        frame = self._frame
        if due:
            index = 0
            while not due & 1:
                due >>= 1
                index += 1
            self._due &= ~(1 << index)
            self._polled = index
            frames.fill(frame, WRITE_ID, self._code[index], self._wanted[index])
            return frame
        if self._read:
            self._polled = -1
            frames.fill(frame, READ_ID, self._read, 0)
            self._read = 0
            return frame
        return None

    def sent(self, frame, now):
        index = self._polled
        if index < 0:
            return
        number = self._wanted[index]
        self._at[index] = now
        changed = number != self._sent[index]
        if changed:
            if self._echoed[index] or self._sent[index] == UNKNOWN:
                self._since[index] = now
            self._before[index] = self._sent[index]
            self._sent[index] = number
            self._echoed[index] = 0
        if index == _SWITCH:
            record = self._now
            if number == OFF:
                record[V_MODE] = record[V_MODE_SET] = UNKNOWN
            if changed:
                record[V_ON] = UNKNOWN
                self._told = 0

    # --- what comes back ---
    def receive(self, can_id, ext, data, now):
        kind = frames.kind(can_id)
        if not kind or not ext or len(data) != 8:
            return
        slot = self._slot(frames.module(can_id))
        if slot < 0:
            return
        self._silence[slot] = 0
        error = frames.error(can_id)
        if error:
            if error == BUSY:  # in start processing: asked again, and not yet held against it
                for index in range(_WRITES):
                    self._since[index] = now
        elif kind == WRITTEN:
            self._echo(1 << slot, frames.item(data), frames.value(data), now)
        else:
            self._report(slot, frames.item(data), data)

    def _echo(self, bit, item, number, now):
        for index in range(_WRITES):
            if self._code[index] == item:
                break
        else:
            return
        sent = self._sent[index]
        if number == UNKNOWN or sent == UNKNOWN:
            return
        if number == self._before[index]:
            self._since[index] = now
        tolerance = 0 if index == _SWITCH or index == _MODE else 1
        if not -tolerance <= number - sent <= tolerance:
            return
        # Volts and amperes of the group are answered by its master alone.
        self._echoed[index] |= self._all if index == _VOLTS or index == _AMPERES else bit
        if index == _MODE and self._echoed[index] == self._all and self._phase == _SETS_MODE:
            record = self._now
            if record[V_MODE_SET] == UNKNOWN:
                record[V_MODE_SET] = DISCHARGE if number == frames.INVERT else CHARGE
                self._modes = 0
