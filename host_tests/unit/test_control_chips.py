"""The tick on the real CAN drivers while their chips fail: it is told once, why, and no tick asks for memory. Both
interpreters; the count is MicroPython's alone."""

import gc
from array import array

import canbase

import main
from firmware import config as configs
from firmware.boards import bench
from firmware.faults import F_CAN_CAR, F_CAN_CONVERTER
from firmware.signals import IN_CC1, IN_CURRENT, IN_INLET, IN_LINK, IN_LOCKED, IN_TEMP1, IN_TEMP2, INPUTS
from firmware.station import E_CODE, E_DATA, E_STATE, EVENT_SLOTS
from hw_tests.bench.chips.board import Clock, Spi
from hw_tests.bench.chips.bus import SHORT, Bus
from hw_tests.bench.chips.mcp2515 import Mcp2515
from hw_tests.bench.chips.mcp2518fd import Mcp2518fd
from hw_tests.bench.chips.node import Peer
from lib import mcp2515, mcp2518fd

MS = 1000000
BUS_OFF, SILENT, RESET, MISREAD = 1, 2, 3, 4  # the event's data: docs/mqtt.md
CHIPS = ((Mcp2515, mcp2515.CAN, 16000000), (Mcp2518fd, mcp2518fd.CAN, 40000000))


class _Io:
    # A plug that is in, and nothing else: the car's bus has something to say.
    def __init__(self):
        self.inputs = array("i", [0] * INPUTS)
        self.inputs[IN_LINK] = self.inputs[IN_INLET] = 1000
        self.inputs[IN_CURRENT] = 32768
        self.inputs[IN_CC1] = 4000
        self.inputs[IN_LOCKED] = 1
        self.inputs[IN_TEMP1] = self.inputs[IN_TEMP2] = 750

    def sample(self):
        return True

    def write(self, mask):
        pass


class _Rtc:
    def __init__(self):
        self.image = bytearray(256)

    def save(self):
        pass


class Station:
    """Two buses with a controller and a peer each, on an SPI of its own, and the firmware that is assembled on them."""

    def __init__(self, make):
        canbase._ALL.clear()
        self.buses = Bus(250000), Bus(125000)
        self.clock = Clock(*self.buses)
        self.spis, self.chips, self.peers, cans = [], [], [], []
        for bus in self.buses:
            spi, chip, can = self._controller(make, bus)
            self.spis.append(spi)
            self.chips.append(chip)
            cans.append(can)
        self.fw = main.assemble(bench, configs.parse("{}"), _Io(), cans[0], cans[1], _Rtc())
        self.now = 0

    def _controller(self, make, bus):
        model, driver, crystal_Hz = make
        spi = Spi(self.clock, overhead_ns=30000)
        self.peers.append(bus.attach(Peer()))
        chip = model(self.clock, crystal_Hz)
        bus.attach(chip, on=False)
        can = driver(1, bus.bitrate, port=(spi, spi.select(chip), chip.int_pin, crystal_Hz), rx_frames=8)
        can.set_filters(None)
        return spi, chip, can

    def tick(self, count=1):
        """The most bytes that one of them took, the models' own not counted."""
        most = 0
        for _ in range(count):
            self.clock.wait(8 * MS)
            self.now += 10
            self.clock.allocated = 0
            before = _allocated()
            self.fw.control.tick(self.now)
            most = max(most, _allocated() - before - self.clock.allocated)
        return most

    def told(self, fault):
        """The data of each time it was raised."""
        events = self.fw.station.events
        row, data = array("i", [0] * EVENT_SLOTS), []
        while events.get(row):
            if row[E_CODE] == fault and row[E_STATE]:
                data.append(row[E_DATA])
        return data


def _allocated():
    return gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0


def _miso(byte):
    return lambda station, side: setattr(station.chips[side], "miso", byte)


def _spi_fails(station, side):
    station.spis[side].fails = True


def _unpowered(station, side):
    chip = station.chips[side]
    if hasattr(chip, "power"):
        chip.power(False)
    else:
        chip.miso = 255


def _brown_out(station, side):
    station.chips[side].brown_out()


def _short(station, side):
    station.buses[side].set_fault(station.clock.now, SHORT)


FAILURES = ((_miso(0), SILENT), (_miso(255), SILENT), (_spi_fails, SILENT), (_unpowered, SILENT),
            (_brown_out, RESET), (_short, BUS_OFF))  # fmt: skip
EXCEPTION_B = 256  # what send(), the SPI and the driver raise when a controller is lost, and at each try to restart it


def _failing(make, side, fails):
    station = Station(make)
    station.tick(50)
    gc.collect()
    fails(station, side)
    return station, [station.tick() for _ in range(115)]


def _check(make, turn):
    # Each failure on one bus, the next one on the other.
    for number, (fails, cause) in enumerate(FAILURES):
        side = (number + turn) & 1
        station, took = _failing(make, side, fails)
        if make is CHIPS[1] and fails is _spi_fails:
            cause = MISREAD  # that driver reads its last bytes, which are none of a dead chip
        assert station.told((F_CAN_CAR, F_CAN_CONVERTER)[side]) == [cause], (number, side)
        assert not station.told((F_CAN_CONVERTER, F_CAN_CAR)[side])
        asked = [size for size in took if size]
        assert len(asked) <= 4 and max(asked + [0]) <= EXCEPTION_B, asked  # not one a frame, nor one a tick


def test_what_a_failing_mcp2515_costs_and_tells():
    _check(CHIPS[0], 0)


def test_what_a_failing_mcp2518fd_costs_and_tells():
    _check(CHIPS[1], 1)


def test_a_bus_that_is_whole_again_is_used_again_and_told_again_if_it_fails_again():
    station, _ = _failing(CHIPS[0], 1, _miso(0))
    assert station.told(F_CAN_CONVERTER) == [SILENT]
    station.chips[1].miso = None
    station.tick(130)
    heard = len(station.peers[1].inbox)
    assert heard and station.fw.control.converter_can.cause() == 0
    station.fw.faults.replugged(station.now)
    station.tick(50)
    assert len(station.peers[1].inbox) > heard and station.told(F_CAN_CONVERTER) == []
    station.buses[1].set_fault(station.clock.now, SHORT)
    station.tick(60)
    assert station.told(F_CAN_CONVERTER) == [BUS_OFF]


def test_every_reason_has_its_cause():
    can = Station(CHIPS[0]).fw.control.car_can
    assert can.cause() == 0
    can._state = 0
    for words, cause in (("the SPI failed", SILENT), ("no MCP2515 answers, MISO is low: check", SILENT),
                         ("the MCP2515 is silent: check", SILENT), ("the MCP2515 has reset itself: check", RESET),
                         ("what was written reads back otherwise", MISREAD)):  # fmt: skip
        can.reason = words
        assert can.cause() == cause


class _Native:
    # machine.CAN: no cause().
    def __init__(self, state):
        self.code = state
        self.sent = 0

    def send(self, can_id, data, flags):
        self.sent += 1
        raise OSError(5)

    def state(self):
        return self.code

    def restart(self):
        pass

    def cancel_send(self, index):
        pass

    def recv(self, into):
        return None


def test_a_controller_that_names_no_cause_is_asked_once_until_it_is_up():
    for state, cause in ((4, BUS_OFF), (0, 0)):
        station = Station(CHIPS[0])
        station.tick(50)
        station.fw.control.converter_can = can = _Native(state)
        station.tick(90)
        assert can.sent == 1 and station.told(F_CAN_CONVERTER) == [cause]
        can.code = 1
        station.tick(120)
        assert can.sent >= 2
