# ruff: noqa: E402 (the image must be on the path before it is imported)
# MicroPython's side of host_tests/trace.py: replay.py BOARD TRACE CONFIG MODE TICKS
#
# The trace, a tick: head "<IBBBBBBBHII11H" (now, fresh, wishes, frames from car and converter, frames that either bus
# took, phase, outputs, check sums of the frames sent on either bus, raw inputs), then 6 bytes a changed wish slot
# "<BBi", 14 bytes a frame "<IBB8s", and what came on the RS-485 line: a length of one byte, and the bytes.
# Prints "phase bytes calls..." a tick and one JSON line. MODE is "lock" (see measured) or "count": os.getenv and
# os.unsetenv then enclose every tick, where host_tests/perf.py has callgrind set its count to zero and write it down.
# A session on modelled chips has a second file beside it, and the real CAN drivers run: see replay_chips.py.
# "fieldbus", "energy": they enclose that room's step alone (host_tests/perf_field.py).
import gc
import io
import os
import sys

board_dir, trace, config_file, mode, most = sys.argv[1:6]
sys.path[:0] = [board_dir, board_dir + "/lib"]
import binascii
import json
import struct
from array import array

import micropython

import main
from firmware import config as configs

HEAD = "<IBBBBBBBHII11H"
HEAD_B = struct.calcsize(HEAD)
SAMPLES = 8  # of each kind of marks that come before those of the first tick


class Board:
    def __init__(self):
        self.inputs = array("i", [0] * 11)
        self.fresh = False
        self.outputs = 0

    def sample(self):
        return self.fresh

    def write(self, mask):
        self.outputs = mask


class Can:
    FRAMES = 12  # control reads at most 8 a tick, the rest waits in the recording

    def __init__(self):
        self.ids = array("i", [0] * self.FRAMES)
        self.flags = bytearray(self.FRAMES)
        self.lengths = bytearray(self.FRAMES)
        self.bytes = [bytearray(8) for _ in range(self.FRAMES)]
        self.views = [[memoryview(data)[:n] for n in range(9)] for data in self.bytes]
        self.count = self.next = 0
        self.out = [bytearray(16) for _ in range(self.FRAMES)]  # what left: length, flags, id, data
        self.sent = self.room = 0

    def recv(self, into):
        at = self.next
        if at == self.count:
            return None
        self.next = at + 1
        into[0] = self.ids[at]
        into[1] = self.views[at][self.lengths[at]]
        into[2] = self.flags[at]
        into[3] = 0
        return into

    def send(self, can_id, data, flags=0):
        if self.sent == self.room:
            return None
        out = self.out[self.sent]
        out[0] = len(data)
        out[1] = flags
        for i in range(4):
            out[2 + i] = can_id >> (8 * i) & 255
        for i in range(len(data)):
            out[6 + i] = data[i]
        self.sent += 1
        return 0

    def state(self):
        return 1

    def restart(self):
        pass

    def cancel_send(self, index):
        return False

    FILTERS_MAX = 32

    def set_filters(self, filters):
        pass  # the recording has what came through

    def check_sum(self):
        total = 0
        for i in range(self.sent):
            out = self.out[i]
            total = binascii.crc32(bytes(out[2:6]) + bytes([out[1]]) + bytes(out[6 : 6 + out[0]]), total)
        return total


class QuickCan(Can):
    # For counting: what leaves is not kept; how often each call was made is, so that its cost can be taken off.
    def __init__(self):
        super().__init__()
        self.calls = [0, 0, 0]  # recv without a frame, recv with one, send

    def recv(self, into):
        at = self.next
        if at == self.count:
            self.calls[0] += 1
            return None
        self.calls[1] += 1
        self.next = at + 1
        into[0] = self.ids[at]
        into[1] = self.views[at][self.lengths[at]]
        into[2] = self.flags[at]
        into[3] = 0
        return into

    def send(self, can_id, data, flags=0):
        self.calls[2] += 1
        if self.sent == self.room:
            return None
        self.sent += 1
        return 0

    def check_sum(self):
        return 0


class Field:
    # The RS-485 line: what the recording heard in this tick.
    def __init__(self):
        self.data = bytearray(64)
        self.count = 0

    def readinto(self, into):
        count = self.count
        for at in range(count):
            into[at] = self.data[at]
        return count or None

    def write(self, data):
        pass

    def txdone(self):
        return True


class QuickField(Field):
    # For counting: reads and writes are C functions, as those of a UART are.
    def __init__(self):
        super().__init__()
        self.write = len
        self.ready()

    def ready(self):
        self.readinto = io.BytesIO(self.data[: self.count]).readinto


class Marked:
    # A room whose step alone is counted.
    def __init__(self, room):
        self._room = room

    def step(self, now):
        os.getenv("tick")
        self._room.step(now)
        os.unsetenv("tick")


def calibrate(can):
    # What the marks cost, and with them each of those calls.
    into, data = [0, None, 0, 0], bytes(8)
    for _ in range(SAMPLES):
        os.getenv("tick")
        os.unsetenv("tick")
    for count in (0, 1):
        for _ in range(SAMPLES):
            can.count, can.next = count, 0
            os.getenv("tick")
            can.recv(into)
            os.unsetenv("tick")
    for _ in range(SAMPLES):
        can.sent, can.room = 0, 1
        os.getenv("tick")
        can.send(0x1812F456, data, 2)
        os.unsetenv("tick")


class Rtc:
    def __init__(self):
        self.image = bytearray(256)

    def save(self):
        pass


def read(file, can, count, room):
    can.count, can.next, can.sent, can.room = count, 0, 0, room
    if mode != "lock":
        can.calls[0] = can.calls[1] = can.calls[2] = 0
    for i in range(count):
        can_id, can.flags[i], can.lengths[i], data = struct.unpack("<IBB8s", file.read(14))
        can.ids[i] = can_id
        can.bytes[i][:] = data


def measured(tick, now, costly):
    # Bytes allocated. With the heap locked a tick that wants memory raises; it sees what is freed again, too.
    if mode == "count":
        os.getenv("tick")
        tick(now)
        os.unsetenv("tick")
        return 0
    if mode != "lock":
        tick(now)
        return 0
    if now % 20 == 0 and not costly:
        micropython.heap_lock()
        try:
            tick(now)
        finally:
            micropython.heap_unlock()
        return 0
    before = gc.mem_alloc()
    tick(now)
    return gc.mem_alloc() - before


def on_chips(tape, tick, now):
    # The interrupts of the time before the tick, the tick, those after it. The drivers have done all, and that alone.
    tape.load()
    tape.between()
    size_B = measured(tick, now, tape.costly)
    tape.between()
    return size_B


def play(fw, field, file, car, converter, tape):
    io = fw.io
    tick = fw.control.tick
    differing, costly = [], []
    number = 0
    free_min = 1 << 30
    while not int(most) or number < int(most):
        head = file.read(HEAD_B)
        if len(head) < HEAD_B:
            break
        values = struct.unpack(HEAD, head)
        for _ in range(values[2]):
            source, slot, value = struct.unpack("<BBi", file.read(6))
            fw.wishes.posted[source][slot] = value
        read(file, car, values[3], values[5])
        read(file, converter, values[4], values[6])
        field.count = file.read(1)[0]
        if field.count:
            field.data[: field.count] = file.read(field.count)
        if mode != "lock":
            field.ready()
        io.fresh = bool(values[1])
        for slot in range(11):
            io.inputs[slot] = values[11 + slot]
        if number % 16 == 0:  # what reading allocates is collected outside the tick
            gc.collect()
            free_min = min(free_min, gc.mem_free())
        size_B = on_chips(tape, tick, values[0]) if tape else measured(tick, values[0], False)
        print(values[7], size_B, *(car.calls + converter.calls if mode == "count" else ()))
        same = mode != "lock" or (io.outputs, car.check_sum(), converter.check_sum()) == values[8:11]
        if tape and tape.costly:
            costly.append(number)
        if not same or (tape and not tape.is_over()):
            if len(differing) < 10:
                differing.append(number)
        number += 1
    return {"free_min_B": free_min, "differing": differing, "costly": costly}


def the_chips():
    path = trace.rsplit(".", 1)[0] + ".chips"
    try:
        os.stat(path)
    except OSError:
        return None
    from replay_chips import Tape

    return Tape(path)


def run():
    gc.collect()
    config = configs.load(config_file)
    can = Can if mode == "lock" else QuickCan
    field = Field() if mode == "lock" else QuickField()
    car, converter = can(), can()
    tape = the_chips()
    cans = tape.drivers() if tape else (car, converter)
    fw = main.assemble(main.the_board(), config, Board(), *cans, Rtc(), lambda bit_s, parity: (field, None))
    if mode == "count":
        calibrate(can())
    elif mode != "lock":
        for _ in range(SAMPLES):
            os.getenv("tick")
            os.unsetenv("tick")
        setattr(fw.control, mode, Marked(getattr(fw.control, mode)))
    with open(trace, "rb") as file:
        print(json.dumps(play(fw, field, file, car, converter, tape)))


run()
