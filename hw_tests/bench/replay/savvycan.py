"""CSV of SavvyCAN (GVRET): `Time Stamp,ID,Extended,Dir,Bus,LEN,D1..D8`, microseconds, ids in hexadecimal."""

from collections.abc import Iterable, Iterator

from hw_tests.bench.replay.entry import LONG_FRAME, Entry, frame_of, unreadable

_NEEDED = ("time stamp", "id", "extended", "len", "d1")


def _columns(header: str) -> dict[str, int]:
    return {name.strip().lower(): place for place, name in enumerate(header.split(","))}


def looks(lines: list[str]) -> bool:
    """Does the first line name SavvyCAN's columns?"""
    return bool(lines) and all(name in _columns(lines[0]) for name in _NEEDED)


def read(lines: Iterable[str]) -> Iterator[Entry]:
    """The entries of the file."""
    rows = iter(enumerate(lines, 1))
    columns = _columns(next(rows)[1])
    time, can_id, extended, length, first = (columns[name] for name in _NEEDED)
    t_s = 0.0
    for number, line in rows:
        if not line.strip():
            continue
        cells = line.split(",")
        try:
            t_s = int(cells[time]) / 1e6
            size = int(cells[length])
            ext = cells[extended].strip().lower() in ("true", "1")
            if size > 8:
                yield Entry(number, t_s, frame_of(int(cells[can_id], 16), ext, b""), LONG_FRAME)
                continue
            data = bytes(int(cell, 16) for cell in cells[first : first + size])
            if len(data) != size:
                raise ValueError(f"{len(data)} bytes, not {size}")
            yield Entry(number, t_s, frame_of(int(cells[can_id], 16), ext, data))
        except (ValueError, IndexError) as error:
            why = "cells are missing" if isinstance(error, IndexError) else str(error)
            yield unreadable(number, t_s, why, line)
