"""One program, written against the documentation of machine.CAN alone, on every driver by changing its import; and two
chips of different kinds on one bus. Both interpreters."""

import sys

import canbase
import mcp2515
import mcp2518fd
import slcan

from host_tests.unit.test_slcan import Stream
from hw_tests.bench.chips.board import Clock, Spi
from hw_tests.bench.chips.bus import Bus
from hw_tests.bench.chips.mcp2515 import Mcp2515
from hw_tests.bench.chips.mcp2518fd import Mcp2518fd
from hw_tests.bench.chips.node import Peer
from hw_tests.bench.chips.wire import frame

MS = 1000000

# An echo node: what it hears of its ids it sends back with the id plus one, polled or told by the handler.
PROGRAM = """
from MODULE import CAN

can = CAN(1, 500_000)
can.set_filters([(0x100, 0x700, 0), (0x181056F4, 0x1FFFFFFF, CAN.FLAG_EXT_ID)])
waiting = []
told = []
held = [0, memoryview(bytearray(8)), 0, 0]


def poll():
    while waiting:
        can_id, data, flags = waiting[0]
        if can.send(can_id, data, flags) is None:
            return
        waiting.pop(0)
    if can.recv(held) is not None:
        can_id, data, flags, errors = held
        told.append(errors)
        waiting.append((can_id + 1, bytes(data), flags))


def handler(bus):
    while flags := bus.irq().flags():
        if flags & CAN.IRQ_RX:
            can_id, data, kind, errors = bus.recv()
            told.append(errors)
            bus.send(can_id + 1, bytes(data), kind)


def by_handler():
    can.irq(handler, trigger=CAN.IRQ_RX)


def facts():
    counters = can.get_counters()
    return can.state() == CAN.STATE_ACTIVE, counters[2:], can.get_timings()[0], can.cancel_send(0), can.TX_QUEUE_LEN > 0


def end():
    can.restart()
    can.deinit()
    stopped = can.state() == CAN.STATE_STOPPED
    can.init(bitrate=500_000, mode=CAN.MODE_NORMAL)
    return stopped, can.state() == CAN.STATE_ACTIVE
"""
HEARD = [
    frame(0x123, b"\x01\x02\x03"),
    frame(0x200, b"not for it"[:8]),
    frame(0x17F, b""),
    frame(0x181056F4, bytes(range(8)), ext=1),
    frame(0x181056F5, b"\x09", ext=1),
    frame(0x100, bytes(4), rtr=1),
]
ECHOED = [
    frame(0x124, b"\x01\x02\x03"),
    frame(0x180, b""),
    frame(0x181056F5, bytes(range(8)), ext=1),
    frame(0x101, bytes(4), rtr=1),
]


class OnABus:
    """A controller's model, a peer, and the port that the driver's module gets."""

    def __init__(self, module, model, crystal_Hz):
        canbase._ALL.clear()
        self.bus = Bus(500000)
        self.clock = Clock(self.bus)
        spi = Spi(self.clock, overhead_ns=30000)
        chip = model(self.clock, crystal_Hz)
        self.bus.attach(chip, on=False)
        self.peer = self.bus.attach(Peer())
        module.PORTS[1] = spi, spi.select(chip), chip.int_pin, crystal_Hz

    def hears(self, f):
        self.peer.send(f, self.clock.now)
        self.clock.wait(1 * MS)

    def later(self):
        self.clock.wait(2 * MS)

    def echoed(self):
        return self.peer.frames()


class OnAStream:
    """An slcan adapter's end of the stream."""

    def __init__(self):
        self.stream = slcan.PORTS[1] = Stream()

    def hears(self, f):
        can_id, ext, rtr, dlc, data = f
        kind = ("R" if rtr else "T") if ext else ("r" if rtr else "t")
        text = "".join([f"{byte:02X}" for byte in data])
        name = f"{can_id:08X}" if ext else f"{can_id:03X}"
        line = f"{kind}{name}{dlc}{text}\r"
        self.stream.feed(line.encode())

    def later(self):
        pass

    def echoed(self):
        frames = []
        for line in bytes(self.stream.written).decode().split("\r"):
            if line[:1] in ("t", "T", "r", "R") and line:
                at = 9 if line[0] in "TR" else 4
                data = bytes([int(line[k : k + 2], 16) for k in range(at + 1, len(line), 2)])
                rtr = line[0] in "rR"
                frames.append(frame(int(line[1:at], 16), bytes(int(line[at])) if rtr else data, ext=at == 9, rtr=rtr))
        return frames


def worlds():
    return (
        ("mcp2515", lambda: OnABus(mcp2515, Mcp2515, 16000000)),
        ("mcp2518fd", lambda: OnABus(mcp2518fd, Mcp2518fd, 40000000)),
        ("slcan", OnAStream),
    )


def started(name):
    """The program with this import, as its globals."""
    # The modules that this file knows, whatever another test has done to the import meanwhile.
    sys.modules.update({"mcp2515": mcp2515, "mcp2518fd": mcp2518fd, "slcan": slcan})
    names = {"__name__": "program"}  # type: dict
    exec(PROGRAM.replace("MODULE", name), names)
    return names


def test_the_same_program_echoes_on_every_driver_when_it_polls():
    for name, world_of in worlds():
        world = world_of()
        program = started(name)
        world.later()
        for f in HEARD:
            world.hears(f)
            for _ in range(4):
                program["poll"]()
                world.later()
        assert world.echoed() == ECHOED, name
        assert program["told"] == [0] * len(ECHOED), name
        active, counters, bitrate, cancelled, has_queue = program["facts"]()
        assert active and counters == [0, 0, 0, 0, 0, 0] and bitrate == 500000 and not cancelled and has_queue, name


def test_the_same_program_echoes_on_every_driver_by_its_handler():
    for name, world_of in worlds():
        world = world_of()
        program = started(name)
        program["by_handler"]()
        world.later()
        for f in HEARD:
            world.hears(f)
            program["can"].poll()  # slcan has no interrupt; elsewhere it has nothing left to do
            world.later()
        assert world.echoed() == ECHOED, name


def test_the_same_program_ends_and_begins_again():
    for name, world_of in worlds():
        world = world_of()
        program = started(name)
        stopped, active = program["end"]()
        assert stopped and active, name
        world.later()
        world.hears(HEARD[0])
        for _ in range(3):
            program["poll"]()
            world.later()
        assert world.echoed() == ECHOED[:1], name + ": the filters stay"


def test_two_kinds_of_chip_exchange_frames_on_one_bus():
    canbase._ALL.clear()
    bus = Bus(250000)
    clock = Clock(bus)
    cans = []
    for module, model, crystal_Hz in ((mcp2515, Mcp2515, 16000000), (mcp2518fd, Mcp2518fd, 20000000)):
        spi = Spi(clock, overhead_ns=30000)
        chip = model(clock, crystal_Hz)
        chip.sck_Hz = 8000000
        bus.attach(chip, on=False)
        can = module.CAN(1, 250000, port=(spi, spi.select(chip), chip.int_pin, crystal_Hz))
        can.set_filters(None)
        cans.append(can)
    clock.wait(1 * MS)
    sent, got = [0, 0], [[], []]
    held = [0, memoryview(bytearray(8)), 0, 0]
    while min(sent) < 60 or min(len(got[0]), len(got[1])) < 60:
        for n in (0, 1):
            # Standard and extended ids in turn, so that each side wins some arbitrations.
            ext = 2 if sent[n] % 2 else 0
            can_id = (0x100 + n) << 18 | 5 if ext else 0x100 + n
            if sent[n] < 60 and cans[n].send(can_id, bytes([sent[n]]), ext) is not None:
                sent[n] += 1
            while cans[n].recv(held) is not None:
                got[n].append((held[0], held[2], held[1][0]))
        clock.wait(MS // 4)
        assert clock.now < 200 * MS, (sent, len(got[0]), len(got[1]))
    for n in (0, 1):
        other = 1 - n
        for ext in (0, 2):
            mine = [item[2] for item in got[n] if item[1] == ext]
            assert mine == [k for k in range(60) if (k % 2 == 1) == (ext == 2)], "each id in its order"
        assert all(item[0] in (0x100 + other, (0x100 + other) << 18 | 5) for item in got[n])
        assert cans[n].get_counters()[2:] == [0, 0, 0, 0, 0, 0]
        assert cans[n].state() == cans[n].STATE_ACTIVE
