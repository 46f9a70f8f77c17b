"""The serial port of a bench board: its words, and between them the records of its pins, told apart.

board -> bench: text, and records of 16 bytes that begin with 15 A5 (pins_link.py); no text has a byte 15
bench -> board: samples of 32 bytes, each in a frame (lib/console_stream.py), the newest at most every 10 ms: all of
them would fill 115200 bit/s. A board has ticks of its own: in place of the plant's stands the time, in seconds since
2000, which a reset by EN took from it (lib/console_wires.py)

A board that says `ready` has just started: from then on it is played the pins. Before, and after a reset that it has
not come back from, its outputs are nobody's.
"""

import contextlib
import re
import select
import socket
import time
from threading import Event, Thread
from typing import Any, Protocol

from hw_tests.bench.pins_link import FAIL

SAMPLE_B, ANSWER_B = 32, 16
_MARK = b"\x15\xa5"
SAMPLE_s = 0.010
_TIME_AT = 4  # of a sample
_FLAGS_AT = 8
_FROM_1970_s = 946_684_800  # to 2000
_READY = re.compile(rb"^ready \S+\s*$", re.MULTILINE)

BEGIN = 0x16
FRAME_B = 36
# In a frame there is neither its beginning nor what a console takes for a command: Ctrl-A to Ctrl-E (raw and friendly
# prompt, interrupt, reset, paste). Where a key allows it, no end of line either: at a prompt it would start a line.
_NEVER = frozenset((BEGIN, 1, 2, 3, 4, 5))
_RATHER_NOT = _NEVER | frozenset(b"\r\n")


class Port(Protocol):
    """A serial port, as pyserial has it; it must not wait for what is not there."""

    def fileno(self) -> int: ...

    def read(self, size: int = 1, /) -> bytes: ...

    def write(self, data: bytes, /) -> int | None: ...


def framed(sample: bytes) -> bytes:
    """A sample as it goes to the board; b"" if there is no key for it: then the next one, 10 ms later, is as good.
    The record alone rules out at most 198 keys of 256."""
    for shunned in (_RATHER_NOT, _NEVER):
        for key in range(256):
            frame = _with_key(sample, key)
            if shunned.isdisjoint(frame[1:]):
                return frame
    return b""


def timed(sample: bytes, unix_s: float) -> bytes:
    """With the time in it; 30 bits last until 2034."""
    since_2000_s = int(unix_s) - _FROM_1970_s & 0x3FFFFFFF
    return sample[:_TIME_AT] + since_2000_s.to_bytes(4, "little") + sample[_TIME_AT + 4 :]


def _with_key(sample: bytes, key: int) -> bytes:
    record = bytes(byte ^ key for byte in sample)
    low, high = sum(record) & 0xFF, sum(record) >> 8
    return bytes((BEGIN, key)) + record + bytes((low ^ key, high ^ key))


class Divider:
    """Feed it what comes; it keeps a record that has come in part."""

    def __init__(self) -> None:
        self._in = b""

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """The text in it, and the whole records."""
        self._in += data
        text = records = b""
        while self._in:
            at = self._in.find(_MARK[:1])
            if at < 0:
                text, self._in = text + self._in, b""
                break
            text, self._in = text + self._in[:at], self._in[at:]
            if len(self._in) < ANSWER_B:
                break
            if not self._in.startswith(_MARK):  # a byte of noise
                self._in = self._in[1:]
                continue
            records, self._in = records + self._in[:ANSWER_B], self._in[ANSWER_B:]
        return text, records


class Thinner:
    """Samples as the plant sends them; `due` is what the board gets, one in `period_s`."""

    def __init__(self, period_s: float = SAMPLE_s):
        self._period_s = period_s
        self._in = b""
        self._newest = b""
        self._flags = 0  # of those that were passed over: an exception that was asked for must not get lost
        self._sent_s = 0.0

    def feed(self, data: bytes) -> None:
        """What came from the plant."""
        self._in += data
        whole = len(self._in) // SAMPLE_B * SAMPLE_B
        for at in range(0, whole, SAMPLE_B):
            self._newest = self._in[at : at + SAMPLE_B]
            self._flags |= self._newest[_FLAGS_AT] & FAIL
        self._in = self._in[whole:]

    def due(self, now_s: float) -> bytes:
        """A sample whose time has come, else nothing."""
        if not self._newest or now_s - self._sent_s < self._period_s:
            return b""
        sample = bytearray(self._newest)
        sample[_FLAGS_AT] |= self._flags
        self._newest, self._flags, self._sent_s = b"", 0, now_s
        return bytes(sample)


class ConsoleLink:
    """Carries both ways in a thread: `text` grows by the board's words; the pins go to the plant's port."""

    def __init__(self, port: Port, pins_port: int, period_s: float = SAMPLE_s):
        self.text = b""
        self.starts = 0  # times that the board has said `ready`
        self.failed = ""
        self._port, self._pins_port, self._period_s = port, pins_port, period_s
        self._pins: socket.socket | None = None
        self._looked = 0  # how far `text` was searched: up to the last whole line
        self._ends, self._reset = Event(), Event()
        self._thread = Thread(target=self._carry, daemon=True)
        self._thread.start()

    def reset(self) -> None:
        """The board is being reset: its outputs fall, until it says `ready` again."""
        self._reset.set()

    def close(self) -> None:
        """The end; the port stays open."""
        self._ends.set()
        self._thread.join(2)

    def _carry(self) -> None:
        divider, thinner = Divider(), Thinner(self._period_s)
        try:
            while not self._ends.is_set():
                if self._reset.is_set():
                    self._reset.clear()
                    self._leave()
                pins = self._pins
                watched: list[Any] = [self._port] if pins is None else [self._port, pins]
                ready, _, _ = select.select(watched, [], [], 0.002)
                if self._port in ready:
                    self._hear(*divider.feed(self._port.read(4096)))
                if pins is not None and pins is self._pins and pins in ready:
                    thinner.feed(pins.recv(4096))
                sample = thinner.due(time.monotonic())
                if sample and self._pins is not None:
                    self._port.write(framed(timed(sample, time.time())))
        except OSError as error:
            self.failed = str(error)
        finally:
            self._leave()

    def _hear(self, text: bytes, records: bytes) -> None:
        self.text += text
        whole = self.text.rfind(b"\n") + 1
        if whole > self._looked:
            starts = len(_READY.findall(self.text[self._looked : whole].replace(b"\r", b"")))
            self._looked = whole
            if starts:
                self._begin(starts)
                return  # what came along may be of before
        if records and self._pins is not None:
            self._pins.sendall(records)

    def _begin(self, starts: int) -> None:
        """It has started: its pins are there anew."""
        self._leave()
        self._pins = socket.create_connection(("127.0.0.1", self._pins_port))
        self._pins.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.starts += starts

    def _leave(self) -> None:
        pins, self._pins = self._pins, None
        with contextlib.suppress(OSError):
            if pins is not None:
                pins.close()
