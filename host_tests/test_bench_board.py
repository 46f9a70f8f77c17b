"""A scenario against a board at a serial port: MicroPython on a pseudo-terminal, its pins among its words; a bridge to
a CAN adapter. What a real board adds (its reset by RTS, its own CAN chips, its times) only a board can show."""

import json
import os
import pty
import subprocess
import threading
import time
import tty
from pathlib import Path

import can
import pytest

from hw_tests.bench import interpreter, live, scenario, summary
from hw_tests.bench.bridge import Bridge
from hw_tests.bench.console_link import ANSWER_B, Divider, Thinner
from hw_tests.bench.firmware import FirmwareBoard
from hw_tests.bench.pins_link import FAIL, sample
from hw_tests.bench.processes import ProcessDied

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
                                       env={**os.environ, **interpreter.environment(image)})  # fmt: skip

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


def test_a_board_is_reset_by_its_en_line_alone():
    master, slave = pty.openpty()
    tty.setraw(slave)
    resets = []
    with os.fdopen(master, "r+b", buffering=0) as port:
        board = FirmwareBoard(port, 1, lambda: resets.append(1))
        board.start()
        os.write(slave, b"boot\r\nready ab\r\n")
        deadline_s, said, fresh = time.monotonic() + 10, [], 0
        while len(said) < 2 and time.monotonic() < deadline_s:
            fresh += board.poll()
            said += board.lines()
        assert said == ["boot", "ready ab"] and fresh == 0 and board.boots == 1
        board.reset("power")
        os.write(slave, b"ready ab\r\n")
        while not fresh and time.monotonic() < deadline_s:
            fresh += board.poll()
        assert fresh == 1 and board.boots == 2 and len(resets) == 2
        with pytest.raises(ProcessDied, match="cannot be reset by 'watchdog'"):
            board.reset("watchdog")
        board.end()
    os.close(slave)
