# MicroPython's side of host_tests/trace_chips.py: the real CAN drivers on what their chips answered in the recording.
#
# The file: a line of JSON (driver, crystal, bit rate of each bus); then a record for the start of the firmware and one
# a tick: "<HB" (bytes, 1 if a controller was lost or tried again in it), and events. An event is a byte, side << 4 |
# kind, and what belongs to it: LEVEL the level that the INT pin had, WRITE a length and the bytes that left, TRANSFER
# the same and as many that came. An interrupt has no caller: it comes when all before it has happened, AMIDST a call of
# the driver's or BETWEEN those.
#
# A driver that does anything else than the recording says makes `wrong` the first such place; from there on it
# hears zeros. Nothing here allocates in a tick, save load().
import json
import struct

import canbase
from micropython import const

_SELECT = const(0)
_FREE = const(1)
_LEVEL = const(2)
_WRITE = const(3)
_TRANSFER = const(4)
_AMIDST = const(5)
_BETWEEN = const(6)


class AtOnce:
    # The recording's `micropython`: what a driver schedules for itself runs at once, there as here.
    @staticmethod
    def schedule(call, argument):
        call(argument)


class Tape:
    def __init__(self, path):
        canbase.micropython = AtOnce
        self._file = open(path, "rb")
        self.about = json.loads(self._file.readline())
        self.data = bytearray(1024)
        self.at = self._end = 0
        self.wrong = 0
        self.costly = False
        self.handlers = [None, None]  # type: list

    def drivers(self):
        # In the order in which the stepped world makes them.
        module = __import__(self.about["driver"])
        self.load()
        made = []
        for side in (0, 1):
            port = Spi(self, side), Select(self, side), Pin(self, side), self.about["crystal_Hz"]
            made.append(module.CAN(1, self.about["bit_s"][side], port=port, rx_frames=32))
        return made

    def load(self):
        # The next record. What was left of the one before should have happened in it.
        if self.at != self._end:
            self.wrong = self.wrong or self.at + 1
        length, costly = struct.unpack("<HB", self._file.read(3))
        if length > len(self.data):
            self.data = bytearray(length)
        self.data[:length] = self._file.read(length)
        self.at = 0
        self._end = length
        self.costly = costly == 1

    def is_over(self):
        return self.at == self._end and not self.wrong

    def between(self):
        # Nobody calls: the interrupts that came here.
        self.pump(_BETWEEN)

    def pump(self, kind=_AMIDST):
        while self.at < self._end and self.data[self.at] & 15 == kind:
            side = self.data[self.at] >> 4
            self.at += 1
            self.handlers[side](None)

    def take(self, event):
        # The next one must be this. False: it is not.
        if not self.wrong and self.at < self._end and self.data[self.at] == event:
            self.at += 1
            return True
        self.wrong = self.wrong or self.at + 1
        return False

    def say(self, out):
        data = self.data
        at = self.at
        count = len(out)
        if data[at] == count:
            for i in range(count):
                at += 1
                if out[i] != data[at]:
                    break
            else:
                self.at = at + 1
                return
        self.wrong = self.wrong or self.at + 1

    def hear(self, into):
        data = self.data
        at = self.at
        for i in range(len(into)):
            into[i] = data[at]
            at += 1
        self.at = at


class Spi:
    def __init__(self, tape, side):
        self._tape = tape
        self._wrote = side << 4 | _WRITE
        self._moved = side << 4 | _TRANSFER

    def write(self, out):
        tape = self._tape
        if tape.take(self._wrote):
            tape.say(out)
        tape.pump()

    def write_readinto(self, out, into):
        tape = self._tape
        if tape.take(self._moved):
            tape.say(out)
        if tape.wrong:
            for i in range(len(into)):
                into[i] = 0
        else:
            tape.hear(into)
        tape.pump()


class Select:
    def __init__(self, tape, side):
        self._tape = tape
        self._event = side << 4

    def __call__(self, level):
        tape = self._tape
        tape.take(self._event | _FREE if level else self._event | _SELECT)
        tape.pump()


class Pin:
    IRQ_FALLING = 2

    def __init__(self, tape, side):
        self._tape = tape
        self._side = side

    def __call__(self):
        tape = self._tape
        if not tape.take(self._side << 4 | _LEVEL):
            return 1
        tape.at += 1
        return tape.data[tape.at - 1]

    def irq(self, handler, trigger):
        self._tape.handlers[self._side] = handler
