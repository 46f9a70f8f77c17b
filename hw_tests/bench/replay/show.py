"""Where the lines go: JSON lines into a pipe, coloured rows on a terminal, and there a bar for long logs."""

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, TextIO, TypeVar

Line = dict[str, Any]
_T = TypeVar("_T")
_LONG = 5000  # entries from which a bar is worth its place
_BAR_EVERY_s = 0.1
_WIDTH = 30
_COLOURS = {"dim": "2", "red": "1;31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36", "bold": "1"}
_KIND_COLOURS = {"deviation": "yellow", "fault": "red", "parts": "red", "end": "green", "inferred": "dim"}
_SENTENCES = ("detail", "text", "reason")
_NOT_SHOWN = ("view", "kind", "t_s", "dir", "name", "raw", "signals", "error", "to_s")


class Show:
    """`line(...)` writes one line; `watched(...)` passes things through and moves the bar."""

    def __init__(self, stream: TextIO | None = None, terminal: bool | None = None, bar: TextIO | None = None):
        self._stream = stream or sys.stdout
        self.terminal = self._stream.isatty() if terminal is None else terminal
        self._colours = self.terminal and "NO_COLOR" not in os.environ
        bar = bar or sys.stderr
        self._bar = bar if bar.isatty() else None
        self._barred = False  # a bar stands in the last line of the terminal
        self._barred_at = 0.0
        self._encode = json.JSONEncoder(ensure_ascii=False, separators=(", ", ": ")).encode

    # --- lines ---
    def line(self, line: Line) -> None:
        """One line of a view."""
        if self._barred:
            self._wipe()
        self._stream.write((self._row(line) if self.terminal else self._encode(line)) + "\n")

    def _paint(self, text: str, colour: str) -> str:
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if self._colours else text

    def _row(self, line: Line) -> str:
        """For a person: time, who, what, then the rest as `name=value`."""
        kind = line.get("kind", "")
        if kind == "head":
            return self._paint(_rest(line), "bold")
        t_s = line.get("t_s")
        at = self._paint(f"{t_s:10.3f} s " if t_s is not None else " " * 13, "dim")
        side = line.get("dir", "")
        who = self._paint(f"{side:8}", "cyan" if side == "vehicle" else "yellow")
        named = line.get("name", "")
        if kind:
            named = f"{kind} {named}".strip()
        name = self._paint(f"{named:{26 if kind else 14}}", _KIND_COLOURS.get(kind, "bold"))
        parts = [at + who, name]
        if "to_s" in line:
            parts.append(f"until {line['to_s']:.3f} s")
        if line.get("raw"):
            parts.append(self._paint(f"{line['raw']:24}", "dim"))
        parts += [f"{key}={_plain(value)}" for key, value in line.get("signals", {}).items()]
        parts.append(_rest(line))
        if line.get("error"):
            parts.append(self._paint(line["error"], "red"))
        return " ".join(part for part in parts if part)

    # --- the bar ---
    def watched(self, things: Iterable[_T], length: int, what: str) -> Iterator[_T]:
        """The same things; on a terminal a bar shows how far it is."""
        if self._bar is None or length < _LONG:
            yield from things
            return
        for number, thing in enumerate(things):
            if not number & 127 and time.monotonic() - self._barred_at > _BAR_EVERY_s:
                self._draw(min(1.0, number / length), what)
            yield thing
        self._wipe()

    def _draw(self, share: float, what: str) -> None:
        assert self._bar is not None
        self._barred_at = time.monotonic()
        full = round(share * _WIDTH)
        self._bar.write(f"\r\x1b[K{what} {'█' * full}{'░' * (_WIDTH - full)} {share:4.0%}")
        self._bar.flush()
        self._barred = True

    def _wipe(self) -> None:
        if self._bar is not None:
            self._stream.flush()
            self._bar.write("\r\x1b[K")
            self._bar.flush()
        self._barred = False


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + " ".join(_plain(each) for each in value) + "]"
    if isinstance(value, dict):
        return "{" + " ".join(f"{key}={_plain(each)}" for key, each in value.items()) + "}"
    return str(value)


def _rest(line: Line) -> str:
    return " ".join(_pair(key, value) for key, value in line.items() if key not in _NOT_SHOWN)


def _pair(key: str, value: Any) -> str:
    if key in _SENTENCES:
        return str(value)
    return f"({value})" if key == "clause" else f"{key}={_plain(value)}"
