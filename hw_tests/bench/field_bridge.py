"""An adapter on the board's RS-485 line: what the board asks there goes to the run's meter and monitor, and back.

    python -m hw_tests.bench.field_bridge --rs485 /dev/ttyUSB2 --bit-s 9600 --parity none --line 127.0.0.1:5005

`--rs485` is a serial port or any URL of pyserial (socket://..., rfc2217://...); `--line` is the door for the field bus
of converter_process.py, where the slaves are those of every other run. Only whole requests are handed on.
"""

import argparse
import contextlib
import signal
import socket
import sys
import time
from threading import Event

import serial

from hw_tests.bench.adapter import AdapterError
from hw_tests.bench.rtu import crc16, length_of
from hw_tests.desk.port import why_not

PARITIES = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}
PAUSE_s = 0.05  # begins a new frame: longer than what a USB adapter holds back (16 ms), shorter than any time-out
_FUNCTIONS = (3, 4, 6, 16)  # that a master asks
_READ_s = 0.003
_WRITE_s = 1.0


def open_line(text: str, bit_s: int, parity: str) -> serial.SerialBase:
    """The adapter, opened and locked; AdapterError with a sentence. `parity`: of PARITIES."""
    try:
        alone = {} if "://" in text else {"exclusive": True}  # of a URL it is the other end's business
        port = serial.serial_for_url(text, bit_s, parity=PARITIES[parity], timeout=_READ_s, write_timeout=_WRITE_s,
                                     **alone)  # fmt: skip
        port.reset_input_buffer()
        return port
    except (serial.SerialException, OSError, ValueError) as error:
        if "://" not in text:
            raise AdapterError(f"RS485: {why_not(text)}") from None
        raise AdapterError(f"RS485={text} cannot be opened ({error}): name a serial port, or a URL of pyserial "
                           "whose other end is there.") from None  # fmt: skip


class Requests:
    """Finds the requests in what the adapter hears: by their length and CRC, for the pauses between frames do not
    come through USB. Times in s of any clock; `char_s`: of a character on the line."""

    def __init__(self, char_s: float):
        self._char_s = char_s
        self._in = b""
        self._heard_s = 0.0
        self._said = b""  # may come back: there are adapters that hear themselves
        self._back_until_s = 0.0

    def said(self, reply: bytes, now_s: float) -> None:
        """A reply goes out. Nothing else is on its way then: who asks waits for it."""
        self._in, self._said = b"", reply
        self._back_until_s = now_s + len(reply) * self._char_s + PAUSE_s

    def feed(self, data: bytes, now_s: float) -> list[bytes]:
        """The requests that are whole now."""
        if data and now_s - self._heard_s > PAUSE_s:
            self._in = b""
        self._heard_s = now_s if data else self._heard_s
        self._in += data
        if self._is_our_own(now_s):
            return []
        found = []
        while (size := length_of(self._in)) and len(self._in) >= size:
            frame = self._in[:size]
            good = frame[1] in _FUNCTIONS and crc16(frame) == 0
            if good:
                found.append(frame)
            self._in = self._in[size if good else 1 :]
        return found

    def _is_our_own(self, now_s: float) -> bool:
        """All of what stands may still be our reply; once it is whole, it is taken out. A write's reply is the same as
        its request: answered, it would go round for ever."""
        if now_s > self._back_until_s:
            self._said = b""
        if self._said and self._in.startswith(self._said):
            self._in, self._said = self._in[len(self._said) :], b""
        elif not self._said.startswith(self._in):
            self._said = b""
        return bool(self._said)


class FieldBridge:
    """`run()` until `stop()` or until one side is gone (`failed` says why)."""

    def __init__(self, port: serial.SerialBase, line: socket.socket, char_s: float):
        self.failed = ""
        self._ends = Event()
        self._port, self._line = port, line
        self._requests = Requests(char_s)
        line.setblocking(False)

    def run(self) -> None:
        """Both ways; a look every few ms."""
        try:
            while not self._ends.is_set():
                for request in self._requests.feed(self._port.read(256), time.monotonic()):
                    self._line.sendall(request)
                self._answer()
        except (serial.SerialException, OSError) as error:
            self.failed = str(error)

    def stop(self) -> None:
        """The end."""
        self._ends.set()

    def _answer(self) -> None:
        try:
            reply = self._line.recv(4096)
        except (BlockingIOError, InterruptedError):
            return
        if not reply:
            raise OSError("the run's end of the line is gone")
        self._requests.said(reply, time.monotonic())
        self._port.write(reply)


def main() -> int:
    """Exit status 0 if it was told to end, 1 if something is gone or was not there."""
    parser = argparse.ArgumentParser(description="The field bus of a run joined to a real RS-485 line.")
    parser.add_argument("--rs485", required=True, help="serial port of the adapter, or a URL of pyserial")
    parser.add_argument("--bit-s", type=int, required=True, help="bit/s")
    parser.add_argument("--parity", choices=PARITIES, required=True)
    parser.add_argument("--line", required=True, help="host:port of the run's field bus")
    options = parser.parse_args()
    host, _, number = options.line.rpartition(":")
    try:
        port = open_line(options.rs485, options.bit_s, options.parity)
    except AdapterError as error:
        print(f"bridge: {error}", file=sys.stderr)
        return 1
    bits = 10 if options.parity == "none" else 11
    with contextlib.closing(port), socket.create_connection((host, int(number))) as line:
        bridge = FieldBridge(port, line, bits / options.bit_s)
        print(f"bridge: joined {options.rs485}", flush=True)
        signal.signal(signal.SIGTERM, lambda *_: bridge.stop())
        with contextlib.suppress(KeyboardInterrupt):
            bridge.run()
    if bridge.failed:
        print(f"bridge: {options.rs485}: {bridge.failed}", file=sys.stderr)
    return 1 if bridge.failed else 0


if __name__ == "__main__":
    sys.exit(main())
