# Driver of the Infypower BEG modules. Single writes get lost and a module may hold its set-point for 10 s (facts 3.1):
# everything is sent again and again, every write must come back as an echo, and nothing but OFF and zero is written
# before the modules were counted, seen off and asked what they can do.
#
# The way to ON: OFF reported and less than 1 A sensed, mode, its echo, mode reported, cut-off, volts, amperes, ON. Any
# OFF makes the mode unknown again (house rule 1).
from array import array

from micropython import const

from firmware.contract import CHARGE, DISCHARGE, Frame
from firmware.converter.infypower_frames import (
    BUSY,
    COUNT,
    CURRENT,
    CUTOFF,
    INVERT,
    INVERTER,
    MAX_CURRENT,
    MAX_VOLTAGE,
    MIN_VOLTAGE,
    MODE,
    OFF,
    ON,
    POWER_AC,
    RATED_POWER,
    READ,
    READ_ID,
    RECTIFIER,
    REPLY_MASK,
    STATUS,
    SWITCH,
    TEMPERATURE,
    VOLTAGE,
    WRITE_ID,
    WRITTEN,
)
from firmware.converter.infypower_modules import Modules, SILENT_ms, fill, value
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
_CURRENT_ms = const(20)  # between two steps of the set current upwards; a lower one never waits
_ECHO_ms = const(100)  # then the write is sent again; twice as fast while it is an emergency
_URGENT_ms = const(20)
_UNECHOED_ms = const(1500)
_GAP_ms = const(1000)
_AGAIN_ms = const(60000)  # between two times that modules may go off by themselves
# Writes, the more urgent first.
_SWITCH = const(0)
_AMPERES = const(1)
_MODE = const(2)
_VOLTS = const(3)
_CUTOFF = const(4)
_WRITES = const(5)
_ITEMS = (SWITCH, CURRENT, MODE, VOLTAGE, CUTOFF)
# What is repeated in each phase, as bits; in discharge also the cut-off. OFF is not repeated on the way to ON.
_MATTERS = (
    1 << _SWITCH | 1 << _AMPERES,
    1 << _MODE,
    1 << _AMPERES | 1 << _VOLTS,
    1 << _SWITCH | 1 << _AMPERES | 1 << _VOLTS,
)
# What is repeated in turn: items to read, or below 0 a write (-1 - index).
_CYCLE = (
    VOLTAGE, STATUS, CURRENT, -1 - _SWITCH, INVERTER, POWER_AC, STATUS, -1 - _AMPERES, VOLTAGE, 0, INVERTER,
    -1 - _VOLTS, CURRENT, -1 - _CUTOFF,
)  # fmt: skip
_SLOW = (COUNT, MAX_VOLTAGE, MIN_VOLTAGE, MAX_CURRENT, RATED_POWER, TEMPERATURE)  # where the cycle has a 0
# Phases.
_IS_OFF = const(0)
_SETS_MODE = const(1)
_SETS_POINT = const(2)
_IS_ON = const(3)


class Driver(Modules):
    LISTENS = ((READ, REPLY_MASK, 2), (WRITTEN, REPLY_MASK, 2))  # what it reads

    def __init__(self, station, faults, config):
        Modules.__init__(self, station, config["modules"])
        self._sense = station.sense.now
        self._faults = faults
        self._confirm_ms = _UNECHOED_ms + 2 * config["converter_reaction_ms"]
        self._used = 0  # 1: a module may be on, 2: all were seen on
        self._again_ms = 0  # until they may once more go off by themselves
        self._off_at = 0
        self._wanted = array("i", [OFF, 0, RECTIFIER, 0, 0])
        self._sent = array("i", [UNKNOWN] * _WRITES)
        self._before = array("i", [UNKNOWN] * _WRITES)  # sent before that: its echo may still be on its way
        self._echoed = bytearray(_WRITES)  # masks
        self._at = array("i", [0] * _WRITES)  # last sent
        self._since = array("i", [0] * _WRITES)  # not echoed since
        self._open = _MATTERS[_IS_OFF]  # writes to be sent, or to be echoed, as bits
        self._due = 1 << _SWITCH  # writes for this tick; the first frame after a reset is OFF
        self._phase = _IS_OFF
        self._frame = Frame(READ_ID, 8)
        self._polled = -1  # the write that poll() handed out, -1 a read
        self._read = 0  # item to be read in this tick
        self._turn = self._slow = 0
        self._looked = 0

    # --- the tick ---
    def step(self, now, order):
        record = self._now
        if (now - self._looked) & TICKS_MASK >= _CYCLE_ms:
            self._look(now, order)
        if record[V_READY] != 1 or not order.on or order.now:
            if self._phase != _IS_OFF:
                self._go_off(now)
            if record[V_FAULT]:
                self._judge(now, order)
        elif self._phase != _IS_ON:
            self._prepare(now, order)
        elif record[V_MODE] != order.mode:
            self._wrong_mode(now, order)
        else:
            record = self._wanted
            if (
                order.current_dA * 100 != record[_AMPERES]
                or order.voltage_dV * 100 != record[_VOLTS]
                or order.cutoff_dV * 100 != record[_CUTOFF]
            ):
                self._points(order)
        if self._open:
            self._plan(now, _URGENT_ms if order.now else _ECHO_ms)

    def _look(self, now, order):
        # Every few ticks: the ages, what follows from them, and the next of the frames that are sent in turn.
        passed_ms = min((now - self._looked) & TICKS_MASK, _GAP_ms)
        self._age(passed_ms)
        self._again_ms = max(0, self._again_ms - passed_ms)
        self._looked = now
        self._judge(now, order)
        if self._phase == _IS_ON:
            self._watch(now)
        self._cycle()

    def _watch(self, now):
        # Seen on, and off without being told: they tripped, or the heartbeat's hardware took module-enable away for a
        # moment. They are started again, from OFF like the first time; not twice a minute.
        on = self._now[V_ON]
        if on == 1:
            self._used = 2
        elif on == 0 and self._used == 2:
            self._used = 1
            if self._again_ms:
                self._faults.set(F_CONVERTER_FAULT, self._now[V_STATUS], now)
            self._again_ms = _AGAIN_ms
            self._now[V_ON] = UNKNOWN  # to be reported again once OFF has left
            self._go_off(now)

    def _go_off(self, now):
        self._phase = _IS_OFF
        self._off_at = now
        self._wanted[_SWITCH] = OFF
        self._wanted[_AMPERES] = 0
        self._open = self._due = _MATTERS[_IS_OFF]

    def _prepare(self, now, order):
        wanted, record = self._wanted, self._now
        phase = self._phase
        mode = INVERT if order.mode == DISCHARGE else RECTIFIER
        if phase == _IS_OFF:
            if record[V_ON] == 0 and -10 < self._sense[S_CURRENT_dA] < 10:
                wanted[_MODE] = mode
                self._sent[_MODE] = UNKNOWN
                self._open = 1 << _MODE
                self._phase = _SETS_MODE
        elif wanted[_MODE] != mode:
            self._go_off(now)
        elif phase == _SETS_MODE:
            if record[V_MODE] == order.mode:
                self._phase = _SETS_POINT
                self._points(order)
        elif not self._open:
            self._points(order)
            if not self._open:
                wanted[_SWITCH] = ON
                self._open = 1 << _SWITCH
                self._phase = _IS_ON
                self._used = 1

    def _points(self, order):
        # Set-points from the order. What changed is open: to be sent, or to be echoed.
        wanted = self._wanted
        wanted[_AMPERES] = order.current_dA * 100
        wanted[_VOLTS] = order.voltage_dV * 100
        wanted[_CUTOFF] = order.cutoff_dV * 100
        for index in range(_AMPERES, _WRITES if order.mode == DISCHARGE else _CUTOFF):
            if wanted[index] != self._sent[index]:
                self._open |= 1 << index

    def _wrong_mode(self, now, order):
        # On, and a module reports the other mode, or the order names it: nothing flows until the way was gone anew.
        if self._now[V_MODE_SET] == order.mode:
            self._faults.set(F_CONVERTER_MODE, self._inverts, now)
        self._go_off(now)

    def _judge(self, now, order):
        record = self._now
        if record[V_AGE_ms] >= SILENT_ms:
            self._complain(F_CONVERTER_SILENT, order, now)
            self._off_at = now  # who is not heard cannot report OFF: its time begins when it is heard again
            return
        if record[V_FAULT]:
            self._complain(F_CONVERTER_FAULT, order, now)
        elif record[V_READY] != 1 and record[V_MODULES] == self._count and min(self._known) == self._all:
            record[V_READY] = 1
        if self._used and self._phase == _IS_OFF:
            if record[V_ON] == 0:
                self._used = 0
            elif (now - self._off_at) & TICKS_MASK >= self._confirm_ms:
                self._complain(F_CONVERTER_OFF, order, now)

    def _complain(self, code, order, now):
        # A converter that nobody uses may be dead or broken: it is only not ready.
        if self._used or order.on:
            self._faults.set(code, max(0, self._now[V_STATUS]), now)

    # --- what leaves ---
    def _plan(self, now, retry_ms):
        # The writes that are not yet as they should be: not sent, or not echoed.
        for index in range(_WRITES):
            if self._open >> index & 1:
                self._press(index, now, retry_ms)

    def _press(self, index, now, retry_ms):
        waited_ms = (now - self._at[index]) & TICKS_MASK
        wanted = self._wanted[index]
        if wanted != self._sent[index]:
            if index != _AMPERES or wanted < self._sent[_AMPERES] or waited_ms >= _CURRENT_ms:
                self._due |= 1 << index
        elif self._echoed[index] == self._all:
            self._open &= ~(1 << index)
        elif waited_ms >= retry_ms:
            self._again(index, now)

    def _again(self, index, now):
        self._due |= 1 << index
        if self._phase != _IS_OFF and (now - self._since[index]) & TICKS_MASK >= _UNECHOED_ms:
            if self._now[V_AGE_ms] < SILENT_ms:
                self._faults.set(F_CONVERTER_MODE if index == _MODE else F_CONVERTER_FAULT, index, now)

    def _cycle(self):
        record = self._now
        turn = self._turn = (self._turn + 1) % len(_CYCLE)
        item = _CYCLE[turn]
        if self._phase == _SETS_MODE:
            item = INVERTER
        elif turn & 1 and record[V_READY] != 1 and item != INVERTER:
            item = 0
        elif turn & 1 and item != -1 - _SWITCH and record[V_ON] != (1 if self._phase == _IS_ON else 0):
            item = STATUS
        if item == 0:
            self._slow = (self._slow + 1) % len(_SLOW)
            item = _SLOW[self._slow]
        elif item < 0:
            bit = 1 << (-1 - item)
            phase = self._phase
            if _MATTERS[phase] & bit or (item == -1 - _CUTOFF and phase == _IS_ON and self._wanted[_MODE] == INVERT):
                self._due |= bit
                return
            item = STATUS
        self._read = item

    def _before_on(self, due):
        # ON brings to life the current that left last: a lower one, of a limit that has just fallen, goes before it. If
        # that one could not leave, ON waits until it is repeated in its turn.
        if due & 1 << _AMPERES:
            due &= ~(1 << _SWITCH)
        elif self._sent[_AMPERES] > self._wanted[_AMPERES]:
            due = self._due = due & ~(1 << _SWITCH)
        return due

    def poll(self, now):
        frame = self._frame
        due = self._due
        index = -1
        if due & 1 << _SWITCH and self._phase == _IS_ON:
            due = self._before_on(due)
        if due:
            index = 0
            while not due >> index & 1:
                index += 1
            self._due &= ~(1 << index)
            frame.id = WRITE_ID
            fill(frame.data, _ITEMS[index], self._wanted[index])
        elif self._read:
            frame.id = READ_ID
            fill(frame.data, self._read, 0)
            self._read = 0
        else:
            return None
        self._polled = index
        return frame

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
        kind = can_id & REPLY_MASK
        if not ext or len(data) != 8 or kind != READ and kind != WRITTEN or not self._is_ours(can_id & 0xFF):
            return
        self._silence[self._from] = 0
        if can_id >> 26:
            self._refused(can_id >> 26, now)
        elif kind == WRITTEN:
            self._written(data[0] << 8 | data[1], value(data), now)
        else:
            self._report(data[0] << 8 | data[1], data)

    def _refused(self, error, now):
        if error == BUSY:  # in start processing: asked again, and not yet held against it
            for index in range(_WRITES):
                self._since[index] = now

    def _written(self, item, number, now):
        for index in range(_WRITES):
            if _ITEMS[index] == item and number >= 0:
                if number == self._before[index]:
                    self._since[index] = now
                self._echo(index, number)

    def _echo(self, index, number):
        # The number is given back as it was sent, +-1 (facts 3.1). Never sent is UNKNOWN, less than any number.
        sent = self._sent[index]
        if number != sent and (index == _SWITCH or index == _MODE or not number - 1 <= sent <= number + 1):
            return
        # Volts and amperes of the group are answered by its master alone.
        self._echoed[index] |= self._all if index == _VOLTS or index == _AMPERES else 1 << self._from
        if index == _MODE and self._echoed[index] == self._all and self._phase == _SETS_MODE:
            record = self._now
            if record[V_MODE_SET] == UNKNOWN:
                record[V_MODE_SET] = DISCHARGE if number == INVERT else CHARGE
                self._modes = 0
