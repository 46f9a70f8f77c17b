"""`make console`: shows what the board says. It only listens: no byte is ever sent, and no key does anything but
Ctrl-C, which ends this program and not the board's."""

import sys
import time
from typing import IO

from hw_tests.desk.listen import Listener
from hw_tests.desk.port import opened


def show(device: str, out: IO[str] | None = None, for_s: float | None = None) -> None:
    """Copy lines from the port to out until Ctrl-C, or for a time.

    Raises:
        Trouble: the port cannot be opened or went away.
    """
    stream = out or sys.stdout
    end = None if for_s is None else time.monotonic() + for_s
    with opened(device) as transport:
        print(f"listening on {device}; nothing is sent; Ctrl-C ends this", file=stream, flush=True)
        listener = Listener(transport)
        while end is None or time.monotonic() < end:
            for line in listener.lines(1.0):
                print(line, file=stream, flush=True)
