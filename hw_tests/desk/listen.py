"""Reads what the board says by itself: lines, the state of the station, and `ready`. Never sends anything."""

import re
import time
from collections import deque
from collections.abc import Callable

from mpremote.transport_serial import SerialTransport

from hw_tests.desk.trouble import Trouble

LISTEN_s = 3.0  # the station tells its state every 2 s
KEPT_LINES = 20
_LINE_MAX = 4096  # a board that says anything without end of line is cut here
_PIECE_s = 0.1

STATE = re.compile(r"^state (\S+) (safe|energised)$")
READY = re.compile(r"^ready (\S+)$")


class Listener:
    """Lines from a port, each decoded and without its end.

    Attributes:
        last: the last lines, the newest at the end.
        heard: bytes that came at all, in whatever form.
    """

    def __init__(self, transport: SerialTransport) -> None:
        self._serial = transport.serial
        self._rest = b""
        self.last: deque[str] = deque(maxlen=KEPT_LINES)
        self.heard = 0

    def lines(self, wait_s: float) -> list[str]:
        """The whole lines that came within wait_s; returns as soon as there is at least one."""
        before, self._serial.timeout = self._serial.timeout, min(wait_s, _PIECE_s)
        try:
            data = self._serial.read(max(1, self._serial.in_waiting))
        finally:
            self._serial.timeout = before
        self.heard += len(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-_LINE_MAX:]
        found = [line.decode(errors="replace").strip("\r\x04") for line in whole]
        self.last.extend(found)
        return found

    def until(self, wanted: re.Pattern[str], wait_s: float,
              each: Callable[[str], None] = lambda line: None) -> re.Match[str] | None:  # fmt: skip
        """The first line that matches, or None after wait_s; of lines that came together the last that matches. Each
        line is handed on meanwhile."""
        end = time.monotonic() + wait_s
        while (left_s := end - time.monotonic()) > 0:
            found = None
            for line in self.lines(left_s):
                each(line)
                found = wanted.match(line) or found
            if found:
                return found
        return None

    def text(self) -> str:
        """The last lines, and what came after them, to show to the user."""
        rest = self._rest.decode(errors="replace").strip()
        return "\n".join(f"    {line}" for line in [*self.last, rest] if line)


def refuse_if_energised(transport: SerialTransport, wait_s: float = LISTEN_s, patience_s: float = 0.0) -> str | None:
    """Listen before the first byte goes out.

    Args:
        patience_s: how long an energised station may take to become safe, or silent.

    Returns:
        The phase that the station is in, or None if nothing said a state (probably no Sluice is running).

    Raises:
        Trouble: the station is energised.
    """
    listener, end = Listener(transport), time.monotonic() + patience_s
    found = listener.until(STATE, wait_s)
    while found is not None and found.group(2) == "energised" and time.monotonic() < end:
        found = listener.until(STATE, wait_s)
    if found is None:
        return None
    if found.group(2) == "energised":
        idle = "; with no car there a sensor gives no number: docs/first-start.md" if found.group(1) == "idle" else ""
        raise Trouble(f"energised: stop the session first (the station is in {found.group(1)}{idle}).")
    return found.group(1)
