"""The slcan driver over a stream that gives and takes as little as it likes. Runs on CPython and on MicroPython.

test_slcan_surface.py runs all of it once more with the whole class in place of the core."""

import gc

from slcan import CAN as FULL
from slcan_core import CAN

FLAG_EXT_ID, FLAG_RTR = FULL.FLAG_EXT_ID, FULL.FLAG_RTR
STATE_STOPPED, STATE_ACTIVE, STATE_WARNING = FULL.STATE_STOPPED, FULL.STATE_ACTIVE, FULL.STATE_WARNING
STATE_PASSIVE, STATE_BUS_OFF = FULL.STATE_PASSIVE, FULL.STATE_BUS_OFF


class Stream:
    """A non-blocking stream: None when it has nothing or takes nothing."""

    def __init__(self, incoming=b"", reads=1000, takes=1000):
        self.incoming = bytearray(incoming)
        self.at = 0
        self.reads = reads  # most bytes a call
        self.takes = takes  # bytes it takes before it is full
        self.written = bytearray()
        self.ended = False
        self.broken = False

    def feed(self, data):
        self.incoming = bytearray(data)
        self.at = 0

    def readinto(self, into):
        n = min(len(self.incoming) - self.at, len(into), self.reads)
        if n == 0:
            return 0 if self.ended else None
        for i in range(n):
            into[i] = self.incoming[self.at + i]
        self.at += n
        return n

    def write(self, data, at=0, length=1000):
        if self.broken:
            raise OSError(32)
        rest = bytes(data)[at : at + length]
        n = min(len(rest), self.takes)
        if n == 0:
            return None
        self.takes -= n
        self.written.extend(rest[:n])
        return n


def opened(incoming=b"", **how):
    stream = Stream(incoming, **how)
    can = CAN(stream, 250000)
    can.set_filters(None)
    stream.written = bytearray()
    return can, stream


def received(can):
    """All frames that are there, as tuples."""
    frames = []
    held: list = [0, memoryview(bytearray(8)), 0, 0]
    while can.recv(held) is not None:
        frames.append((held[0], bytes(held[1]), held[2]))
    return frames


def raises(error, call, *args):
    try:
        call(*args)
    except error:
        return True
    return False


def test_opens_with_the_bit_rate():
    for bitrate, digit in ((125000, b"4"), (250000, b"5"), (500000, b"6")):
        stream = Stream()
        CAN(stream, bitrate)
        assert bytes(stream.written) == b"\rC\rS" + digit + b"\rO\r"
    assert raises(ValueError, CAN, Stream(), 123456)


def test_sends_standard_and_extended_frames():
    can, stream = opened()
    assert can.send(0x181056F4, bytearray(b"\x0a\xb0\xff"), FLAG_EXT_ID) == 0
    assert can.send(0x7FF, b"", 0) == 0
    assert can.send(0x1, bytes(range(8)), 0) == 0
    assert bytes(stream.written) == b"T181056F430AB0FF\rt7FF0\rt00180001020304050607\r"


def test_sends_remote_frames_without_data():
    can, stream = opened()
    can.send(0x123, bytes(4), FLAG_RTR)
    can.send(0x1812F456, bytes(8), FLAG_RTR | FLAG_EXT_ID)
    assert bytes(stream.written) == b"r1234\rR1812F4568\r"


def test_refuses_what_is_no_frame():
    can, stream = opened()
    assert raises(ValueError, can.send, 1, bytes(9), 0)
    assert raises(ValueError, can.send, 0x1000, b"", 0)
    assert bytes(stream.written) == b""


def test_receives_every_kind():
    can, _ = opened(b"T181056F45A00F8C1401\rt12320aB0\rr1230\rR1812F4568\r")
    frames = received(can)
    assert frames == [
        (0x181056F4, b"\xa0\x0f\x8c\x14\x01", FLAG_EXT_ID),
        (0x123, b"\x0a\xb0", 0),
        (0x123, b"", FLAG_RTR),
        (0x1812F456, frames[3][1], FLAG_EXT_ID | FLAG_RTR),
    ]


def test_a_remote_frame_has_the_length_it_asks_for():
    can, _ = opened(b"R1812F4565\r")
    can_id, data, flags = received(can)[0]
    assert can_id == 0x1812F456 and len(data) == 5 and flags == FLAG_EXT_ID | FLAG_RTR


def test_a_frame_may_come_byte_by_byte():
    can, _ = opened(b"T181056F42A00F\rt12310a\r", reads=1)
    frames = []
    for _ in range(60):
        frames += received(can)
    assert frames == [(0x181056F4, b"\xa0\x0f", FLAG_EXT_ID), (0x123, b"\x0a", 0)]


def test_a_time_stamp_is_passed_over():
    can, _ = opened(b"t12310a1F2E\r")
    assert received(can) == [(0x123, b"\x0a", 0)]


def test_rubbish_is_counted_and_nothing_is_lost_after_it():
    lines = (b"t12", b"t1239", b"t12311", b"tXYZ0", b"t1231G0", b"T3FFFFFFF0", b"t8000", b"T181056F48001122")
    can, _ = opened(b"\r".join(lines) + b"\r" + b"z\rV1013\r\r" + b"t" * 100 + b"\rt12310A\r")
    frames = []
    for _ in range(5):
        frames += received(can)
    assert frames == [(0x123, b"\x0a", 0)]
    assert can.bad_lines == len(lines) + 1


def test_a_short_line_does_not_borrow_from_the_one_before():
    can, _ = opened(b"T181056F4800112233445566AA\rT181056F48\r")
    assert len(received(can)) == 1
    assert can.bad_lines == 1


def test_nothing_is_received_before_set_filters():
    can = CAN(Stream(b"t12310a\r"), 250000)
    assert received(can) == []


def test_too_many_frames_in_one_piece_are_counted_as_overrun():
    can, stream = opened(b"")
    for _ in range(4):
        stream.feed(b"t1230\r" * 21)
        can.poll()
    assert can.overruns == 4 * 21 - 32
    held = [0, memoryview(bytearray(8)), 0, 0]
    assert can.recv(held)[3] == FULL.RECV_ERR_FULL | FULL.RECV_ERR_OVERRUN
    assert can.recv(held)[3] == 0  # told once
    assert received(can) == [(0x123, b"", 0)] * 30


def test_an_empty_filter_closes_the_ears():
    can, stream = opened(b"t1230\r")
    can.set_filters([])
    assert received(can) == []
    can.set_filters(None)
    stream.feed(b"t1230\r")
    assert len(received(can)) == 1


def test_a_line_that_leaves_in_pieces_leaves_whole_and_in_order():
    can, stream = opened()
    stream.takes = 5
    assert can.send(0x181056F4, b"\x01\x02", FLAG_EXT_ID) == 0
    assert can.send(0x123, b"\x03", 0) is None
    stream.takes = 4
    assert can.send(0x123, b"\x03", 0) is None
    stream.takes = 1000
    assert can.send(0x123, b"\x03", 0) == 0
    assert bytes(stream.written) == b"T181056F420102\rt123103\r"


def test_a_full_stream_takes_no_frame():
    can, stream = opened()
    stream.takes = 0
    assert can.send(0x123, b"", 0) is None
    stream.takes = 100
    assert can.send(0x124, b"", 0) == 0
    assert bytes(stream.written) == b"t1240\r"


def test_status_lines_make_the_state_and_bus_off_is_left_by_restart():
    can, stream = opened(b"F04\r")
    assert can.state() == STATE_ACTIVE
    received(can)
    assert can.state() == STATE_WARNING
    stream.feed(b"F24\r")
    received(can)
    assert can.state() == STATE_PASSIVE
    stream.feed(b"F80\rF00\r")
    received(can)
    assert can.state() == STATE_BUS_OFF
    assert raises(OSError, can.send, 1, b"", 0)
    can.restart()
    assert can.state() == STATE_ACTIVE
    assert bytes(stream.written) == b"\rC\rS5\rO\r"
    assert can.send(1, b"", 0) == 0


def test_the_end_of_the_stream_stops_the_controller():
    can, stream = opened(b"t1230\r")
    stream.ended = True
    assert received(can) == [(0x123, b"", 0)]
    assert can.state() == STATE_STOPPED
    assert raises(OSError, can.send, 1, b"", 0)


def test_a_broken_stream_is_an_oserror_and_then_stopped():
    can, stream = opened()
    stream.broken = True
    assert raises(OSError, can.send, 1, b"", 0)
    assert can.state() == STATE_STOPPED
    can.restart()
    assert can.state() == STATE_STOPPED
    stream.broken = False
    can.restart()
    assert can.state() == STATE_ACTIVE


class Loop:
    """Gives the same bytes again and again and takes everything, without allocating."""

    def __init__(self, data, takes):
        self.data = data
        self.takes = takes
        self.toggle = 0

    def readinto(self, into):
        self.toggle ^= 1
        if self.toggle:
            return None
        for i in range(len(self.data)):
            into[i] = self.data[i]
        return len(self.data)

    def write(self, data, at=0, length=1000):
        return min(len(data) - at, length, self.takes)


def test_send_and_recv_allocate_nothing():
    if not hasattr(gc, "mem_alloc"):
        return  # CPython has no such count
    import micropython

    for takes in (100, 3):
        can = CAN(Loop(b"T181056F45A00F8C1401\rt1230\rF00\rxx\rt1231G0\r", 100), 250000)
        can.set_filters(None)
        can._stream.takes = takes
        held = [0, memoryview(bytearray(8)), 0, 0]
        data = bytearray(8)
        frames = 0
        gc.collect()
        before = gc.mem_alloc()
        micropython.heap_lock()
        for _ in range(50):
            while can.recv(held) is not None:
                frames += 1
            can.send(0x181056F4, data, 2)
            can.send(0x123, data, 0)
            can.state()
        micropython.heap_unlock()
        assert gc.mem_alloc() == before
        assert frames >= 50
