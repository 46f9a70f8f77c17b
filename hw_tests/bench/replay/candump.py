"""Logs of candump: `candump -L` (lines `(time) bus id#data`) and what it prints on a terminal (`bus id [n] data`)."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from hw_tests.bench.replay.entry import DATA, ERROR_FRAME, LONG_FRAME, REMOTE, Entry, frame_of, unreadable

_ERROR_FLAG = 0x20000000  # CAN_ERR_FLAG of Linux' can.h
_LOG = re.compile(r"\((\d+\.?\d*)\)\s+\S+\s+([0-9A-Fa-f]{3}|[0-9A-Fa-f]{8})#(#?)(\S*)")
_SCREEN = re.compile(
    r"(?:\(([^)]*)\)\s+)?\w\S*\s+(?:[RT]X\s+\S+\s+\S\s+)?([0-9A-Fa-f]{3}|[0-9A-Fa-f]{8})\s+\[(\d+)\](.*)"
)


def is_log(lines: list[str]) -> bool:
    """`candump -L`?"""
    return any(_LOG.match(line.strip()) for line in lines)


def is_screen(lines: list[str]) -> bool:
    """candump's output on a terminal?"""
    return any(_SCREEN.match(line.strip()) for line in lines)


def read_log(lines: Iterable[str]) -> Iterator[Entry]:
    """The entries of a `candump -L`."""
    t_s = 0.0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        match = _LOG.match(line.strip())
        if match is None:
            yield unreadable(number, t_s, "not a line of candump -L", line)
            continue
        t_s = float(match[1])
        digits = match[2]
        try:
            yield _logged(number, t_s, int(digits, 16), len(digits) == 8, match[3], match[4])
        except ValueError as error:
            yield unreadable(number, t_s, str(error), line)


def _logged(number: int, t_s: float, can_id: int, ext: bool, fd: str, data: str) -> Entry:
    if ext and can_id & _ERROR_FLAG:
        return Entry(number, t_s, None, ERROR_FRAME)
    if fd:
        return Entry(number, t_s, frame_of(can_id, ext, b""), LONG_FRAME)
    if data[:1] in ("R", "r"):
        return Entry(number, t_s, frame_of(can_id, ext, b""), REMOTE)
    return Entry(number, t_s, frame_of(can_id, ext, bytes.fromhex(data.replace(".", "").split("_")[0])))


def _stamp(text: str | None, before_s: float) -> float:
    """Seconds of `-ta`, `-tz` (123.456789) or `-tA` (2024-05-06 07:08:09.123456); without: that of the line before."""
    if text is None:
        return before_s
    text = text.strip()
    if "-" in text:
        return datetime.fromisoformat(text).timestamp()
    return float(text)


def read_screen(lines: Iterable[str]) -> Iterator[Entry]:
    """The entries of what candump printed."""
    t_s = 0.0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        match = _SCREEN.match(line.strip())
        try:
            if match is None:
                raise ValueError("not a line of candump")
            t_s = _stamp(match[1], t_s)
            yield _shown(number, t_s, match[2], int(match[3]), match[4])
        except ValueError as error:
            yield unreadable(number, t_s, str(error), line)


def _shown(number: int, t_s: float, digits: str, length: int, rest: str) -> Entry:
    can_id, ext = int(digits, 16), len(digits) == 8
    if ext and can_id & _ERROR_FLAG:
        return Entry(number, t_s, None, ERROR_FRAME)
    if "remote" in rest:
        return Entry(number, t_s, frame_of(can_id, ext, b""), REMOTE)
    if length > 8:
        return Entry(number, t_s, frame_of(can_id, ext, b""), LONG_FRAME)
    words = rest.split()[:length]  # what follows is the ASCII column
    data = bytes(int(word, 16) for word in words if len(word) == 2)
    if len(data) != length:
        raise ValueError(f"{len(data)} bytes, not {length}")
    return Entry(number, t_s, frame_of(can_id, ext, data), DATA)
