"""What the MCP2515 driver does that is this chip's own: transactions, order, filters, errata. Both interpreters."""

from host_tests.unit.can_driver_rig import EXT, MS, UNORDERED, US, some
from host_tests.unit.test_mcp2515 import McpDesk
from hw_tests.bench.chips.wire import frame
from lib.mcp2515 import CAN, PORTS
from lib.mcp2515_filters import arrange


def transactions(desk, call):
    before = desk.spi.transactions
    call()
    return desk.spi.transactions - before


def test_a_received_frame_takes_two_transactions_and_two_that_wait_three():
    desk = McpDesk()
    desk.from_peer(frame(0x123, bytes(8)))
    assert transactions(desk, lambda: desk.clock.wait(5 * MS)) == 2
    assert len(desk.received()) == 1
    desk.clock.held = True
    desk.from_peer(frame(0x123, bytes(8)), frame(0x123, bytes(8)))
    desk.clock.pass_ns(5 * MS)
    desk.clock.held = False
    assert transactions(desk, desk.clock.serve) == 3
    assert len(desk.received()) == 2
    assert transactions(desk, desk.received) == 0, "an idle poll reads the pin alone"


def test_a_sent_frame_takes_two_transactions():
    desk = McpDesk(filters=[])
    for n in range(3):
        assert transactions(desk, lambda: desk.can.send(0x300, b"")) == 2, n
        desk.clock.wait(50 * US)
    desk.clock.wait(5 * MS)
    assert transactions(desk, lambda: desk.can.send(0x123, b"")) == 3, "which buffers are free was not known any more"


def test_request_and_answer_take_four_transactions():
    desk = McpDesk()

    def both(n):
        assert desk.can.send(0x200, bytes([n])) is not None
        desk.clock.wait(1 * MS)
        desk.from_peer(frame(0x100, bytes([n])))
        desk.clock.wait(1 * MS)
        assert desk.received() == [frame(0x100, bytes([n]))]

    for n in range(10):
        assert transactions(desk, lambda: both(n)) == 4  # noqa: B023


def test_transfers_are_short_or_a_whole_frame():
    desk = McpDesk()
    desk.spi.lengths = {}
    desk.from_peer(*some(20))
    for _ in range(20):
        desk.can.send(0x100, bytes(8))
        desk.clock.wait(1 * MS)
        desk.received()
    assert set(desk.spi.lengths) == {1, 2, 14}, "RTS, status, frame"


def test_a_buffer_is_requested_by_rts_alone_and_no_frame_is_repeated():
    desk = McpDesk(filters=[], overhead_ns=1 * MS)  # CS stays low for far longer than a frame takes
    for n in range(6):
        desk.can.send(0x100, bytes([n]))
        desk.clock.wait(3 * MS)
    assert [f[4][0] for f in desk.peer.frames()] == list(range(6)) and desk.chip.repeats == 0


def test_the_model_has_the_erratum_that_rts_avoids():
    desk = McpDesk(filters=[], overhead_ns=1 * MS)
    desk.can._lock()
    desk.can._modify(0x30, 8, 8)  # TXREQ by a register write
    desk.can._cs(0)
    desk.can._write(b"\x02\x40\x08")
    desk.clock.pass_ns(2 * MS)
    desk.can._cs(1)
    desk.can._unlock()
    desk.clock.wait(5 * MS)
    assert desk.chip.repeats > 0


def test_the_order_of_one_id_survives_any_delay_of_the_interrupt():
    for delay in range(0, 700, 35):
        desk = McpDesk(bitrate=500000, overhead_ns=25 * US)
        frames = [frame(0x123, bytes([n])) for n in range(40)]
        for n in range(40):
            desk.peer.send(frames[n], desk.clock.now + n * 150 * US + n % 7 * 30 * US)
        for _ in range(60):
            desk.clock.hold(delay * US // 3)
            desk.clock.wait(130 * US)
        desk.clock.wait(10 * MS)
        got = [f[4][0] for f in desk.received()]
        assert got == sorted(got), delay
        assert len(got) == 40 or desk.can.get_counters()[7] > 0


def test_priorities_of_many_patterns():
    for pattern in range(81):
        ids = [0x100 + (pattern // 3**k) % 3 for k in range(4)]
        desk = McpDesk(filters=[])
        desk.from_peer(*[frame(0, bytes(8))] * 20)
        desk.clock.wait(300 * US)
        taken = []
        for n in range(4):
            if desk.can.send(ids[n], bytes([n])) is not None:
                taken.append((ids[n], n))
        desk.clock.wait(30 * MS)
        assert [(f[0], f[4][0]) for f in desk.peer.frames()] == sorted(taken), ids
        assert len(taken) >= 2, ids


def test_a_port_may_be_set_once_for_all():
    desk = McpDesk()
    try:
        CAN(7, 500000)
    except ValueError as error:
        assert "PORTS" in str(error)
    else:
        raise AssertionError("no port")
    chip = desk.chip
    desk.can.deinit()
    PORTS[7] = desk.spi, desk.spi.select(chip), chip.int_pin, 16000000
    can = CAN(7, 250000)
    del PORTS[7]
    assert can.state() == can.STATE_ACTIVE


# --- filters ---
def let_through(registers, can_id, ext):
    """What the two masks and six filters say, read from the registers."""

    def wide(at):
        return registers[at] << 21 | registers[at + 1] >> 5 << 18 | (registers[at + 1] & 3) << 16 | (
            registers[at + 2] << 8 | registers[at + 3]
        )

    for n in range(6):
        mask = wide(24 if n < 2 else 28)
        if registers[4 * n + 1] >> 3 & 1 == ext:
            if (wide(4 * n) ^ (can_id if ext else can_id << 18)) & mask == 0:
                return True
    return False


def wanted_of(filters, can_id, ext):
    for its, mask, kind in filters:
        if kind == ext and (its ^ can_id) & mask == 0:
            return True
    return False


def pseudo(seed):
    while True:
        seed = (seed * 75 + 74) % 65537
        yield seed


def test_filters_let_through_all_that_is_wanted_and_say_when_it_is_just_that():
    numbers = pseudo(4711)
    exact_ones = 0
    for case in range(60):
        filters = []
        for _ in range(1 + case % 9):
            ext = next(numbers) >> 4 & 1
            width = 29 if ext else 11
            mask = (1 << width) - 1 if case % 3 else (next(numbers) << 14 ^ next(numbers)) % (1 << width)
            filters.append(((next(numbers) << 14 ^ next(numbers)) % (1 << width) & mask, mask, ext))
        registers, exact = arrange(filters)
        exact_ones += exact
        for can_id, mask, ext in filters:
            for _ in range(4):
                any_bits = (next(numbers) << 14 ^ next(numbers)) % (1 << (29 if ext else 11)) & ~mask
                assert let_through(registers, can_id | any_bits, ext), filters
        for _ in range(40):
            ext = next(numbers) & 1
            can_id = (next(numbers) << 14 ^ next(numbers)) % (1 << (29 if ext else 11))
            if exact:
                assert let_through(registers, can_id, ext) == wanted_of(filters, can_id, ext)
    assert exact_ones >= 15


def test_lists_that_fit_are_exact():
    six = [(0x100 + 0x11 * k, 0x7FF, 0) for k in range(6)]
    assert arrange(six)[1] and not arrange(six + [(0x700, 0x7FF, 0)])[1]
    assert arrange([(0x1806F456, 0x1FFFFFFF, 1)])[1] and arrange([(0, 0, 0), (0, 0, 1)])[1]
    assert arrange([(0x100, 0x7FF, 0), (0x101, 0x7FF, 0), (0x1234567, 0x1FFFFFFF, 1)])[1]
    # Two kinds of frames from two converter modules: the documented mask and filters.
    registers, exact = arrange([(0x0023F000, 0x003FFF00, 1), (0x0024F000, 0x003FFF00, 1)])
    assert exact and bytes(registers[24:28]) == b"\x01\xe3\xff\x00"
    assert bytes(registers[0:8]) == b"\x01\x0b\xf0\x00\x01\x28\xf0\x00"


def test_two_ids_have_both_receive_buffers():
    desk = McpDesk(bitrate=500000, filters=[(0x100, 0x7FF, 0), (0x101, 0x7FF, 0)])
    desk.clock.held = True
    desk.from_peer(frame(0x101, b"\x01"), frame(0x100, b"\x02"))
    desk.clock.pass_ns(2 * MS)
    desk.clock.held = False
    desk.clock.serve()
    assert len(desk.received()) == 2 and desk.chip.overflows == 0


def test_filters_may_change_while_a_frame_waits():
    desk = McpDesk(filters=[])
    desk.bus.detach(desk.peer)
    desk.can.send(0x123, b"", UNORDERED)
    desk.can.set_filters([(0x100, 0x7FF, 0)])
    assert desk.can.state() != desk.can.STATE_STOPPED and desk.can.get_counters()[5] == 0, "it was given up"
    desk.bus.attach(desk.peer)
    desk.from_peer(frame(0x100, b"", ext=0), frame(0x100, b"", ext=1))
    desk.clock.wait(5 * MS)
    assert desk.received() == [frame(0x100, b"")]
    assert desk.can.send(0x12345, b"", EXT) is not None
