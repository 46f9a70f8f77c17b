"""The Modbus master against pymodbus: its framer and messages in virtual time, its server on a pseudo-terminal."""

import asyncio
import contextlib
import os
import threading
import time
import tty

import pytest
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

from host_tests.pymodbus_line import Line
from lib.modbus import BUSY, DONE, EXCEPTION, FAILED, IDLE, Master, Slave, frame

TABLE = {address: (address * 7919 + 13) & 0xFFFF for address in range(200)}


class Bench:
    def __init__(self, **line):
        self.line = Line({1: dict(TABLE), 2: dict(TABLE)}, **line)
        self.master = Master(self.line, 9600, 10)
        self.slaves = {number: Slave(number, 100) for number in (1, 2)}

    def step(self):
        self.line.now += 10
        return self.master.step(self.line.now)

    def ask(self, number, function, address, *values):
        """The end of one exchange, however long its slave is left alone before."""
        slave, request = self.slaves[number], frame(number, function, address, *values)
        while True:
            if self.master.ready(slave, self.line.now):
                self.master.ask(slave, request, self.line.now)
                state = BUSY
                while state == BUSY:
                    state = self.step()
                if state != IDLE:
                    return state
            self.step()

    def words(self, count):
        return [self.master.word(at) for at in range(count)]


@pytest.mark.parametrize("function", [3, 4])
def test_it_reads_what_pymodbus_serves(function):
    bench = Bench()
    for number, address, count in ((1, 0, 1), (2, 10, 2), (1, 100, 4), (2, 150, 24)):
        assert bench.ask(number, function, address, count) == DONE
        assert bench.words(count) == [TABLE[address + at] for at in range(count)]


def test_it_writes_what_pymodbus_keeps():
    bench = Bench()
    assert bench.ask(1, 6, 42, 0x5445) == DONE
    assert bench.ask(2, 16, 50, 1, 0xFFFF, 3) == DONE
    assert bench.line.registers[1][42] == 0x5445
    assert [bench.line.registers[2][at] for at in (50, 51, 52)] == [1, 0xFFFF, 3]


def test_a_refusal_of_pymodbus():
    bench = Bench()
    assert bench.ask(1, 3, 500, 2) == FAILED
    assert bench.master.error == EXCEPTION and bench.slaves[1].exception == 2


@pytest.mark.parametrize(
    ("noise", "strangers", "late", "echo"),
    [(0.01, 0, 0, False), (0.05, 0.3, 0, False), (0, 0.5, 0.3, False), (0.02, 0.2, 0.2, False), (0.02, 0.2, 0.1, True)],
)
def test_no_noise_ever_makes_a_wrong_number(noise, strangers, late, echo):
    """Bits flipped, bytes lost, doubled and inserted, strangers' frames and late replies: an error or the truth.

    Each spoiled frame has one chance in 65,536 to pass the CRC; with these seeds none does.
    """
    good = 0
    bench = Bench(seed=7)
    bench.line.noise, bench.line.strangers, bench.line.late, bench.line.echo = noise, strangers, late, echo
    for turn in range(600):
        number, address = 1 + turn % 2, turn * 3 % 190
        if bench.ask(number, 3 + turn // 2 % 2, address, 2) == DONE:
            assert bench.words(2) == [TABLE[address], TABLE[address + 1]], turn
            good += 1
    assert good > 100
    bench.line.noise = bench.line.strangers = bench.line.late = 0
    bench.line.now += 5000  # for what is late
    assert [bench.ask(number, 3, 5, 2) for number in (1, 2, 1, 2)] == [DONE] * 4


def test_the_better_the_line_the_more_arrives():
    """What noise costs is time: the share of exchanges that end well, and that all of them end."""
    shares = []
    for noise in (0.0, 0.005, 0.02):
        bench = Bench(seed=3)
        bench.line.noise = noise
        shares.append(sum(bench.ask(1, 4, 52, 2) == DONE for _ in range(300)))
    assert shares[0] == 300 > shares[1] > shares[2] > 150


# --- a real pseudo-terminal, pymodbus's own server at its other end; no time of this test is judged ---
class Terminal:
    def __init__(self, handle):
        self.handle = handle
        self.spoil = 0  # every so many-th byte that comes is turned over

    def readinto(self, into):
        try:
            data = bytearray(os.read(self.handle, len(into)))
        except BlockingIOError:
            return None
        for at in range(len(data)):
            if self.spoil and os.urandom(1)[0] % self.spoil == 0:
                data[at] ^= 0x10
        into[: len(data)] = data
        return len(data) or None

    def write(self, data):
        return os.write(self.handle, bytes(data))

    def txdone(self):
        return True


class Server(threading.Thread):
    def __init__(self, path, devices):
        super().__init__(daemon=True)
        self._path = path
        self._devices = devices
        self._loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.start()

    def run(self):
        self._loop.run_until_complete(self._serve())

    async def _serve(self):
        self._server = ModbusSerialServer(self._devices, port=self._path, baudrate=9600)
        await self._server.serve_forever(background=True)
        self.ready.set()
        while self.ready.is_set():
            await asyncio.sleep(0.02)
        await self._server.shutdown()

    def stop(self):
        self.ready.clear()
        self.join(10)


@contextlib.contextmanager
def serving(devices):
    """The near end of a pseudo-terminal at whose far end pymodbus serves these devices."""
    ours, theirs = os.openpty()
    for handle in (ours, theirs):
        tty.setraw(handle)
    os.set_blocking(ours, False)
    server = Server(os.ttyname(theirs), devices)
    assert server.ready.wait(20)
    yield Terminal(ours)
    server.stop()
    os.close(ours)
    os.close(theirs)


@pytest.fixture
def terminal():
    values = [TABLE[address] for address in sorted(TABLE)]
    with serving(SimDevice(1, [SimData(0, values=values, datatype=DataType.REGISTERS)])) as terminal:
        yield terminal


def _exchange(master, slave, request):
    state = BUSY
    while state in (BUSY, IDLE):
        now = int(time.monotonic() * 1000) & 0x3FFFFFFF
        if state == IDLE or master.ready(slave, now):
            if master.ready(slave, now):
                master.ask(slave, request, now)
        time.sleep(0.002)
        state = master.step(now)
    return state


def test_a_server_of_pymodbus_on_a_pseudo_terminal(terminal):
    master, slave = Master(terminal, 9600), Slave(1, 5000)
    for function in (3, 4):
        for address in (0, 17, 120):
            assert _exchange(master, slave, frame(1, function, address, 2)) == DONE
            assert [master.word(0), master.word(1)] == [TABLE[address], TABLE[address + 1]]
    slave.turnaround_ms = 200
    terminal.spoil = 30
    for turn in range(20):
        address = turn * 9
        if _exchange(master, slave, frame(1, 3, address, 2)) == DONE:
            assert [master.word(0), master.word(1)] == [TABLE[address], TABLE[address + 1]]
