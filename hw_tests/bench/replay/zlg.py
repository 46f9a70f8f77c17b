"""Exports of ZLG and CANalyst analysers: CSV or text with tabs, GBK or UTF-8, with headings in Chinese or English.

No two versions of these tools agree on the columns, so they are found by their headings. Time is `mm:ss.t` (0.1 s
coarse, the hour not written), `hh:mm:ss.mmm`, seconds, or the device's counter `0x...` of 0.1 ms.
"""

import csv
import re
from collections.abc import Iterable, Iterator

from hw_tests.bench.replay.entry import DATA, REMOTE, Entry, frame_of, unreadable

_HEADINGS = {
    "id": ("帧id", "id号", "frame id", "frameid", "can id", "id(hex)", "id"),
    "time": ("时间标识", "时间戳", "系统时间", "时间", "time stamp", "timestamp", "time"),
    "length": ("数据长度", "长度", "dlc", "length", "len"),
    "data": ("数据(hex)", "数据（hex）", "数据", "data(hex)", "data"),
}
_CLOCK = re.compile(r"(?:.*\s)?(?:(\d+):)?(\d+):(\d+)(?:[.:](\d+))?[\d.]*$")
_COUNTER_s = 1e-4


def _delimiter(header: str) -> str:
    return "\t" if "\t" in header else ";" if header.count(";") > header.count(",") else ","


def _columns(header: str) -> dict[str, int]:
    """Where each thing stands, by the first of its headings that is there: whole, or with something behind it."""
    cells = [cell.strip().strip('"').lower() for cell in header.split(_delimiter(header))]
    found = {}
    for what, headings in _HEADINGS.items():
        for heading in headings:
            begins = (heading + "(", heading + "（")
            places = [i for i, cell in enumerate(cells) if cell == heading or cell.startswith(begins)]
            if places and what not in found:
                found[what] = places[0]
    return found


def looks(lines: list[str]) -> bool:
    """Does one of the first lines name the columns?"""
    return any({"id", "time", "data"} <= _columns(line).keys() for line in lines[:5])


class _Clock:
    """Seconds from whatever the time column holds; what is not written (the hour, the day) is counted here."""

    def __init__(self) -> None:
        self.t_s = 0.0
        self._carried_s = 0.0
        self._last_s = 0.0

    def read(self, text: str) -> float:
        text = text.strip().strip('"')
        wrap_s = 0.0
        if text[:2].lower() == "0x":
            raw_s = int(text, 16) * _COUNTER_s
            wrap_s = (1 << 32) * _COUNTER_s
        elif ":" in text:
            match = _CLOCK.match(text)
            if match is None:
                raise ValueError(f"time {text!r} is unknown")
            raw_s = int(match[2]) * 60 + int(match[3]) + float("0." + (match[4] or "0"))
            wrap_s = 86_400.0 if match[1] else 3600.0
            raw_s += int(match[1] or 0) * 3600
        else:
            raw_s = float(text)
        if wrap_s and raw_s < self._last_s - wrap_s / 2:
            self._carried_s += wrap_s
        self._last_s = raw_s
        self.t_s = raw_s + self._carried_s
        return self.t_s


def _bytes(text: str) -> bytes:
    """`01 02`, `0x01 0x02`, `x| 01 02`, `0102`, and a lone digit for a byte."""
    words = text.split("|")[-1].replace("0x", " ").replace("0X", " ").split()
    return b"".join(bytes.fromhex(word if len(word) > 1 else "0" + word) for word in words)


def _extended(row: list[str], can_id: int) -> bool:
    words = " ".join(row).lower()
    if "扩展" in words or "extend" in words:
        return True
    if "标准" in words or "standard" in words:
        return False
    return can_id > 0x7FF


def read(lines: Iterable[str]) -> Iterator[Entry]:
    """The entries of the file."""
    rows = iter(enumerate(lines, 1))
    columns: dict[str, int] = {}
    delimiter = ","
    for _, header in rows:
        columns = _columns(header)
        if {"id", "time", "data"} <= columns.keys():
            delimiter = _delimiter(header)
            break
    clock = _Clock()
    for number, line in rows:
        if not line.strip():
            continue
        try:
            yield _entry(number, clock, next(csv.reader([line], delimiter=delimiter)), columns)
        except (ValueError, IndexError, csv.Error) as error:
            why = "cells are missing" if isinstance(error, IndexError) else str(error)
            yield unreadable(number, clock.t_s, why, line)


def _entry(number: int, clock: _Clock, row: list[str], columns: dict[str, int]) -> Entry:
    text = row[columns["id"]].strip()
    can_id = int(text, 16)
    t_s = clock.read(row[columns["time"]])
    kind = REMOTE if any("远程" in cell or "remote" in cell.lower() for cell in row) else DATA
    data = _bytes(row[columns["data"]]) if kind == DATA else b""
    if kind == DATA and "length" in columns:
        length = int(row[columns["length"]].strip(), 0)
        if len(data) != length:
            raise ValueError(f"{len(data)} bytes, not {length}")
    return Entry(number, t_s, frame_of(can_id, _extended(row, can_id), data), kind)
