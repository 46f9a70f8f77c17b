"""Vector's ASC and BLF, through python-can's readers, which a broken line does not stop here."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import can
from can.io.asc import ASCReader
from can.io.blf import BLFReader

from hw_tests.bench.replay.entry import ERROR_FRAME, LONG_FRAME, REMOTE, Entry, ReplayError, frame_of, unreadable

BLF_MAGIC = b"LOGG"
_HEADER = re.compile(r"(date\s+\w+\s|base\s+(hex|dec)|(no\s+)?internal events logged|Begin Trigger)", re.IGNORECASE)
_FRAME = re.compile(r"\s*\d+\.\d+\s+(\d+\s+\S+\s+\S*x\b|CANFD\s)", re.IGNORECASE)
_RESUME = "no internal events logged"  # where python-can's reader takes the header to end


def is_asc(lines: list[str]) -> bool:
    """A text log of Vector's?"""
    return any(_HEADER.match(line.strip()) for line in lines[:6])


def _entry(number: int, t_s: float, message: can.Message) -> Entry:
    if message.is_error_frame:
        return Entry(number, t_s, None, ERROR_FRAME)
    can_id, ext = message.arbitration_id, message.is_extended_id
    if message.is_remote_frame:
        return Entry(number, t_s, frame_of(can_id, ext, b""), REMOTE)
    if message.is_fd:
        return Entry(number, t_s, frame_of(can_id, ext, b""), LONG_FRAME)
    data = bytes(message.data or b"")
    if len(data) != message.dlc:
        raise ValueError(f"{len(data)} bytes, not {message.dlc}")
    return Entry(number, t_s, frame_of(can_id, ext, data))


class _Lines:
    """The file as python-can's reader sees it: it remembers what was taken, and one line can be put before the rest."""

    def __init__(self, lines: Iterable[str]):
        self._lines = iter(lines)
        self._first: str | None = None
        self.number = 0
        self.taken: list[tuple[int, str]] = []  # since the last frame

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if self._first is not None:
            line, self._first = self._first, None
            return line
        line = next(self._lines)
        self.number += 1
        self.taken.append((self.number, line))
        return line

    def resume(self) -> None:
        self._first = _RESUME

    def close(self) -> None:
        """python-can closes what it read."""


def read_asc(lines: Iterable[str]) -> Iterator[Entry]:
    """The entries of an ASC file. A line that looks like a frame and was passed over is told as unreadable."""
    source = _Lines(lines)
    reader: Any = ASCReader(source)  # type: ignore[arg-type]
    messages = iter(reader)
    t_s = 0.0
    while True:
        failed = ""
        message = None
        try:
            message = next(messages, None)
        except (ValueError, TypeError, IndexError, KeyError) as error:
            failed = str(error) or type(error).__name__
        taken, source.taken = source.taken, []
        passed_over = taken if message is None and not failed else taken[:-1]
        for number, line in passed_over:
            if _FRAME.match(line):
                yield unreadable(number, t_s, "python-can's reader does not know this line", line)
        if failed:
            yield unreadable(source.number, t_s, failed, taken[-1][1] if taken else "")
            source.resume()
            messages = iter(reader)
        elif message is None:
            return
        else:
            relative = reader.timestamps_format == "relative"  # each to the one before: python-can leaves that to us
            t_s = t_s + message.timestamp if relative else message.timestamp
            try:
                yield _entry(source.number, t_s, message)
            except ValueError as error:
                yield unreadable(source.number, t_s, str(error), taken[-1][1])


def read_blf(path: Path) -> tuple[int, Iterator[Entry]]:
    """How many objects the file has by its own account, and its entries."""
    try:
        reader = BLFReader(path)
    except Exception as error:  # whatever python-can makes of a broken header
        raise ReplayError(f"{path.name} begins like a BLF file but its header is broken: {error}") from error
    return reader.object_count, _blf(reader)


def _blf(reader: BLFReader) -> Iterator[Entry]:
    t_s = 0.0
    number = 0
    messages = iter(reader)
    while True:
        number += 1
        try:
            message = next(messages, None)
        except Exception as error:  # zlib, struct and python-can's own: the rest of the file cannot be reached
            yield unreadable(number, t_s, f"the file breaks off here: {error or type(error).__name__}", "")
            return
        if message is None:
            return
        t_s = message.timestamp
        try:
            yield _entry(number, t_s, message)
        except ValueError as error:
            yield unreadable(number, t_s, str(error), str(message))
