"""The model of the MCP2515, register by register, without a driver. Runs on CPython and on MicroPython."""

from hw_tests.bench.chips.board import Clock, Spi
from hw_tests.bench.chips.bus import SHORT, Bus
from hw_tests.bench.chips.mcp2515 import Mcp2515
from hw_tests.bench.chips.node import Peer
from hw_tests.bench.chips.wire import frame

MS = 1000000
CANCTRL, CNF3, CANINTE, CANINTF, EFLG = 0x0F, 0x28, 0x2B, 0x2C, 0x2D
NORMAL, LOOPBACK, LISTEN, CONFIG, ABAT, OSM = 0x00, 0x40, 0x60, 0x80, 0x10, 0x08


class Probe:
    """A chip at 250 kbit/s with raw SPI access."""

    def __init__(self, mode=NORMAL):
        self.bus = Bus(250000)
        self.clock = Clock(self.bus)
        self.spi = Spi(self.clock)
        self.chip = Mcp2515(self.clock, 16000000)
        self.bus.attach(self.chip, on=False)
        self.peer = self.bus.attach(Peer())
        self.cs = self.spi.select(self.chip)
        self.clock.wait(1 * MS)
        self.write(CNF3, 0x02, 0xAD, 0x41)
        for mask in (0x20, 0x24):
            self.write(mask, 0, 0, 0, 0)
        for at in (0x00, 0x04, 0x08, 0x10, 0x14, 0x18):
            self.write(at, 0, 8 if at & 4 else 0, 0, 0)
        self.write(0x60, 0x04)
        self.write(CANINTE, 0x3F)
        self.write(CANCTRL, mode)
        self.clock.wait(1 * MS)

    def talk(self, *out):
        answer = bytearray(len(out))
        self.cs(0)
        self.spi.write_readinto(bytes(out), answer)
        self.cs(1)
        return answer

    def write(self, address, *values):
        self.talk(0x02, address, *values)

    def read(self, address, count=1):
        got = self.talk(0x03, address, *[0] * count)[2:]
        return got[0] if count == 1 else bytes(got)

    def load(self, n, can_id, data=b"", control=0):
        self.write(0x30 + 16 * n, control)
        self.talk(0x40 | n << 1, can_id >> 3, can_id << 5 & 0xE0, 0, 0, len(data), *data)

    def hear(self, *frames):
        for f in frames:
            self.peer.send(f, self.clock.now)
        self.clock.wait(2 * MS * len(frames))


def test_after_a_reset_it_configures_and_nothing_moves_on_the_bus():
    probe = Probe()
    probe.talk(0xC0)
    assert probe.talk(0x03, 0x0E, 0, 0)[2:] == b"\xff\xff", "it needs 128 periods of its crystal"
    probe.clock.wait(20000)
    assert probe.read(0x0E, 2) == b"\x80\x87" and probe.read(CNF3, 6) == bytes(6)
    probe.hear(frame(0x1, b""))
    assert probe.peer.outbox == []


def test_some_registers_can_be_written_in_configuration_mode_only():
    probe = Probe()
    before = probe.read(CNF3, 3)
    probe.write(CNF3, 0x07, 0xFF, 0xFF)
    assert probe.read(CNF3, 3) == before == b"\x02\xad\x41"
    probe.write(CANCTRL, CONFIG)
    probe.write(0x00, 0xFF, 0xFF, 0xFF, 0xFF)
    probe.write(0x20, 0xFF, 0xFF, 0xFF, 0xFF)
    assert probe.read(0x00, 4) == b"\xff\xeb\xff\xff" and probe.read(0x20, 4) == b"\xff\xe3\xff\xff"
    probe.write(CANCTRL, NORMAL)
    probe.clock.wait(1 * MS)
    assert probe.read(0x00, 4) == bytes(4), "they read 0 outside of it"


def test_what_only_reads_is_not_written():
    probe = Probe()
    for address in (0x0E, 0x1C, 0x1D, 0x61, 0x66, 0x7D):
        before = probe.read(address)
        probe.write(address, before ^ 0xFF)
        assert probe.read(address) == before, hex(address)
    assert probe.read(0x1E) == probe.read(0x0E) == probe.read(0x7E), "CANSTAT is in every row"


def test_bit_modify_changes_bits_and_where_it_cannot_all_of_them():
    probe = Probe()
    probe.talk(0x05, CANINTE, 0x0F, 0x00)
    assert probe.read(CANINTE) == 0x30
    probe.write(0x36, 0x55)
    probe.talk(0x05, 0x36, 0x0F, 0xAA)
    assert probe.read(0x36) == 0xAA, "a data byte is not bit-modifiable"


def test_reading_a_buffer_frees_it_when_cs_rises():
    probe = Probe()
    probe.hear(frame(0x12345678, bytes(range(8)), ext=1))
    assert probe.chip.int_pin.level == 0 and probe.talk(0xA0, 0)[1] & 3 == 1
    probe.cs(0)
    answer = bytearray(14)
    probe.spi.write_readinto(b"\x90" + bytes(13), answer)
    assert probe.chip.registers[CANINTF] & 1 == 1
    probe.cs(1)
    assert bytes(answer[1:]) == b"\x91\xa8\x56\x78\x08" + bytes(range(8))
    assert probe.read(CANINTF) & 1 == 0 and probe.chip.int_pin.level == 1


def test_roll_over_and_overflow():
    probe = Probe()
    probe.hear(frame(0x1, b""), frame(0x2, b""), frame(0x3, b""))
    assert probe.read(CANINTF) == 0x23 and probe.read(EFLG) == 0x80 and probe.chip.overflows == 1
    assert probe.read(0x70) & 7 == 0, "FILHIT: RXF0, rolled over"
    probe.talk(0x05, CANINTF, 0xFF, 0x00)
    assert probe.read(CANINTF) == 0x20, "ERRIF stays while the overflow is set"
    probe.talk(0x05, EFLG, 0xC0, 0x00)
    probe.talk(0x05, CANINTF, 0xFF, 0x00)
    assert probe.read(CANINTF) == 0 and probe.chip.int_pin.level == 1
    probe.write(0x60, 0x00)  # no roll-over
    probe.hear(frame(0x1, b""), frame(0x2, b""))
    assert probe.read(CANINTF) == 0x21 and probe.read(EFLG) == 0x40


def test_masks_compare_the_first_data_bytes_of_standard_frames():
    probe = Probe(mode=CONFIG)
    probe.write(0x20, 0xFF, 0xE0, 0xFF, 0x00)
    probe.write(0x24, 0xFF, 0xE0, 0xFF, 0x00)
    for at in (0x00, 0x04, 0x08, 0x10, 0x14, 0x18):
        probe.write(at, 0x123 >> 3, 0x123 << 5 & 0xE0, 0x55, 0x00)
    probe.write(CANCTRL, NORMAL)
    probe.clock.wait(1 * MS)
    probe.hear(frame(0x123, b"\x54\x01"), frame(0x124, b"\x55"))
    assert probe.read(CANINTF) & 3 == 0
    probe.hear(frame(0x123, b"\x55\x01"), frame(0x123, b""))
    assert probe.read(CANINTF) & 3 == 3, "where there is no byte there is nothing to compare"


def test_transmit_priority_then_number():
    probe = Probe()
    for n, control in ((0, 1), (1, 0), (2, 0)):
        probe.load(n, 0x100 + n, b"", control)
    probe.talk(0x87)
    probe.clock.wait(5 * MS)
    assert [f[0] for f in probe.peer.frames()] == [0x100, 0x102, 0x101]
    assert probe.read(CANINTF) == 0x1C and probe.talk(0xA0, 0)[1] == 0xA8


def test_a_pending_buffer_is_locked_and_can_be_aborted():
    probe = Probe()
    probe.bus.detach(probe.peer)
    probe.load(0, 0x100, b"\x01")
    probe.talk(0x81)
    probe.clock.wait(5 * MS)
    probe.write(0x36, 0x99)
    assert probe.read(0x36) == 0x01 and probe.read(0x30) & 0x18 == 0x18
    probe.talk(0x05, 0x30, 0x08, 0x00)
    probe.clock.wait(2 * MS)
    assert probe.read(0x30) & 0x48 == 0x40
    probe.load(1, 0x101, b"")
    probe.talk(0x83)
    probe.talk(0x05, CANCTRL, ABAT, ABAT)
    probe.clock.wait(2 * MS)
    assert probe.read(0x30) & 0x48 == 0x40 and probe.read(0x40) & 0x48 == 0x40


def test_one_shot_tries_once():
    probe = Probe(mode=OSM)
    probe.bus.detach(probe.peer)
    probe.load(0, 0x100, b"\x01")
    probe.talk(0x81)
    probe.clock.wait(5 * MS)
    assert probe.read(0x30) & 0x18 == 0x10 and probe.read(0x1C) == 8 and probe.bus.error_frames == 1


def test_the_mode_changes_only_when_nothing_is_pending():
    probe = Probe()
    probe.bus.detach(probe.peer)
    probe.load(0, 0x100, b"\x01")
    probe.talk(0x81)
    probe.write(CANCTRL, CONFIG)
    probe.clock.wait(5 * MS)
    assert probe.read(0x0E) & 0xE0 == 0x00
    probe.bus.attach(probe.peer)
    probe.clock.wait(5 * MS)
    assert probe.read(0x0E) & 0xE0 == 0x80 and len(probe.peer.inbox) == 1


def test_error_states_are_told_and_bus_off_ends_by_itself_with_the_frame_still_pending():
    probe = Probe()
    probe.load(0, 0x100, b"\x01")
    probe.bus.set_fault(probe.clock.now, SHORT)
    probe.talk(0x81)
    seen = [0]
    for _ in range(40):
        probe.clock.wait(MS // 10)
        seen.append(probe.read(EFLG))
    assert [seen[n] for n in range(1, 41) if seen[n] != seen[n - 1]] == [0x05, 0x15, 0x35]
    probe.bus.set_fault(probe.clock.now, 0)
    probe.clock.wait(4 * MS)
    assert probe.peer.inbox == []
    probe.clock.wait(4 * MS)
    assert len(probe.peer.inbox) == 1 and probe.read(EFLG) == 0 and probe.read(CANINTF) & 0x20


def test_loopback_hears_itself_and_the_bus_hears_nothing():
    probe = Probe(mode=LOOPBACK)
    probe.load(0, 0x100, b"\x01")
    probe.talk(0x81)
    probe.clock.wait(2 * MS)
    assert probe.read(CANINTF) & 5 == 5 and probe.peer.inbox == [] and probe.bus.frames == 0


def test_listening_it_acknowledges_nothing():
    probe = Probe(mode=LISTEN)
    probe.hear(frame(0x1, b""))
    assert probe.peer.outbox == [] and probe.read(0x1C, 2) == bytes(2)


def test_a_timing_against_the_rules_does_not_work():
    probe = Probe(mode=CONFIG)
    probe.write(CNF3, 0x00, 0xAD, 0x41)  # PS2 of one quantum
    probe.write(CANCTRL, NORMAL)
    probe.clock.wait(1 * MS)
    probe.hear(frame(0x1, b""))
    assert probe.read(CANINTF) & 3 == 0


def test_two_selected_chips_are_a_mistake_of_the_driver():
    probe = Probe()
    probe.cs(0)
    try:
        probe.spi.select(Mcp2515(probe.clock))(0)
    except RuntimeError:
        return
    raise AssertionError("a short circuit on MISO")
