"""A scenario against a board at a serial port: MicroPython on a pseudo-terminal, its pins among its words; a bridge to
a CAN adapter. What a real board adds (its reset by RTS, its own CAN chips, its times) only a board can show."""

import json
import os
import pty
import random
import socket
import subprocess
import threading
import time
import tty
from pathlib import Path

import can
import pytest

from host_tests.unit import test_console_stream
from hw_tests.bench import bench_board, interpreter, live, scenario, summary
from hw_tests.bench.bench_board import OnBench
from hw_tests.bench.bridge import Bridge
from hw_tests.bench.console_link import ANSWER_B, BEGIN, FRAME_B, SAMPLE_B, Divider, Thinner, framed, timed
from hw_tests.bench.firmware import FirmwareBoard
from hw_tests.bench.pins_link import FAIL, sample
from hw_tests.bench.processes import ProcessDied
from lib.remoteio import RemoteIO

GAP_s = 946_684_800  # 1970 to 2000
PTY_s = 0.003  # a pseudo-terminal has no bit rate: samples as often as over a socket
RECORD = bytes.fromhex("15a5") + bytes(range(ANSWER_B - 2))


def test_words_and_records_are_told_apart_however_they_come():
    data = b"ready ab\r\nsta" + RECORD + b"te idle safe\r\n" + RECORD + RECORD + b"end\n"
    for size in (1, 3, 16, 17, 100):
        divider, text, records = Divider(), b"", b""
        for at in range(0, len(data), size):
            more = divider.feed(data[at : at + size])
            text, records = text + more[0], records + more[1]
        assert text == b"ready ab\r\nstate idle safe\r\nend\n" and records == 3 * RECORD
    assert Divider().feed(b"a\x15" + b"b" * 20) == (b"a" + b"b" * 20, b"")  # noise


def test_the_newest_sample_goes_and_an_exception_is_not_lost():
    thinner = Thinner()
    one, two, three = (sample(n, n, FAIL if n == 1 else 0, range(11)) for n in (1, 2, 3))
    thinner.feed(one + two[:5])
    thinner.feed(two[5:])
    sent = thinner.due(1.0)
    assert sent[:8] == two[:8] and sent[8] == FAIL and sent[9:] == two[9:]
    thinner.feed(three)
    assert thinner.due(1.005) == b"" and thinner.due(1.011) == three and thinner.due(2.0) == b""


def test_a_sample_carries_the_time_where_the_plant_s_stands():
    stream = _Stream()
    stream.data = timed(sample(7, 123456, 0, range(11)), GAP_s + 848315200.9)
    io = RemoteIO(stream)
    assert io.sample() and (io.seq, io.now_ms, list(io.inputs)) == (7, 848315200, list(range(11)))


class _Stream:
    data = b""

    def readinto(self, into):
        data, self.data = self.data, b""
        memoryview(into).cast("B")[: len(data)] = data
        return len(data) or None


def test_no_frame_holds_what_a_console_takes_for_a_command_and_the_board_reads_it():
    chance = random.Random(1)
    awkward = [bytes(range(32)), bytes(range(0, 64, 2)), bytes(32), b"\xff" * 32, bytes([3, 0x16] * 16)]
    line, console = test_console_stream.made()
    for record in awkward + [chance.randbytes(SAMPLE_B) for _ in range(2000)]:
        frame = framed(record)
        assert frame[0] == BEGIN and len(frame) == FRAME_B == 36 and not set(frame[1:]) & {1, 2, 3, 4, 5, BEGIN}
        assert test_console_stream.read(line, console, frame) == [record]
    plain = sample(7, 123456, 0, (8600, 1000, 32768, 4000, 750, 760, 1, 0, 1, 0, 1))
    assert not set(framed(plain)) & set(b"\r\n")


def test_a_bridge_carries_both_ways_and_ends_with_a_reason():
    names = [f"bridge-{side}-{time.monotonic()}" for side in "ab"]
    buses = [can.Bus(interface="virtual", channel=name) for name in names]
    far = [can.Bus(interface="virtual", channel=name) for name in names]
    bridge = Bridge(*buses)
    thread = threading.Thread(target=bridge.run, daemon=True)
    thread.start()
    for here, there in ((0, 1), (1, 0)):
        far[here].send(can.Message(arbitration_id=0x1CECF456, is_extended_id=True, data=b"\x10\x31"))
        got = far[there].recv(5)
        assert got is not None and (got.arbitration_id, bytes(got.data)) == (0x1CECF456, b"\x10\x31")
    bridge.stop()
    thread.join(5)
    assert not thread.is_alive() and bridge.failed == "" and bridge.counts["to the wire"] == 1
    for bus in (*buses, *far):
        bus.shutdown()


class Terminal:
    """A board: MicroPython with its standard input and output on a pseudo-terminal. `restart` is its EN line."""

    def __init__(self, run: live.Live, folder: Path):
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self._slave, self._run, self._folder = slave, run, folder
        self._child: subprocess.Popen | None = None

    def fileno(self) -> int:
        return self.master

    def read(self, size: int = 1) -> bytes:
        return os.read(self.master, size)

    def write(self, data: bytes) -> int:
        return os.write(self.master, data)

    def restart(self) -> None:
        self.end()
        port = self._run.port
        where = {"io": "console", "car": port["car_station"], "converter": port["converter_station"],
                 "field": port["field"], "lockstep": 0, "retained": "retained.bin"}  # fmt: skip
        (self._folder / "bench.json").write_text(json.dumps(where))
        image = interpreter.kind()
        self._child = subprocess.Popen(interpreter.command(image), cwd=self._folder, stdin=self._slave,
                                       stdout=self._slave, stderr=self._slave, start_new_session=True,
                                       env=dict(os.environ))  # fmt: skip

    def end(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()


@pytest.mark.skipif(not interpreter.MICROPYTHON.exists(), reason="no MicroPython in build/bin: run make bootstrap")
@pytest.mark.skipif("SLUICE_IDLE" not in os.environ, reason="real time through a terminal: SLUICE_IDLE=1 if idle")
def test_a_whole_scenario_against_a_board_on_a_terminal(tmp_path):
    live.make_image()
    terminals = []

    def make(run):
        terminals.append(Terminal(run, tmp_path))
        return FirmwareBoard(terminals[0], run.port["pins"], terminals[0].restart, PTY_s)

    try:
        made = live.Live(scenario.load("charge_only_2015", "later"), tmp_path, make=make).run()
    finally:
        terminals[0].end()
    assert made["result"] == "pass", "\n" + summary.text(made)
    assert any("ready" in line for line in (tmp_path / "events.jsonl").read_text().splitlines())


class Plant:
    """The door for the pins; `drops` counts the times that a board's pins were let go of."""

    def __init__(self):
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        self.comes = self.drops = 0
        self.data = b""
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            peer, _ = self._door.accept()
            self.comes += 1
            peer.sendall(sample(self.comes, 0, 0, range(11)))
            while data := peer.recv(100):
                self.data += data
            self.drops += 1


def until(condition):
    """A hang fails."""
    end_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end_s, "it did not come to pass"
        time.sleep(0.005)


def test_a_board_is_played_its_pins_from_ready_on_and_reset_by_its_en_line_alone():
    master, slave = pty.openpty()
    tty.setraw(slave)
    resets, plant = [], Plant()
    with os.fdopen(master, "r+b", buffering=0) as port:
        board = FirmwareBoard(port, plant.port, lambda: resets.append(1))
        with pytest.raises(ProcessDied, match="not started"):
            board.poll()
        board.start()
        os.write(slave, b"boot\r\n" + RECORD + b"ready ab\r\n")
        until(lambda: plant.comes == 1)
        line, console = test_console_stream.made()
        (record,) = test_console_stream.read(line, console, os.read(slave, 100))
        told_s = int.from_bytes(record[4:8], "little") + GAP_s
        assert record == timed(sample(1, 0, 0, range(11)), told_s) and 0 <= time.time() - told_s < 600
        os.write(slave, RECORD)
        until(lambda: plant.data == RECORD)  # the one before `ready` was of nobody
        assert plant.data == RECORD and board.lines() == ["boot", "ready ab"]
        assert not board.poll() and board.boots == 1
        board.reset("power")
        until(lambda: plant.drops == 1)  # its outputs fall
        os.write(slave, b"rst:0x1 (POWERON_RESET)\r\nready ab\r\n")
        until(lambda: plant.comes == 2)
        until(board.poll)
        assert not board.poll() and board.boots == 2 and len(resets) == 2
        with pytest.raises(ProcessDied, match="cannot be reset by 'watchdog'"):
            board.reset("watchdog")
        board.end()
    os.close(slave)


def test_a_board_that_ends_before_it_is_ready_is_told_with_its_reason(monkeypatch):
    monkeypatch.setattr(bench_board, "_ENDED_s", 0.05)
    master, slave = pty.openpty()
    tty.setraw(slave)
    with os.fdopen(master, "r+b", buffering=0) as port:
        board = OnBench(port, 1, lambda: None)
        board.start()
        os.write(slave, b'Traceback (most recent call last):\r\n  File "main.py"\r\nValueError: no chip\r\n>>> ')
        with pytest.raises(ProcessDied, match="the station ended before it was ready: ValueError: no chip"):
            until(board.lines)
            until(board.lines)
        FirmwareBoard.end(board)
    os.close(slave)


def test_a_port_without_dtr_cannot_reset_and_one_with_it_pulls_en_once():
    class Line:
        def __init__(self, breaks=False):
            self.breaks, self.levels = breaks, []

        def __setattr__(self, name, value):
            if name != "dtr":
                return super().__setattr__(name, value)
            if self.breaks:
                raise OSError(25, "Inappropriate ioctl for device")
            self.levels.append(value)

    line = Line()
    bench_board.reset(line)
    assert line.levels == [False, True]
    with pytest.raises(ProcessDied, match="this port cannot reset the board"):
        bench_board.reset(Line(breaks=True))
