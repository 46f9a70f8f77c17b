"""The pins over a stream, and the file that stands in for RTC memory. Runs on CPython and on MicroPython."""

import gc
import os
import struct

from lib.remoteio import RemoteIO, RetainedFile

FILE = "build/test_retained.bin"
LOCKSTEP = 1


def record(seq, inputs=(), now_ms=0, flags=0, magic=0x5A51):
    raw = list(inputs) + [0] * (11 - len(inputs))
    return struct.pack("<HHIH11H", magic, seq, now_ms, flags, *raw)


class Bench:
    """The other end: a non-blocking stream."""

    def __init__(self):
        self.incoming = b""
        self.answers = bytearray()
        self.most = 1000  # bytes a read
        self.takes = 1 << 20
        self.ended = False
        self.blocking = False
        self.broken = False

    def setblocking(self, on):
        self.blocking = on

    def readinto(self, into):
        size = 32 if len(into) == 16 else len(into)
        n = min(size, len(self.incoming), self.most)
        if n == 0:
            return 0 if self.ended or self.blocking else None
        data = self.incoming[:n]
        self.incoming = self.incoming[n:]
        if len(into) == 16:  # 16 words
            raw = bytearray(struct.pack("<16H", *into))
            raw[:n] = data
            for i in range(16):
                into[i] = raw[2 * i] | raw[2 * i + 1] << 8
        else:
            into[0] = data[0]
        return n

    def write(self, data, at, length):
        if self.broken:
            raise OSError(32)
        raw = struct.pack("<8H", *data)[at : at + length]
        n = min(len(raw), self.takes)
        self.takes -= n
        self.answers.extend(raw[:n])
        return n or None


def test_a_sample_comes_whole():
    bench = Bench()
    io = RemoteIO(bench)
    assert io.sample() is False
    bench.incoming = record(7, [8600, 1000, 32768, 4000, 750, 760, 1, 0, 1, 0, 65535], now_ms=123456)
    assert io.sample() is True
    assert list(io.inputs) == [8600, 1000, 32768, 4000, 750, 760, 1, 0, 1, 0, 65535]
    assert (io.seq, io.now_ms, io.flags) == (7, 123456, 0)
    assert io.sample() is False


def test_live_the_newest_of_many_counts():
    bench = Bench()
    io = RemoteIO(bench)
    bench.incoming = record(1, [1]) + record(2, [2]) + record(3, [3])
    assert io.sample() is True
    assert (io.seq, io.inputs[0]) == (3, 3)
    assert io.sample() is False


def test_a_divided_record_is_put_together():
    bench = Bench()
    io = RemoteIO(bench)
    for most in (1, 2, 5, 31, 32):
        bench.most = most
        whole = record(5, [100, 200, 300, 400, 500, 600, 1, 0, 1, 1, 0], now_ms=2**30 - 1)
        for cut in (1, 10, 31):
            bench.incoming = whole[:cut]
            assert io.sample() is False
            bench.incoming = whole[cut:]
            assert io.sample() is True
            assert list(io.inputs) == [100, 200, 300, 400, 500, 600, 1, 0, 1, 1, 0]
            assert io.now_ms == 2**30 - 1


def test_now_stays_a_small_int():
    bench = Bench()
    io = RemoteIO(bench)
    bench.incoming = record(1, now_ms=0xFFFFFFFF)
    io.sample()
    assert io.now_ms == 2**30 - 1


def test_who_is_no_bench_is_left():
    bench = Bench()
    io = RemoteIO(bench)
    bench.incoming = record(9, [42], magic=0x5A52)
    assert io.sample() is False and io.closed == 1 and io.seq == 0


def test_outputs_leave_with_the_newest_number():
    bench = Bench()
    io = RemoteIO(bench)
    bench.incoming = record(513)
    io.sample()
    io.free_B = 70000
    io.write(0x35)
    assert struct.unpack("<HHHHII", bytes(bench.answers)) == (0xA515, 513, 0x35, 0, 0, 70000)


def test_a_stream_that_takes_part_of_an_answer_gets_the_rest_first():
    bench = Bench()
    io = RemoteIO(bench)
    bench.takes = 5
    io.write(1)
    io.write(2)
    assert io.unsent == 1
    bench.takes = 1000
    io.write(3)
    first, second = bytes(bench.answers[:16]), bytes(bench.answers[16:])
    assert len(second) == 16
    assert struct.unpack("<HHHHII", first)[2] == 1
    assert struct.unpack("<HHHHII", second)[2] == 3


def test_lockstep_one_record_one_tick_one_answer():
    bench = Bench()
    io = RemoteIO(bench)
    bench.incoming = record(1, [11], now_ms=10, flags=LOCKSTEP) + record(2, [22], now_ms=20, flags=LOCKSTEP)
    for seq, now_ms, value in ((1, 10, 11), (2, 20, 22)):
        io.wait()
        assert bench.blocking is False
        assert io.sample() is True
        assert (io.seq, io.now_ms, io.inputs[0]) == (seq, now_ms, value)
        assert io.sample() is False
        bench.answers = bytearray()
        io.write(4)
        assert len(bench.answers) == 0


def test_lockstep_answers_with_what_was_allocated():
    bench = Bench()
    io = RemoteIO(bench)
    if not hasattr(gc, "mem_alloc"):
        return
    bench.incoming = record(1, flags=LOCKSTEP)
    io.wait()
    io.sample()
    gc.collect()
    before = io.allocated()
    io.write(9)
    kept = bytearray(1000)
    io.answer(before)
    fields = struct.unpack("<HHHHII", bytes(bench.answers))
    assert fields[:4] == (0xA515, 1, 9, LOCKSTEP)
    assert 1000 <= fields[4] <= 1100
    assert fields[5] > 1000
    assert len(kept) == 1000


def test_the_bench_going_away_is_told():
    bench = Bench()
    io = RemoteIO(bench)
    bench.ended = True
    assert io.sample() is False and io.closed == 1
    try:
        io.wait()
        raise RuntimeError("wait() came back")
    except OSError:
        pass
    bench.broken = True
    io = RemoteIO(bench)
    io.write(1)
    assert io.closed == 1


class Loop:
    """The same record for ever, without allocating; every second read finds nothing."""

    def __init__(self, words, most):
        self.words = words
        self.most = most
        self.at = 0
        self.turn = 0

    def readinto(self, into):
        self.turn ^= 1
        if self.turn:
            return None
        if len(into) == 16 and self.at == 0 and self.most == 32:
            for i in range(16):
                into[i] = self.words[i]
            return 32
        word = self.words[self.at >> 1]
        byte = word >> 8 if self.at & 1 else word & 0xFF
        self.at = (self.at + 1) % 32
        if len(into) == 16:
            into[0] = byte
        else:
            into[0] = byte
        return 1

    def write(self, data, at, length):
        return min(length, self.most)


def test_sample_and_write_allocate_nothing():
    if not hasattr(gc, "mem_alloc"):
        return
    from array import array

    import micropython

    words = array("H", [0] * 16)
    raw = record(3, [8600, 1000, 32768], now_ms=99)
    for i in range(16):
        words[i] = raw[2 * i] | raw[2 * i + 1] << 8
    for most in (32, 7):
        io = RemoteIO(Loop(words, most))
        fresh = 0
        gc.collect()
        before = gc.mem_alloc()
        micropython.heap_lock()
        for _ in range(400):
            if io.sample():
                fresh += 1
            io.write(33)
        micropython.heap_unlock()
        assert gc.mem_alloc() == before
        assert fresh > 3
        assert io.inputs[0] == 8600


def test_a_file_stands_in_for_retained_memory():
    try:
        os.remove(FILE)
    except OSError:
        pass
    kept = RetainedFile(FILE)
    assert kept.image == bytearray(256)
    kept.image[0] = 0x5A
    kept.image[255] = 7
    kept.save()
    again = RetainedFile(FILE)
    assert again.image[0] == 0x5A and again.image[255] == 7
    with open(FILE, "wb") as file:
        file.write(b"short")
    assert RetainedFile(FILE).image == bytearray(256)
    os.remove(FILE)


def test_saving_allocates_nothing():
    if not hasattr(gc, "mem_alloc"):
        return
    kept = RetainedFile(FILE)
    kept.save()
    gc.collect()
    before = gc.mem_alloc()
    for _ in range(10):
        kept.save()
    assert gc.mem_alloc() == before
    os.remove(FILE)
