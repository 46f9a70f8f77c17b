"""A plain ESP32 as its data wire it: the real drivers and the models of its controllers, the converter and the
expander, all on one SPI, with interrupts that come in the middle of it. CPython and MicroPython."""

import sys

from host_tests.unit.fake_machine import Chip, install, uninstall
from host_tests.unit.test_board_check import Board
from hw_tests.bench.chips.board import Clock, Spi
from hw_tests.bench.chips.bus import Bus
from hw_tests.bench.chips.mcp2515 import Mcp2515
from hw_tests.bench.chips.mcp2518fd import Mcp2518fd
from hw_tests.bench.chips.node import Peer
from hw_tests.bench.chips.wire import DATA, ID, frame

MS = 1000000
MODELS = {"mcp2515": Mcp2515, "mcp2518fd": Mcp2518fd}
NAMES = ("esp32_2x_mcp2515", "esp32_2x_mcp2518fd")


class Adc:
    # An ADC128S102, a byte at a time.
    def __init__(self):
        self.counts = [500, 501, 2048, 1000, 1100, 1101, 0, 0]
        self._asked = self._next = self._at = 0

    def selected(self, on):
        self._at = 0

    def exchange(self, byte):
        self._at += 1
        if self._at & 1:
            self._next = byte >> 3 & 7
            return self.counts[self._asked] >> 8
        low = self.counts[self._asked] & 0xFF
        self._asked = self._next
        return low


class Expander:
    def __init__(self):
        self.port = 0x80
        self._heard = []

    def selected(self, on):
        self._heard = []

    def exchange(self, byte):
        self._heard.append(byte)
        return self.port if self._heard[:2] == [0x41, 0x12] and len(self._heard) == 3 else 0


class Desk:
    # The board, its chips, and a peer on each bus.
    def __init__(self, name):
        board = self.board = Board(name)
        self.car, self.converter = Bus(250000), Bus(125000)
        self.clock = clock = Clock(self.car, self.converter)
        spi = Spi(clock, baud=board.SPI["main"][4], overhead_ns=50000)
        self.machine = chip = install(Chip())
        chip.spi[1] = spi
        self.adc, self.expander = Adc(), Expander()
        for pin, device in ((board.ADC[1], self.adc), (board.EXPANDER[1], self.expander)):
            chip.watch[pin] = self.select(spi, device)
        self.chips, self.peers = [], []
        for bus, row in ((self.car, board.CAN_CAR), (self.converter, board.CAN_CONVERTER)):
            can = MODELS[row[0]](clock, row[4])
            bus.attach(can, on=False)
            self.peers.append(bus.attach(Peer()))
            chip.watch[row[2]] = self.select(spi, can)
            chip.lines[row[3]] = can.int_pin
            self.chips.append(can)
        sys.modules.pop("board_wires", None)
        self.hardware = __import__("board_wires").connect(board, "gbt27930")
        for can in (self.hardware.car_can, self.hardware.converter_can):
            can.set_filters(None)
        clock.wait(2 * MS)

    def select(self, spi, device):
        return lambda level: spi.choose(device, not level)

    def close(self):
        sys.modules.pop("board_wires", None)
        uninstall()


def heard(can):
    into = [0, memoryview(bytearray(8)), 0, 0]
    found = []
    while can.recv(into) is not None:
        found.append((into[0], bytes(into[1])))
    return found


def test_frames_go_both_ways_on_both_buses():
    for name in NAMES:
        both_ways(Desk(name))


def both_ways(desk):
    cans = (desk.hardware.car_can, desk.hardware.converter_can)
    for number, (can, peer) in enumerate(zip(cans, desk.peers)):
        peer.send(frame(0x100 + number, b"abc"))
        can.send(0x1812F456, bytes([number] * 8), can.FLAG_EXT_ID)
    desk.clock.wait(5 * MS)
    for number, (can, peer) in enumerate(zip(cans, desk.peers)):
        assert heard(can) == [(0x100 + number, b"abc")]
        assert [(f[ID], bytes(f[DATA])) for f in peer.frames()] == [(0x1812F456, bytes([number] * 8))]
    desk.close()


def test_samples_are_right_and_no_frame_is_lost_while_all_share_the_bus():
    for name in NAMES:
        shared(Desk(name))


def shared(desk):
    io, cans = desk.hardware.io, (desk.hardware.car_can, desk.hardware.converter_can)
    start = desk.clock.now
    for number in range(60):
        desk.peers[0].send(frame(0x100 + number, bytes(8)), start + number * MS)
        desk.peers[1].send(frame(0x200 + number, bytes(8)), start + number * 2 * MS)
    got = ([], [])
    for tick in range(16):
        desk.adc.counts[0] = 500 + tick
        desk.expander.port = 0x80 | tick & 1
        for _ in range(9):  # samples follow each other: every interrupt that can hit one does
            assert io.sample() is True
            assert io.inputs[0] == 500 + tick and io.inputs[1] == 501 and io.inputs[2] == 2048
            assert io.inputs[6] == tick & 1
        desk.clock.wait(8 * MS)
        for number in (0, 1):
            got[number].extend([can_id for can_id, _ in heard(cans[number])])
    assert sorted(got[0]) == list(range(0x100, 0x100 + 60))
    assert sorted(got[1]) == list(range(0x200, 0x200 + 60))
    desk.close()


def test_a_chip_that_is_not_there_is_told_and_the_watchdog_tries_again():
    for name in NAMES:
        absent(Desk(name))


def absent(desk):
    desk.hardware.car_can.deinit()
    desk.machine.watch.pop(desk.board.CAN_CAR[2])  # its CS leads nowhere
    sys.modules.pop("board_wires", None)
    desk.machine.timeouts_ms = []
    try:
        __import__("board_wires").connect(desk.board, "gbt27930")
        raise RuntimeError("it was not missed")
    except OSError:
        pass
    assert desk.machine.timeouts_ms == [60000]  # nobody feeds: after a minute or two the board starts anew
    desk.close()
