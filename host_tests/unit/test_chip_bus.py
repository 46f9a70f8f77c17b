"""The virtual CAN bus on which chip models meet: lengths, arbitration, errors. Runs on CPython and on MicroPython."""

from hw_tests.bench.chips.bus import DOMINANT, GOOD, SHORT, Bus
from hw_tests.bench.chips.node import Node, Peer
from hw_tests.bench.chips.wire import arbitration, check_sum, frame, length_bits

MS = 1000000


def pair(bitrate=250000, names=("a", "b")):
    bus = Bus(bitrate)
    return (bus,) + tuple([bus.attach(Peer(name)) for name in names])


# --- frames as bits ---
def reference_bits(f):
    """Another way to the same length: a string of bits, a division for the check sum, and stuffing read from it."""
    can_id, ext, rtr, dlc, data = f

    def b(value, width):
        return "".join(["1" if value >> at & 1 else "0" for at in range(width - 1, -1, -1)])

    if ext:
        text = "0" + b(can_id >> 18, 11) + "11" + b(can_id & 0x3FFFF, 18) + b(rtr, 1) + "00" + b(dlc, 4)
    else:
        text = "0" + b(can_id, 11) + b(rtr, 1) + "00" + b(dlc, 4)
    text += "".join([b(byte, 8) for byte in data])
    rest = 0
    for bit in text + "0" * 15:  # long division by x15+x14+x10+x8+x7+x4+x3+1
        rest = rest << 1 | (1 if bit == "1" else 0)
        if rest >> 15:
            rest ^= 0xC599
    text += b(rest, 15)
    stuffed = ""
    for bit in text:
        stuffed += bit
        if len(stuffed) >= 5 and stuffed[-5:] in ("00000", "11111"):
            stuffed += "1" if bit == "0" else "0"
    return len(stuffed) + 10, rest


def some_frames(count, seed=7):
    """Pseudo-random frames, and those with the longest runs."""
    out = [frame(0, b""), frame(0x7FF, bytes([255] * 8)), frame(0, bytes(8), ext=1), frame(0x1FFFFFFF, b"", ext=1)]
    out += [frame(0x123, bytes(3), rtr=1), frame(0x1812F456, bytes(8), ext=1, rtr=1), frame(0x55, bytes(8), dlc=15)]
    for _ in range(count):
        seed = (seed * 75 + 74) % 65537
        other = (seed * 75 + 74) % 65537
        data = bytes([(seed >> k) & 255 if other & 1 << k else 0 for k in range(seed % 9)])
        ext = seed & 1
        out.append(frame((other << 8 ^ seed) % (1 << (29 if ext else 11)), data, ext=ext, rtr=other % 11 == 0))
    return out


def test_length_and_check_sum_of_a_frame_with_real_stuffing():
    for f in some_frames(150):
        length, crc = reference_bits(f)
        assert length_bits(f) == length, f
        assert check_sum(f) == crc, f


def test_lengths_are_within_the_bounds_of_the_standard():
    for f in some_frames(150):
        data = 0 if f[2] else 8 * min(f[3], 8)
        least = (64 if f[1] else 44) + data
        assert least <= length_bits(f) <= least + ((53 if f[1] else 33) + data) // 4, f


def test_frames_that_do_not_exist_are_refused():
    for wrong in ((0x800, b"", 0), (1 << 29, b"", 1), (1, bytes(9), 0)):
        try:
            frame(wrong[0], wrong[1], ext=wrong[2])
        except ValueError:
            continue
        raise AssertionError(wrong)


def test_arbitration_is_by_bits():
    order = (
        frame(0x100, b"\x01"),
        frame(0x100, b"", rtr=1),
        frame(0x100 << 18, b"", ext=1),
        frame(0x100 << 18, b"", ext=1, rtr=1),
        frame(0x100 << 18 | 1, b"", ext=1),
        frame(0x101, b""),
    )
    keys = [arbitration(f) for f in order]
    assert keys == sorted(keys) and len(set(keys)) == len(keys)


# --- traffic ---
def test_a_frame_takes_its_time_and_arrives_at_its_end():
    bus, a, b = pair()
    f = frame(0x123, b"\x01\x02")
    a.send(f, 1 * MS)
    bus.run(3 * MS)
    assert b.inbox == [(1 * MS + length_bits(f) * 4000, f)]
    assert a.outbox == b.inbox and a.inbox == []


def test_frames_of_one_node_are_three_bits_apart():
    bus, a, b = pair()
    f = frame(0x123, b"\x01\x02")
    a.send(f)
    a.send(f)
    bus.run(3 * MS)
    assert b.inbox[1][0] - b.inbox[0][0] == (length_bits(f) + 3) * 4000


def test_the_lower_id_goes_first_and_nothing_is_lost():
    bus, a, b, c = pair(names=("a", "b", "c"))
    for k in range(5):
        a.send(frame(0x300 + k, b"a"))
        b.send(frame(0x200 + k, b"b"))
    bus.run(20 * MS)
    assert [f[0] for f in c.frames()] == list(range(0x200, 0x205)) + list(range(0x300, 0x305))


def test_how_it_is_cut_into_steps_makes_no_difference():
    def play(step):
        bus, a, b, c = pair(names=("a", "b", "c"))
        for k in range(8):
            a.send(frame(0x300 + k, bytes(k)), k * 700000)
            b.send(frame(0x299, bytes(k)), k * 650000)
        bus.destroy(3)
        at = 0
        while at < 20 * MS:
            at += step
            bus.run(at)
        return c.inbox, a.tec, b.tec, c.rec

    whole = play(20 * MS)
    assert len(whole[0]) == 16
    for step in (997, 40000, 333333):
        assert play(step) == whole


def test_two_that_send_the_same_id_with_other_data_break_each_others_frame():
    bus, a, b, c = pair(names=("a", "b", "c"))
    a.send(frame(0x100, b"\x01"))
    b.send(frame(0x100, b"\x02"))
    bus.run(500000)
    assert a.errors > 0 and b.errors > 0 and c.inbox == []
    assert a.tec >= 8 and b.tec >= 8


# --- errors ---
def test_alone_on_the_bus_a_node_becomes_passive_and_not_bus_off():
    bus, a = pair(names=("a",))
    a.send(frame(0x100, b"\x01"))
    bus.run(500 * MS)
    assert a.errors > 100 and a.outbox == []
    assert a.tec == 128 and a.passive and not a.off


def test_one_that_only_listens_does_not_acknowledge():
    bus, a, b = pair()
    b.silent = True
    a.send(frame(0x100, b"\x01"))
    bus.run(3 * MS)
    assert a.errors > 0 and a.outbox == [] and b.inbox == [], "the error flag spoils it"
    bus.run(50 * MS)
    assert a.passive and b.inbox, "an error-passive sender spoils nothing"


def test_an_acknowledge_brings_the_counter_down_again():
    bus, a = pair(names=("a",))
    a.send(frame(0x100, b"\x01"))
    bus.run(100 * MS)
    b = bus.attach(Peer("b"))
    bus.run(102 * MS)
    assert len(a.outbox) == 1 and a.tec == 127 and b.rec == 0
    for _ in range(127):
        a.send(frame(0x100, b"\x01"))
    bus.run(200 * MS)
    assert a.tec == 0 and len(b.inbox) == 128


def test_destroyed_frames_are_repeated_and_counted():
    bus, a, b = pair()
    a.send(frame(0x100, b"\x01"))
    bus.destroy(2)
    bus.run(10 * MS)
    assert a.errors == 2 and len(a.outbox) == 1 and len(b.inbox) == 1
    assert a.tec == 2 * 8 - 1 and b.rec == 1


def test_a_short_circuit_ends_in_bus_off_and_is_left_after_128_times_11_bits():
    bus, a, b = pair()
    f = frame(0x100, b"\x01")
    bus.set_fault(0, SHORT)
    a.send(f)
    bus.run(3 * MS)
    assert a.off and a.errors == 32 and not b.off and b.inbox == []
    bus.set_fault(3 * MS, GOOD)
    bus.run(7 * MS)
    assert a.off
    bus.run(10 * MS)
    assert not a.off and a.tec == 0
    assert b.frames() == [f], "it was still pending: whoever does not want that has to cancel it"


def test_bus_off_is_counted_while_others_talk():
    bus, a, b, c = pair(names=("a", "b", "c"))
    a.charge(0, 256, 0)
    for _ in range(200):
        b.send(frame(0x1, b""))
    f = frame(0x1, b"")
    bus.run(126 * (length_bits(f) + 3) * 4000)
    assert a.off
    bus.run(130 * (length_bits(f) + 3) * 4000)
    assert not a.off and len(c.inbox) > 120


def test_held_dominant_nobody_speaks_and_listeners_become_passive():
    bus, a, b = pair()
    a.send(frame(0x100, b"\x01"), 0)
    bus.set_fault(100000, DOMINANT)
    bus.run(3 * MS)
    assert a.off, "it was sending"
    assert b.passive and not b.off
    bus.set_fault(3 * MS, GOOD)
    bus.run(8 * MS)
    assert a.off
    bus.run(20 * MS)
    assert not a.off and len(b.inbox) == 1


def test_a_node_at_another_bit_rate_breaks_frames_until_it_is_passive():
    bus, a, b, c = pair(names=("a", "b", "c"))
    c.rate = 125000
    a.send(frame(0x100, b"\x01"))
    bus.run(20 * MS)
    assert c.passive and a.errors > 5 and c.inbox == []
    assert len(a.outbox) == 1 and len(b.inbox) == 1


def test_one_that_leaves_in_its_frame_gives_the_others_an_error():
    bus, a, b = pair()
    a.send(frame(0x100, bytes(8)))
    bus.run(200000)
    a.leave(200000)
    bus.run(5 * MS)
    assert b.inbox == [] and b.rec == 1 and a.outbox == []


def test_one_that_joins_waits_for_eleven_bits_and_does_not_hear_half_a_frame():
    bus, a, b, c = pair(names=("a", "b", "c"))
    late = bus.attach(Peer("late"), on=False)
    f = frame(0x100, bytes(8))
    a.send(f)
    a.send(f)
    bus.run(100000)
    late.join(100000)
    bus.run(5 * MS)
    assert len(b.inbox) == 2 and len(late.inbox) == 1
    alone = Bus(250000)
    early = alone.attach(Peer("early"), on=False)
    alone.attach(Peer("other"))
    early.send(f)
    early.join(0)
    alone.run(5 * MS)
    assert early.outbox[0][0] == (11 + length_bits(f)) * 4000


def test_an_error_passive_sender_lets_others_go_first():
    bus, a, b, c = pair(names=("a", "b", "c"))
    a.charge(0, 200, 0)
    for _ in range(3):
        a.send(frame(0x001, b"a"))
    for _ in range(3):
        b.send(frame(0x700, b"b"))
    bus.run(10 * MS)
    assert [f[4] for f in c.frames()] == [b"a", b"b", b"a", b"b", b"a", b"b"]


def test_a_plain_node_may_be_told_nothing():
    bus = Bus(500000)
    bus.attach(Node("deaf"))
    a = bus.attach(Peer("a"))
    a.send(frame(0x1, b""))
    bus.run(1 * MS)
    assert len(a.outbox) == 1, "it acknowledges all the same"
