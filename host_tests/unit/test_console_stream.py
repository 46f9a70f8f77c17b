"""Pins among the words of a console: frames that are whole, cut, spoilt or none. CPython and MicroPython.

framed() is written here once more, after the words at the top of lib/console_stream.py."""

import gc
import struct
import sys
from array import array

import console_stream

from lib.remoteio import RemoteIO

RECORD = bytes(range(32))  # with all the characters that a console takes for commands
BEGIN = 0x16


def framed(record, key=0x80):
    body = bytes([byte ^ key for byte in record])
    return bytes([BEGIN, key]) + body + bytes([sum(body) & 0xFF ^ key, sum(body) >> 8 ^ key])


class Line:
    # Standard input and output, and what waits at them.
    def __init__(self):
        self.incoming = b""
        self.at = 0
        self.ended = False
        self.out = bytearray()
        self.buffer = self.stdin = self.stdout = self
        self.POLLIN = 1

    def poll(self):
        return self

    def register(self, stream, flags):
        pass

    def ipoll(self, timeout):
        return self if self.ended or self.at < len(self.incoming) else ()

    def __iter__(self):
        return iter((self,))

    def readinto(self, into):
        if self.at == len(self.incoming):
            return 0
        into[0] = self.incoming[self.at]
        self.at += 1
        return 1

    def write(self, data, at, count):
        self.out.extend(data[at : at + count])
        return count


def made():
    line = Line()
    console_stream.sys = console_stream.select = line
    console = console_stream.Console()
    console_stream.sys, console_stream.select = sys, __import__("select")
    return line, console


def read(line, console, data):
    # Every record in it, as bytes.
    found = []
    line.incoming, line.at = data, 0
    words = array("H", [0] * 16)
    while console.readinto(words):
        found.append(b"".join([bytes([word & 0xFF, word >> 8]) for word in words]))
    return found


def test_a_record_comes_whole_however_it_is_cut_into_pieces():
    data = framed(RECORD) + framed(bytes(32), 0) + framed(b"\xff" * 32, 0x7F)
    for size in (1, 2, 35, 36, 37, 108):
        line, console = made()
        found = []
        for at in range(0, len(data), size):
            found += read(line, console, data[at : at + size])
        assert found == [RECORD, bytes(32), b"\xff" * 32], size


def test_words_and_noise_before_a_frame_are_passed_over():
    line, console = made()
    assert read(line, console, b"\x03\r\nimport x\r\n" + framed(RECORD) + b"more" + framed(RECORD)) == [RECORD] * 2


def test_lost_bytes_cost_the_frames_that_they_were_of_and_no_more():
    whole = framed(RECORD)
    for first in range(36):
        for count in (1, 5, 35, 36, 50):
            line, console = made()
            data = whole * 4
            found = read(line, console, data[:first] + data[first + count :] + whole)
            assert found == [RECORD] * len(found) and len(found) >= 2, (first, count)


def test_a_byte_that_is_not_as_it_was_sent_makes_no_record():
    for at in range(2, 36):
        line, console = made()
        data = bytearray(framed(RECORD))
        data[at] ^= 0x40
        if BEGIN not in bytes(data)[1:]:
            assert read(line, console, bytes(data)) == [], at
        assert read(line, console, framed(RECORD)) == [RECORD]


def test_nothing_is_said_before_the_bench_has_spoken():
    line, console = made()
    assert console.write(b"answer", 0, 6) == 6 and line.out == b""
    read(line, console, framed(RECORD))
    assert console.write(b"answer", 1, 3) == 3 and line.out == b"nsw"


def test_a_second_after_the_last_frame_the_console_has_words_alone_again():
    line, console = made()
    words = array("H", [0] * 16)
    for _ in range(2):
        read(line, console, framed(RECORD))
        line.out = bytearray()
        for _ in range(98):  # read() looked once in vain, too
            assert console.readinto(words) is None
        assert console.write(b"answer", 0, 6) == 6 and line.out == b"answer"
        console.readinto(words)
        assert console.write(b"answer", 0, 6) == 6 and line.out == b"answer"


def test_the_pins_of_a_bench_that_is_gone_are_none_and_then_closed():
    line, console = made()
    pins = RemoteIO(console)
    line.incoming = framed(struct.pack("<HHIH11H", 0x5A51, 7, 1, 0, *range(11)))
    assert pins.sample() is True and list(pins.inputs) == list(range(11))
    for _ in range(498):
        assert pins.sample() is False and pins.closed == 0
    assert pins.sample() is False and pins.closed == 1


def test_a_bench_that_falls_silent_is_gone_after_500_looks():
    line, console = made()
    words = array("H", [0] * 16)
    for _ in range(2):
        assert [console.readinto(words) for _ in range(499)] == [None] * 499
        line.incoming, line.at = framed(RECORD), 0
        assert console.readinto(words) == 32
    assert [console.readinto(words) for _ in range(500)] == [None] * 499 + [0]


def test_noise_does_not_keep_a_bench_alive():
    line, console = made()
    words = array("H", [0] * 16)
    for _ in range(499):
        line.incoming, line.at = b"\x16\x00noise", 0
        assert console.readinto(words) is None
    assert console.readinto(words) == 0


def test_the_end_of_standard_input_is_the_end():
    line, console = made()
    line.ended = True
    assert console.readinto(array("H", [0] * 16)) == 0


class Loop:
    # The same frames for ever, without allocating; now and then a look finds nothing.
    def __init__(self, data):
        self.data = data
        self.at = self.turn = 0
        self.some = [0]

    def ipoll(self, timeout):
        self.turn = (self.turn + 1) & 7
        return self.some if self.turn else ()

    def readinto(self, into):
        into[0] = self.data[self.at]
        self.at = self.at + 1 if self.at + 1 < len(self.data) else 0
        return 1


def test_reading_allocates_nothing_but_what_the_loop_over_the_poll_does_here():
    if not hasattr(gc, "mem_alloc"):
        return
    import micropython

    _, console = made()
    loop = Loop(framed(RECORD) + framed(bytes(32), 0))
    console._waiting, console._read = loop.ipoll, loop.readinto
    words = array("H", [0] * 16)
    fresh = 0
    gc.collect()
    before = gc.mem_alloc()
    micropython.heap_lock()
    for _ in range(600):
        if console.readinto(words):
            fresh += 1
    micropython.heap_unlock()
    assert gc.mem_alloc() == before and fresh > 50
