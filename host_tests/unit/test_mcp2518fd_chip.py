"""The MCP2518FD's driver at its errata, its bursts and its bad days; and the model itself. Both interpreters."""

from host_tests.unit.can_driver_rig import EXT, MS, UNORDERED, US, raises
from host_tests.unit.test_mcp2518fd import FdDesk
from hw_tests.bench.chips.mcp2518fd_spi import crc16
from hw_tests.bench.chips.wire import frame


def counted(desk):
    """(transactions, bytes) since the last call."""
    spi = desk.spi
    out = spi.transactions, spi.bytes
    spi.transactions = spi.bytes = 0
    return out


def frames(count, first=0x100):
    return [frame(first + k, bytes([k, 255 - k, 0x55])) for k in range(count)]


def waiting(desk, count):
    """So many frames wait in the chip; nobody has looked yet."""
    desk.from_peer(*frames(count))
    desk.clock.hold(0)
    desk.clock.held = True
    desk.clock.pass_ns(count * 600 * US)
    counted(desk)
    desk.clock.held = False


# --- transactions ---
def test_one_frame_costs_three_transactions():
    desk = FdDesk()
    waiting(desk, 1)
    assert desk.received() == frames(1)
    assert counted(desk) == (3, 4 + 21 + 3)  # status; READ_CRC of 16; increment


def test_a_burst_is_read_in_one_piece():
    desk = FdDesk()
    waiting(desk, 8)
    assert desk.received() == frames(8)
    assert counted(desk) == (1 + 1 + 1 + 8, 2 * 4 + 5 + 8 * 16 + 8 * 3)


def test_a_burst_goes_round_the_end_of_the_fifo():
    desk = FdDesk()
    for _ in range(9):
        waiting(desk, 7)
        assert desk.received() == frames(7)


def test_nothing_to_receive_costs_nothing():
    desk = FdDesk()
    counted(desk)
    for _ in range(20):
        assert desk.can.recv(desk.held) is None
    assert counted(desk) == (0, 0)


def test_a_sent_frame_costs_two_transactions():
    desk = FdDesk()
    counted(desk)
    for can_id, flags in ((0x123, 0), (0x181056F4, EXT)):
        assert desk.can.send(can_id, bytes(8), flags) is not None
        assert counted(desk) == (2, 18 + 3)
        desk.clock.wait(1 * MS)
    total = 0
    for k in range(28):
        desk.can.send(0x100, bytes([k]))
        desk.clock.wait(1 * MS)
        total += counted(desk)[0]
    assert total <= 28 * 2 + 5  # each seventh asks once what has left


# --- errata ---
def test_a_wrong_bit_of_a_plain_read_does_no_harm():
    """789-1, 792-2: bits 7, 15, 23 and 31 of what changes by itself."""
    desk = FdDesk()
    for _ in range(10):
        waiting(desk, 3)
        desk.chip.bad_read = 4
        assert desk.received() == frames(3)
        assert desk.can.send(0x1, b"") is not None
        desk.chip.bad_read = 2
        assert desk.can.state() == desk.can.STATE_ACTIVE
        desk.clock.wait(1 * MS)
    assert desk.can.get_counters()[7] == 0
    desk.chip.bad_read = 0


def test_error_counters_are_read_again_until_they_fit():
    """789-1: in C1TREC bit 7 is the counters' own."""
    desk = FdDesk()
    desk.can.state()
    before = desk.can.retried
    desk.chip.rec = 3
    desk.chip.bad_read = 3  # the watch, what is pending, and the first try
    assert desk.can.get_counters()[1] == 3
    assert desk.can.retried == before + 1


def test_a_spoilt_payload_is_read_again():
    """Noise in what is read of the RAM: the CRC shows it, and the frame arrives as it was."""
    desk = FdDesk()
    sent = frames(4)
    for spoilt in (1, 2, 3):
        waiting(desk, 4)
        take = desk.can._take

        def noisy(count, take=take, spoilt=spoilt):
            desk.chip.flip = spoilt
            take(count)

        desk.can._take = noisy
        before = desk.can.retried
        assert desk.received() == sent
        assert desk.can.retried == before + spoilt
        desk.can._take = take


def test_a_wire_that_spoils_everything_stops_it():
    desk = FdDesk()
    waiting(desk, 2)
    desk.chip.flip = 1000
    assert desk.received() == []
    assert desk.can.state() == desk.can.STATE_STOPPED and "SPI" in desk.can.reason


def test_a_head_index_that_is_too_large_makes_no_frame():
    """789-6: the driver asks twice, and never takes more than has arrived."""
    for count in (1, 2, 5):
        desk = FdDesk()
        desk.received()
        waiting(desk, count)
        desk.chip.bad_index = 1
        assert desk.received() == frames(count)
        waiting(desk, count)
        assert desk.received() == frames(count)


def test_a_lost_increment_is_made_up_for():
    desk = FdDesk()
    write = desk.can._write
    lose = [True]

    def deaf(out):
        if bytes(out) == b"\x20\x5d\x01" and lose:
            lose.pop()
            return
        write(out)

    desk.can._write = deaf
    for _ in range(5):
        waiting(desk, 3)
        assert desk.received() == frames(3), "none twice, none lost"
    assert not lose


def test_too_fast_an_spi_is_refused_at_start():
    """789-4, 792-5: 0.85 * SYSCLK / 2."""
    for crystal_Hz, most_Hz in ((40000000, 17000000), (20000000, 8500000)):
        desk = FdDesk(crystal_Hz=crystal_Hz)
        desk.chip.sck_Hz = most_Hz
        desk.can.restart()
        assert desk.can.state() == desk.can.STATE_ACTIVE
        desk.chip.sck_Hz = most_Hz + 1000
        desk.can.restart()
        assert desk.can.state() == desk.can.STATE_STOPPED and "speed of the SPI" in desk.can.reason


def test_the_mcp2517fd_comes_back_from_restricted_operation():
    """792-1: CS that rises late during a frame of its own."""
    desk = FdDesk(kind=2517, bitrate=500000)
    desk.chip.cs_late_ns = 15 * US
    sent = 0
    for k in range(40):
        desk.from_peer(frame(0x50, b""))
        if desk.can.send(0x100 + k, bytes(8)) is not None:
            sent += 1
        desk.clock.wait(700 * US)
        desk.received()
    desk.clock.wait(20 * MS)
    assert desk.chip.underflows > 0
    assert sent == 40 and len({f[0] for f in desk.peer.frames()}) == 40, "late, but none is lost"


def test_the_mcp2518fd_has_no_such_trouble():
    desk = FdDesk(bitrate=500000)
    desk.chip.cs_late_ns = 15 * US
    for k in range(20):
        desk.can.send(0x100 + k, bytes(8))
        desk.clock.wait(700 * US)
    assert desk.chip.underflows == 0 and len(desk.peer.frames()) == 20


# --- clocks ---
def test_bit_timing_of_each_crystal():
    for crystal_Hz, bitrate, register in (
        (40000000, 500000, (0x0F, 0x0F, 0x3E, 0x00)),
        (40000000, 250000, (0x0F, 0x0F, 0x7E, 0x00)),
        (20000000, 500000, (0x07, 0x07, 0x1E, 0x00)),
        (4000000, 500000, (0x0F, 0x0F, 0x3E, 0x00)),
    ):
        desk = FdDesk(bitrate=bitrate, crystal_Hz=crystal_Hz)
        word = desk.chip.reg(4)
        low = tuple([word >> 8 * k & 255 for k in range(4)])
        if bitrate == 500000:
            assert low == register, (crystal_Hz, low)
        told = desk.can.get_timings()
        assert told[0] == bitrate and desk.chip.bitrate == bitrate
        assert (told[2] + 1) * 100 == 80 * (told[2] + told[3] + 1)
        desk.from_peer(frame(0x1, b""))
        desk.clock.wait(2 * MS)
        assert desk.received() == [frame(0x1, b"")]


def test_what_cannot_be_had_is_refused():
    can = FdDesk().can
    half = {"bitrate": 500000, "tseg1": 70}
    for bad in ({"bitrate": 7}, {"bitrate": 30000000}, half, {"bitrate": 500000, "sjw": 200}):
        assert raises(ValueError, lambda bad=bad: can.init(**bad)), bad
    can.init(500000, tseg1=13, tseg2=2)
    assert can.get_timings()[2:4] == [13, 2]


def test_a_crystal_that_does_not_start_is_said():
    desk = FdDesk()
    desk.chip.crystal_stopped = True
    assert "oscillator" in raises(OSError, desk.can.init, 250000)


def test_a_chip_found_asleep_is_woken():
    desk = FdDesk()
    desk.chip.mode = 1
    before = desk.chip.resets
    desk.can.restart()
    desk.clock.wait(2 * MS)
    assert desk.can.state() == desk.can.STATE_ACTIVE and desk.chip.resets == before + 1


def test_a_reset_is_seen_where_the_bit_timing_is_that_of_a_reset():
    desk = FdDesk(bitrate=500000)
    assert desk.chip.reg(4) == 0x003E0F0F
    desk.chip.brown_out()
    assert desk.can.state() == desk.can.STATE_STOPPED and "reset itself" in desk.can.reason


# --- the queue ---
def test_seven_ids_leave_by_their_priority_whatever_their_order():
    for order in ((1, 2, 3, 4, 5, 6, 7), (7, 6, 5, 4, 3, 2, 1), (4, 1, 7, 2, 6, 3, 5), (5, 5, 2, 2, 7, 5, 1)):
        desk = FdDesk(filters=[])
        desk.from_peer(*[frame(0, bytes(8))] * 20)
        desk.clock.wait(300 * US)
        taken = [k for at, k in enumerate(order) if desk.can.send(0x100 * k, bytes([at])) is not None]
        assert len(taken) >= 5, order
        desk.clock.wait(40 * MS)
        got = [f[0] >> 8 for f in desk.peer.frames()]
        assert got == sorted(taken), order


def test_standard_and_extended_ids_are_ordered_as_on_the_wire():
    desk = FdDesk(filters=[])
    desk.from_peer(*[frame(0, bytes(8))] * 20)
    desk.clock.wait(300 * US)
    desk.can.send(0x100 << 18, b"", EXT)
    desk.can.send(0x100, b"")
    desk.can.send(0x0FF << 18 | 0x3FFFF, b"", EXT)
    desk.clock.wait(20 * MS)
    assert [(f[0], f[1]) for f in desk.peer.frames()] == [(0x0FF << 18 | 0x3FFFF, 1), (0x100, 0), (0x100 << 18, 1)]


def busy(desk):
    desk.from_peer(*[frame(0, bytes(8))] * 20)
    desk.clock.wait(300 * US)


def test_the_place_of_a_cancelled_frame_takes_another_one():
    desk = FdDesk(filters=[])
    busy(desk)
    first = desk.can.send(0x300, b"old")
    assert desk.can.cancel_send(first)
    places = [desk.can.send(0x400, bytes([k])) for k in range(7)]
    assert first in places
    desk.clock.wait(40 * MS)
    assert [(f[0], f[4]) for f in desk.peer.frames()] == [(0x400, bytes([k])) for k in range(7)]


def test_where_no_order_is_left_unordered_still_goes():
    desk = FdDesk(filters=[])
    busy(desk)
    assert desk.can.send(0x300, b"") is not None
    taken = 0
    while desk.can.send(0x200, bytes([taken])) is not None:
        taken += 1
    assert 2 <= taken < 6, "no priority is free between the two"
    assert desk.can.send(0x200, b"\xff", UNORDERED) is not None
    desk.clock.wait(40 * MS)
    got = desk.peer.frames()
    assert [f[0] for f in got] == [0x200] * (taken + 1) + [0x300]
    assert [f[4][0] for f in got if f[4] != b"\xff" and f[0] == 0x200] == list(range(taken))


def test_priorities_that_were_moved_go_back_when_nothing_waits():
    desk = FdDesk(filters=[])
    busy(desk)
    for can_id in (0x300, 0x200, 0x100):
        assert desk.can.send(can_id, b"") is not None
    ranks = [fifo.priority for fifo in desk.chip.fifos[8:15]]
    assert ranks != list(range(12, 19))
    desk.clock.wait(40 * MS)
    for k in range(8):  # at the latest the eighth asks what has left
        desk.can.send(0x500, bytes([k]))
        desk.clock.wait(1 * MS)
    desk.can.get_counters()
    desk.can.send(0x500, b"")
    assert [fifo.priority for fifo in desk.chip.fifos[8:15]] == list(range(12, 19))


# --- the model ---
def transfer(chip, out):
    chip.selected(True)
    back = bytes([chip.exchange(byte) for byte in out])
    chip.selected(False)
    return back


def test_model_crc_and_safe_writes():
    chip = FdDesk().chip
    assert crc16(b"123456789") == 0xAEE7  # CRC-16/CMS, the check value of the catalogues
    out = b"\xb0\x04\x04" + bytes(6)
    back = transfer(chip, out)
    assert crc16(back[3:7], crc16(out[:3])) == back[7] << 8 | back[8]
    good = b"\xc7\x00\x01\x02\x03\x04"
    crc = crc16(good)
    transfer(chip, good + bytes([crc >> 8, crc & 255]))
    assert transfer(chip, b"\x37\x00" + bytes(4))[2:] == b"\x01\x02\x03\x04"
    transfer(chip, b"\xc7\x00\x09\x09\x09\x09\x00\x00")
    assert transfer(chip, b"\x37\x00" + bytes(4))[2:] == b"\x01\x02\x03\x04", "a wrong CRC: not written"
    assert chip.load(0xE08) >> 16 & 1 == 1
    transfer(chip, b"\xa7\x00\x01\x05\x06\x07\x08\x00\x00")
    assert transfer(chip, b"\x37\x00" + bytes(4))[2:] == b"\x05\x06\x07\x08", "WRITE_CRC writes and tells"
    transfer(chip, b"\xa7\x00\x01\x05")
    assert chip.load(0xE08) >> 17 & 1 == 1, "a format error"


def test_model_iocon_loses_its_latches_to_a_long_write():
    chip = FdDesk().chip
    transfer(chip, b"\x2e\x05\x03")
    assert chip.reg(0xE04) >> 8 & 3 == 3
    transfer(chip, b"\x2e\x04\x03\x03\x00\x03")
    assert chip.reg(0xE04) >> 8 & 3 == 0


def test_model_a_filter_in_use_cannot_be_changed():
    chip = FdDesk().chip
    assert chip.filters[0] & 0x80
    transfer(chip, b"\x21\xf0\x55\x00\x00\x00")
    assert chip.reg(0x1F0) == 0


def test_model_ecc_tells_of_a_wrong_bit_when_it_is_on():
    chip = FdDesk().chip
    chip.ram_error(5)
    assert chip.load(0xE10) == 0
    transfer(chip, b"\x2e\x0c\x07")
    chip.ram_error(5)
    assert chip.load(0xE10) & 2 and chip.int_flags() >> 8 & 1
