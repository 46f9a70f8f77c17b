"""What every CAN driver does on a good day: see can_driver_rig."""

from host_tests.unit.can_driver_rig import EXT, MS, RTR, UNORDERED, US, raises, some
from hw_tests.bench.chips.wire import frame


# --- receiving ---
def check_receives_every_kind(make):
    desk = make(rx_frames=50)
    frames = some(40) + [frame(0, b""), frame(0x7FF, bytes(range(8))), frame(0x1FFFFFFF, bytes(8), ext=1, rtr=1)]
    desk.from_peer(*frames)
    desk.clock.wait(40 * MS)
    assert desk.received() == frames and desk.errors == 0


def check_a_length_code_above_eight_means_eight_bytes(make):
    desk = make()
    desk.from_peer(frame(0x123, bytes(range(8)), dlc=15), frame(0x1234567, bytes(8), ext=1, dlc=9))
    desk.clock.wait(5 * MS)
    assert desk.received() == [frame(0x123, bytes(range(8))), frame(0x1234567, bytes(8), ext=1)]


def check_a_remote_frame_has_zeros_of_the_length_asked_for(make):
    desk = make()
    desk.from_peer(frame(0x124, b"\xaa" * 8), frame(0x123, bytes(5), rtr=1))
    desk.clock.wait(5 * MS)
    assert desk.can.recv(desk.held)[2] == 0
    assert desk.can.recv(desk.held)[2] == RTR and bytes(desk.held[1]) == bytes(5)


def check_the_callers_own_buffer_gets_the_data(make):
    desk = make()
    buffer = bytearray(64)
    held = [0, memoryview(buffer), 0, 0]
    desk.from_peer(frame(0x1, b"\x01\x02\x03"), frame(0x2, bytes(range(8))), frame(0x3, b""))
    desk.clock.wait(5 * MS)
    assert desk.can.recv(held) is held and bytes(held[1]) == b"\x01\x02\x03" and buffer[:3] == b"\x01\x02\x03"
    assert desk.can.recv(held) is held and bytes(held[1]) == bytes(range(8)) and buffer[:8] == bytes(range(8))
    assert desk.can.recv(held) is held and len(held[1]) == 0
    assert desk.can.recv(held) is None
    desk.from_peer(frame(0x4, b"\x09"))
    desk.clock.wait(5 * MS)
    fresh = desk.can.recv()
    assert fresh[0] == 4 and bytes(fresh[1]) == b"\x09"
    assert raises(ValueError, desk.can.recv, [0, memoryview(bytearray(7)), 0, 0]) == "", "nothing is there: no matter"


def check_nothing_is_received_before_set_filters(make):
    desk = make(filters="none")
    desk.from_peer(frame(0x123, b"\x01"), frame(0x123, b"\x02", ext=1))
    desk.clock.wait(5 * MS)
    assert desk.received() == [] and len(desk.peer.outbox) == 2, "it acknowledges all the same"
    desk.can.set_filters(None)
    desk.from_peer(frame(0x123, b"\x03"))
    desk.clock.wait(5 * MS)
    assert desk.received() == [frame(0x123, b"\x03")]
    desk.can.set_filters([])
    desk.from_peer(frame(0x123, b"\x04"), frame(0x1FFFFFFF, b"", ext=1))
    desk.clock.wait(5 * MS)
    assert desk.received() == []


def check_filters_let_through_just_what_they_say(make):
    lists = (
        [(0x300, 0x300, 0), (0x3000, 0x3000, EXT)],
        [(0x12345678, 0x1FFFFFFF, EXT)],
        [(0x505, 0x7FF, 0)],
        [(0x12345678, 0x1FFFFFFF, EXT), (0x505, 0x7FF, 0)],
        [(0x100 + k, 0x7FF, 0) for k in range(6)],
        [(0x100 + 0x11 * k, 0x7FF, 0) for k in range(12)],
        [(0x181000F4 | k << 16, 0x1FFF00FF, EXT) for k in (1, 2, 5, 9, 77)] + [(0x700, 0x7F0, 0)],
        [(0, 0, EXT)],
        [(0, 0, 0)],
    )
    tries = [frame(k << 4 | k, bytes([k]), ext=0) for k in range(0, 0x70, 5)]
    tries += [frame(0x100 + k, b"\x55\xaa") for k in range(0, 0xBF, 7)] + [frame(0x505, b"\x06\x07\x08")]
    tries += [frame(0x181000F4 + (k << 16) + k % 3, bytes(k % 9), ext=1) for k in (0, 1, 2, 5, 9, 76, 77, 78)]
    tries += [frame(0x12345678, b"", ext=1), frame(0x02345678, b"", ext=1), frame(0x505, b"", ext=1), frame(0x345, b"")]
    desk = make(bitrate=500000)
    for filters in lists:
        desk.can.set_filters(filters)
        wanted = []
        for f in tries:
            for can_id, mask, flags in filters:
                if f[1] == flags >> 1 & 1 and (f[0] ^ can_id) & mask == 0:
                    wanted.append(f)
                    break
        got = []
        for at in range(0, len(tries), 20):
            desk.from_peer(*tries[at : at + 20])
            desk.clock.wait(8 * MS)
            got += desk.received()
        assert got == wanted, filters


def check_bad_filters_are_refused(make):
    can = make().can
    assert "invalid id" in raises(ValueError, can.set_filters, [(0x800, 0x7FF, 0)])
    assert "invalid id" in raises(ValueError, can.set_filters, [(0x100, 1 << 29, EXT)])
    assert raises(ValueError, can.set_filters, [(0x100, 0x7FF, RTR)])
    assert raises(ValueError, can.set_filters, [(k, 0x7FF, 0) for k in range(can.FILTERS_MAX + 1)])


# --- sending ---
def check_sends_every_kind(make):
    desk = make()
    frames = some(30, seed=77)
    for f in frames:
        data = bytes(f[3]) if f[2] else f[4]
        assert desk.can.send(f[0], data, (EXT if f[1] else 0) | (RTR if f[2] else 0)) is not None
        desk.clock.wait(1 * MS)
    assert desk.peer.frames() == frames


def check_what_is_no_frame_is_refused_and_nothing_leaves(make):
    desk = make()
    assert "invalid id" in raises(ValueError, desk.can.send, 0x800, b"", 0)
    assert "invalid id" in raises(ValueError, desk.can.send, 1 << 29, b"", EXT)
    assert raises(OverflowError, desk.can.send, 1, bytes(9), 0)
    desk.clock.wait(2 * MS)
    assert desk.peer.frames() == []
    assert desk.can.send(1, b"", 0) is not None, "it goes on as if nothing had been"


def busy_bus(desk, ms=20):
    """The peer keeps the bus for a while with ids that win."""
    desk.from_peer(*[frame(0, bytes(8))] * (ms * desk.bitrate // 130000))
    desk.clock.wait(300 * US)


def check_the_lower_id_leaves_first(make):
    desk = make(filters=[])
    busy_bus(desk)
    sent = []
    for can_id in (0x300, 0x200, 0x400, 0x100):
        if desk.can.send(can_id, bytes([can_id >> 8])) is not None:
            sent.append(can_id)
    assert len(sent) >= 3 and sent[:2] == [0x300, 0x200]
    desk.clock.wait(40 * MS)
    assert [f[0] for f in desk.peer.frames()] == sorted(sent)


def check_equal_ids_leave_in_their_order_and_a_full_queue_says_none(make):
    desk = make(filters=[])
    busy_bus(desk)
    taken = 0
    while desk.can.send(0x123, bytes([taken])) is not None:
        taken += 1
        assert taken <= desk.can.TX_QUEUE_LEN
    desk.clock.wait(40 * MS)
    assert [f[4][0] for f in desk.peer.frames()] == list(range(taken)) and taken >= 1


def check_unordered_fills_every_buffer(make):
    desk = make(filters=[])
    busy_bus(desk)
    places = [desk.can.send(0x123, bytes([k]), UNORDERED) for k in range(desk.can.TX_QUEUE_LEN)]
    assert sorted(places) == list(range(desk.can.TX_QUEUE_LEN))
    assert desk.can.send(0x123, b"", UNORDERED) is None
    desk.clock.wait(40 * MS)
    assert sorted([f[4][0] for f in desk.peer.frames()]) == list(range(desk.can.TX_QUEUE_LEN))


def check_a_cancelled_frame_never_leaves(make):
    desk = make(filters=[])
    busy_bus(desk)
    desk.can.irq(lambda can: None, desk.can.IRQ_TX)
    first = desk.can.send(0x201, b"\x01")
    second = desk.can.send(0x202, b"\x02")
    assert first != second
    assert desk.can.cancel_send(second) is True
    assert desk.can.cancel_send(second) is False
    assert desk.can.send(0x203, b"\x03") is not None
    desk.clock.wait(40 * MS)
    assert [f[0] for f in desk.peer.frames()] == [0x201, 0x203]
    assert desk.can.cancel_send(first) is False, "it has left"
    assert raises(IndexError, desk.can.cancel_send, desk.can.TX_QUEUE_LEN)


# --- events ---
def check_the_handler_hears_of_received_frames(make):
    desk = make()
    got = []

    def handler(can):
        assert can.irq().flags() & can.IRQ_RX
        got.append(can.recv()[0])

    desk.can.irq(handler, desk.can.IRQ_RX)
    desk.from_peer(*[frame(0x100 + k, bytes(k % 9)) for k in range(20)])
    desk.clock.wait(20 * MS)
    assert got == [0x100 + k for k in range(20)]
    desk.can.irq(None)
    desk.from_peer(frame(0x200, b""))
    desk.clock.wait(2 * MS)
    assert len(got) == 20 and desk.received() == [frame(0x200, b"")]


def check_the_handler_hears_of_each_sent_and_each_failed_frame(make):
    desk = make(filters=[])
    told = []

    def handler(can):
        flags = can.irq().flags()
        while flags:
            told.append(((flags >> can.IRQ_TX_IDX_SHIFT) & can.IRQ_TX_IDX_MASK, flags & can.IRQ_TX_FAILED != 0))
            assert flags & can.IRQ_TX
            flags = can.irq().flags()

    desk.can.irq(handler, desk.can.IRQ_TX)
    one = desk.can.send(0x100, b"")
    desk.clock.wait(3 * MS)
    assert told == [(one, False)]
    busy_bus(desk)
    two = desk.can.send(0x101, b"")
    three = desk.can.send(0x102, b"")
    desk.can.cancel_send(three)
    desk.clock.wait(40 * MS)
    assert sorted(told[1:]) == sorted([(two, False), (three, True)])


def check_what_left_while_nobody_listened_is_no_event_and_disturbs_nobody(make):
    desk = make(filters=[])
    told = []
    busy_bus(desk, 5)
    desk.can.irq(lambda can: told.append(can.flags()), desk.can.IRQ_TX)
    desk.can.send(0x100, b"")
    desk.can.irq(None)
    desk.clock.wait(10 * MS)
    assert len(desk.peer.inbox) == 1, "it has left, and the driver has not looked"
    desk.can.irq(lambda can: told.append(can.flags()), desk.can.IRQ_TX)
    desk.can.get_counters()
    before = desk.spi.transactions
    desk.clock.wait(10 * MS)
    assert told == [] and desk.spi.transactions == before and desk.chip.int_pin.level == 1
    index = desk.can.send(0x101, b"")
    desk.clock.wait(3 * MS)
    assert told == [desk.can.IRQ_TX | index << desk.can.IRQ_TX_IDX_SHIFT]


def check_a_trigger_that_is_none_is_refused(make):
    can = make().can
    assert raises(ValueError, can.irq, None, can.IRQ_TX_FAILED) and raises(ValueError, can.irq, 5, can.IRQ_RX)
    assert can.irq() is can.irq()


# --- random traffic ---
def check_random_traffic_both_ways(make):
    for seed in (5, 91, 1234):
        desk = make(bitrate=250000, overhead_ns=20 * US)
        sent, at, seed0 = [], 0, seed
        coming = some(60, seed=seed)
        for f in coming:
            seed0 = (seed0 * 75 + 74) % 65537
            at += seed0 % 2500 * US
            desk.peer.send(f, desk.clock.now + at)
        going, got = some(60, seed=seed + 1), []
        while going or len(desk.peer.inbox) < len(sent):
            seed0 = (seed0 * 75 + 74) % 65537
            if going and seed0 % 3:
                f = going[0]
                flags = (EXT if f[1] else 0) | (RTR if f[2] else 0)
                if desk.can.send(f[0], bytes(f[3]) if f[2] else f[4], flags) is not None:
                    sent.append(going.pop(0))
            desk.clock.wait(seed0 % 900 * US)
            got += desk.received()
            assert desk.clock.now < 1000 * MS, "nothing moves any more"
        desk.clock.wait(100 * MS)
        got += desk.received()
        assert got == coming and desk.can.get_counters()[7] == 0
        arrived = desk.peer.frames()
        assert sorted(arrived) == sorted(sent) and len(sent) == 60
        for can_id in {f[0] for f in sent}:
            assert [f for f in arrived if f[0] == can_id] == [f for f in sent if f[0] == can_id]


def check_two_controllers_share_one_spi(make):
    desk = make(filters=None)
    second, other = desk.controller(desk.bus, desk.spi, desk.bitrate)
    other.set_filters(None)
    held = [0, memoryview(bytearray(8)), 0, 0]
    got, n, m = [], 0, 0
    for _ in range(120):
        if n < 20 and desk.can.send(0x100, bytes([n])) is not None:
            n += 1
        if m < 20 and other.send(0x200, bytes([m])) is not None:
            m += 1
        desk.clock.wait(300 * US)
        got += desk.received()
        while other.recv(held) is not None:
            got.append(frame(held[0], bytes(held[1])))
    assert [f[4][0] for f in got if f[0] == 0x100] == list(range(20))
    assert [f[4][0] for f in got if f[0] == 0x200] == list(range(20))
    assert len(desk.peer.inbox) == 40
