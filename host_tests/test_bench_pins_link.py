"""The board's side of the pins link in MicroPython, over a real socket, live and in lockstep."""

import socket
import subprocess
import textwrap
import time
from pathlib import Path

import pytest

from hw_tests.bench.pins_link import LOCKSTEP, Answer, PinsLink

ROOT = Path(__file__).resolve().parent.parent
MICROPYTHON = ROOT / "build" / "bin" / "micropython"

BOARD = """
    import sys
    sys.path[:0] = [".", "lib"]
    import socket, time
    from remoteio import RemoteIO
    s = socket.socket()
    s.connect(socket.getaddrinfo("127.0.0.1", int(sys.argv[1]))[0][-1])
    s.setblocking(False)
    io = RemoteIO(s)

    def lockstep():
        kept = []
        while True:
            io.wait()
            before = io.allocated()
            if io.sample():
                io.write(io.inputs[0] + 1)
            if io.inputs[1]:
                kept.append(bytearray(100))
            io.answer(before)

    def live():
        while not io.closed:
            if io.sample():
                io.write(io.inputs[0] + 1)
            time.sleep_ms(1)

    try:
        lockstep() if sys.argv[2] == "lockstep" else live()
    except OSError:
        print("the bench is gone")
"""

pytestmark = pytest.mark.skipif(not MICROPYTHON.exists(), reason="no MicroPython here: make bootstrap")


@pytest.fixture
def start(tmp_path):
    """A board in the mode asked for, connected to a PinsLink."""
    script = tmp_path / "board.py"
    script.write_text(textwrap.dedent(BOARD))
    begun = []

    def begin(mode):
        link = PinsLink()
        board = subprocess.Popen([MICROPYTHON, script, str(link.port), mode], cwd=ROOT, stdout=subprocess.PIPE)
        begun.append((link, board))
        deadline_s = time.monotonic() + 5
        while not link.connected and time.monotonic() < deadline_s:
            assert link.receive() == []
        return link, board

    yield begin
    for link, board in begun:
        link.close()
        board.kill()
        board.communicate()


def answers(link, count):
    got: list[Answer] = []
    deadline_s = time.monotonic() + 5
    while len(got) < count and time.monotonic() < deadline_s:
        got += link.receive()
    return got


def test_lockstep_is_one_answer_a_record_and_tells_what_was_allocated(start):
    link, board = start("lockstep")
    for n in range(200):
        link.send(n * 10, [n, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], LOCKSTEP)
        (answer,) = answers(link, 1)
        assert (answer.seq, answer.outputs, answer.flags) == (n + 1, n + 1, LOCKSTEP)
        assert answer.allocated_B == 0
        assert 50_000 < answer.free_B < 160_000
    link.send(0, [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0], LOCKSTEP)
    assert answers(link, 1)[0].allocated_B >= 100
    link.close()
    assert board.communicate(timeout=5)[0] == b"the bench is gone\n"


def test_live_the_newest_sample_is_answered_and_the_end_is_noticed(start):
    link, board = start("live")
    for n in range(50):
        link.send(n, [n, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    time.sleep(0.2)
    link.send(50, [77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    got = link.receive()
    deadline_s = time.monotonic() + 5
    while (not got or got[-1].outputs != 78) and time.monotonic() < deadline_s:
        got += link.receive()
    assert got[-1].outputs == 78
    assert len(got) < 40  # several records a look
    link.close()
    assert board.wait(5) == 0


def test_a_dead_board_is_noticed(start):
    link, board = start("live")
    board.kill()
    board.wait()
    deadline_s = time.monotonic() + 5
    while link.connected and time.monotonic() < deadline_s:
        link.receive()
    assert not link.connected
    link.send(0, [0] * 11)  # to nobody
    again = socket.create_connection(("127.0.0.1", link.port))
    deadline_s = time.monotonic() + 5
    while not link.connected and time.monotonic() < deadline_s:
        link.receive()
    assert link.connections == 2
    again.close()
