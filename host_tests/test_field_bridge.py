"""The bridge between a run's field bus and an adapter on a board's RS-485 line: finds whole requests whatever stands
round them, and carries them to the slaves of hw_tests/bench/field.py."""

import socket
import threading
import time

import pytest

from host_tests.desk_board import Stranger
from hw_tests.bench.adapter import AdapterError
from hw_tests.bench.field import Field, FieldParams
from hw_tests.bench.field_bridge import FieldBridge, PAUSE_s, Requests, open_line
from hw_tests.bench.field_link import FieldLink
from hw_tests.bench.plant import Plant
from hw_tests.bench.rtu import sealed

READ = sealed(bytes((1, 4, 0, 0x34, 0, 2)))
WRITE = sealed(bytes((3, 6, 0x1F, 0x45, 0x54, 0x45)))
MANY = sealed(bytes((1, 16, 0, 0, 0, 2, 4, 1, 2, 3, 4)))
REPLY = sealed(bytes((1, 4, 4, 1, 2, 3, 4)))
CHAR_s = 10 / 9600


def fed(pieces, requests=None):
    """What is found when they come 10 ms apart."""
    requests = requests or Requests(CHAR_s)
    return [found for at, piece in enumerate(pieces) for found in requests.feed(piece, 1 + at * 0.01)]


@pytest.mark.parametrize("request_", [READ, WRITE, MANY])
def test_a_request_is_found_in_pieces_and_behind_what_is_none(request_):
    for cut in range(1, len(request_)):
        assert fed([request_[:cut], request_[cut:]]) == [request_]
    spoiled = bytes((request_[0], request_[1] ^ 1)) + request_[2:]
    for before in (b"\x00", b"\x01\x04", REPLY, spoiled, b"\xff" * 9):
        assert fed([before + request_, b""]) == [request_], before
    assert fed([request_ + READ]) == [request_, READ]


def test_a_pause_ends_what_could_have_become_a_long_request():
    """Function 16 with 255 bytes to come, after a byte of noise: all that follows would be taken for them."""
    requests = Requests(CHAR_s)
    assert requests.feed(bytes((1, 16, 0, 0, 0, 2, 255)) + READ, 1.0) == []
    assert requests.feed(READ, 1.0 + PAUSE_s / 2) == []
    assert requests.feed(READ, 1.1 + PAUSE_s) == [READ]


def test_an_adapter_that_hears_itself_is_not_asked_by_its_own_answer():
    for reply in (REPLY, WRITE):  # a write's reply is the same as its request
        requests = Requests(CHAR_s)
        requests.said(reply, 1.0)
        assert fed([reply[:3], reply[3:], READ], requests) == [READ]
        requests.said(reply, 1.0)
        assert fed([reply + READ], requests) == [READ]


def test_the_same_write_once_more_is_a_request():
    requests = Requests(CHAR_s)
    requests.said(WRITE, 1.0)
    assert requests.feed(WRITE, 1.0 + len(WRITE) * CHAR_s + 2 * PAUSE_s) == [WRITE]
    requests.said(WRITE, 2.0)
    assert requests.feed(READ, 2.001) == [READ] and requests.feed(WRITE, 2.002) == [WRITE]


class Line:
    """A bridge between an adapter (a pseudo-terminal) and a meter and a monitor."""

    def __init__(self, device):
        self._link = FieldLink()
        self._field = Field(Plant(), FieldParams(meter="sdm630", monitor="isocha425", field_bit_s=11_000_000))
        self._port = open_line(device, 9600, "none")
        self._peer = socket.create_connection(("127.0.0.1", self._link.port))
        self.bridge = FieldBridge(self._port, self._peer, CHAR_s)
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self.bridge.run, self._play)]
        for thread in self._threads:
            thread.start()

    def _play(self):
        begun_s = time.monotonic()
        while not self._ends.is_set():
            self._link.exchange(self._field, int((time.monotonic() - begun_s) * 1000))
            time.sleep(0.001)

    def leave(self):
        """The run goes."""
        self._ends.set()
        self._threads[1].join()
        self._link.close()

    def close(self):
        self.bridge.stop()
        self._threads[0].join(10)
        self.leave()
        self._peer.close()
        self._port.close()


def until(condition):
    """A hang fails."""
    end_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end_s, "it did not come to pass"
        time.sleep(0.002)


@pytest.fixture
def line():
    """(The wire as the board has it, the bridge on it.)"""
    with Stranger() as wire:
        line = Line(wire.device)
        yield wire, line
        line.close()


def test_both_slaves_answer_the_board_through_an_adapter(line):
    wire, _ = line
    for request, head in ((READ, (1, 4, 4)), (sealed(bytes((3, 3, 3, 0xE8, 0, 4))), (3, 3, 8))):
        wire.received.clear()
        wire.say(b"\x00" + request)
        until(lambda size=5 + head[2]: len(wire.received) >= size)
        assert bytes(wire.received[:3]) == bytes(head) and sealed(bytes(wire.received[:-2])) == bytes(wire.received)


def test_an_adapter_that_is_unplugged_and_a_run_that_ended_are_told(line):
    wire, made = line
    made.leave()
    until(lambda: made.bridge.failed)
    assert made.bridge.failed == "the run's end of the line is gone"
    with Stranger() as other:
        gone = Line(other.device)
        other.close()
        until(lambda: gone.bridge.failed)
        gone.close()


def test_an_adapter_that_cannot_be_had_is_told_in_one_sentence():
    with pytest.raises(AdapterError, match="RS485: there is no port /dev/no_such_line: "):
        open_line("/dev/no_such_line", 9600, "even")
    with Stranger() as wire:
        first = open_line(wire.device, 9600, "none")
        with pytest.raises(AdapterError, match=f"RS485: {wire.device} is busy: close the program"):
            open_line(wire.device, 9600, "none")
        first.close()
