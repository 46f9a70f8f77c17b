"""Keys of a terminal, read one by one without waiting; a pipe has none."""

import os
import select
import sys
import termios
import tty
from typing import Any


class Keys:
    """`with Keys() as keys:`; `keys.read()` gives what was typed since. Ctrl-C stays Ctrl-C."""

    def __init__(self, descriptor: int | None = None):
        self._fd = sys.stdin.fileno() if descriptor is None else descriptor
        self.there = os.isatty(self._fd)
        self._before: list[Any] = []

    def __enter__(self) -> "Keys":
        if self.there:
            self._before = termios.tcgetattr(self._fd)
            tty.setcbreak(self._fd)
        return self

    def __exit__(self, *_error: object) -> None:
        if self.there:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)

    def read(self) -> str:
        """All characters that wait; a terminal that is gone gives none."""
        if not self.there or not select.select([self._fd], [], [], 0)[0]:
            return ""
        data = os.read(self._fd, 256)
        self.there = bool(data)
        return data.decode(errors="ignore")
