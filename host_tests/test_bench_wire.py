"""The virtual wire: frame times, arbitration, lost frames."""

import random

import pytest

from hw_tests.bench.bits import bit_length, priority
from hw_tests.bench.frame import Frame
from hw_tests.bench.virtual_can import VirtualCan
from hw_tests.bench.virtual_wire import VirtualWire


def exact_bits(frame: Frame) -> int:
    """Bits of a frame with its real stuffing, check sum included: an independent count."""
    if frame.ext:
        head = f"0{frame.id >> 18:011b}11{frame.id & 0x3FFFF:018b}000{len(frame.data):04b}"
    else:
        head = f"0{frame.id:011b}000{len(frame.data):04b}"
    bits = head + "".join(f"{byte:08b}" for byte in frame.data)
    crc = 0
    for bit in bits:
        crc = ((crc << 1) ^ (0x4599 if (crc >> 14 & 1) ^ int(bit) else 0)) & 0x7FFF
    bits += f"{crc:015b}"
    stuffed, last, run = 0, "", 0
    for bit in bits:
        run = run + 1 if bit == last else 1
        last = bit
        if run == 5:
            stuffed += 1
            last, run = str(1 - int(bit)), 1
    return len(bits) + stuffed + 10 + 3  # delimiters, acknowledge, end of frame, and 3 bits between frames


def test_the_bit_length_is_near_the_exact_one():
    rng = random.Random(1)
    errors = []
    for _ in range(500):
        ext = rng.random() < 0.5
        data = bytes(rng.choice((0, 0xFF, rng.randrange(256))) for _ in range(rng.randrange(9)))
        frame = Frame(rng.getrandbits(29 if ext else 11), ext, data)
        errors.append(bit_length(frame) - exact_bits(frame))
    assert abs(sum(errors) / len(errors)) < 2
    assert max(map(abs, errors)) < 12


@pytest.mark.parametrize("data", [bytes(8), b"\xff" * 8, bytes(range(8)), b"\x12\x34\x56\x78\x9a\xbc\xde\xf0"])
def test_an_extended_frame_of_8_bytes_is_as_long_as_the_facts_say(data):
    assert 131 <= bit_length(Frame(0x181056F4, True, data)) <= 160


def test_arbitration_order_is_that_of_the_bits():
    frames = [
        Frame(0x100, False, b""),
        Frame(0x100 << 18, True, b""),
        Frame(0x100 << 18 | 1, True, b""),
        Frame(0x101, False, b""),
        Frame(0x181056F4, True, b""),
        Frame(0x1CEC56F4, True, b""),
        Frame(0x7FF, False, b""),
    ]
    shuffled = frames[:]
    random.Random(2).shuffle(shuffled)
    assert sorted(shuffled, key=priority) == frames


def test_a_frame_arrives_after_its_time_and_not_at_its_sender():
    wire = VirtualWire(125000)
    a, b, c = (wire.attach(name) for name in "abc")
    frame = Frame(0x02E300F0, True, bytes(8))
    took_ms = bit_length(frame) / 125
    assert a.send(frame, 10)
    wire.step(10 + int(took_ms))
    assert b.receive() is None
    wire.step(10 + int(took_ms) + 1)
    assert b.receive() == c.receive() == frame
    assert a.receive() is None


def test_the_lowest_id_goes_first_and_a_frame_on_the_wire_is_not_interrupted():
    wire = VirtualWire(250000)
    a, b, c = (wire.attach(name) for name in "abc")
    order = []
    c.on_frame = lambda frame: order.append(frame.id)
    a.send(Frame(0x1CEB56F4, True, bytes(8)), 0)
    wire.step(0)
    a.send(Frame(0x1812F456, True, bytes(8)), 0)
    b.send(Frame(0x100AF456, True, bytes(1)), 0)
    wire.step(5)
    assert order == [0x1CEB56F4, 0x100AF456, 0x1812F456]


def test_the_load_is_what_the_bits_say():
    wire = VirtualWire(125000)
    a, b = wire.attach("a"), wire.attach("b")
    frame = Frame(0x02E300F0, True, bytes(range(8)))
    for _ in range(2000):
        a.send(frame, 0)
    wire.step(1000)
    assert 781 <= len(b.received) <= 954  # hardware.md: frames a second at 125 kbit/s
    assert wire.busy_us == pytest.approx(1e6, rel=0.01)


def test_two_buffers_lose_the_newest():
    wire = VirtualWire(250000)
    a, b = wire.attach("a"), wire.attach("b", rx_buffers=2)
    for n in range(5):
        a.send(Frame(n, False, b""), n)
    wire.step(20)
    assert [frame.id for frame in b.received] == [0, 1]
    assert b.overruns == 3


def test_a_short_queue_is_full_and_restart_empties_it():
    wire = VirtualWire(250000)
    a, b = wire.attach("a", tx_queue=3), wire.attach("b")
    assert [a.send(Frame(n, False, bytes(8)), 0) for n in range(4)] == [True, True, True, False]
    a.drop_pending()
    wire.step(10)
    assert not b.received and a.send(Frame(1, False, b""), 10)


def test_a_cut_and_a_bus_off_node_neither_send_nor_hear():
    wire = VirtualWire(250000)
    a, b = wire.attach("a"), wire.attach("b")
    b.connected = False
    a.send(Frame(1, False, b""), 0)
    b.send(Frame(2, False, b""), 0)
    wire.step(5)
    assert not a.received and not b.received
    b.connected = True
    wire.step(10)
    assert a.receive() == Frame(2, False, b"")
    a.bus_off = True
    assert not a.send(Frame(3, False, b""), 10)


def test_virtual_can_has_the_surface_of_machine_can():
    wire = VirtualWire(250000)
    mine, other = VirtualCan(wire.attach("a")), wire.attach("b")
    other.send(Frame(0x181056F4, True, b"\1\2\3"), 0)
    wire.step(5)
    held = [0, memoryview(bytearray(8)), 0, 0]
    got = mine.recv(held)
    assert got is held and got[0] == 0x181056F4 and bytes(got[1]) == b"\1\2\3" and got[2] == VirtualCan.FLAG_EXT_ID
    assert mine.recv(held) is None
    mine.now_ms = 5
    assert mine.send(0x123, bytearray(b"\5"), 0) == 0
    wire.step(10)
    assert other.receive() == Frame(0x123, False, b"\5")
    mine.node.bus_off = True
    assert mine.state() == VirtualCan.STATE_BUS_OFF
    with pytest.raises(OSError):
        mine.send(1, b"", 0)
    mine.restart()
    assert mine.state() == VirtualCan.STATE_ACTIVE


def test_a_million_bit_times_a_second_are_cheap():
    """A step without traffic costs next to nothing: it is called every virtual millisecond."""
    wire = VirtualWire(250000)
    wire.attach("a")
    assert wire.idle
    wire.step(10**6)
    assert wire.frames == 0
