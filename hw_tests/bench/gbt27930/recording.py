"""Recorded sessions as lists of (time in ms, frame)."""

import csv
from pathlib import Path

from ..frame import Frame


def read_zlg(path: Path | str) -> list[tuple[int, Frame]]:
    """A CSV export of a ZLG analyser (GBK; time as `mm:ss.t`, so 0.1 s coarse), the first frame at 0 ms."""
    with open(path, encoding="gbk", newline="") as file:
        rows = list(csv.reader(file))[1:]
    frames: list[tuple[int, Frame]] = []
    start = last = hours = 0
    for number, (_, can_id, time, kind, _, _, length, data) in enumerate(rows):
        minutes, seconds = time.split(":")
        at_ms = int(minutes) * 60_000 + round(float(seconds) * 1000) + hours * 3_600_000
        if at_ms < last:  # the hour is not written
            hours += 1
            at_ms += 3_600_000
        start = at_ms if number == 0 else start
        last = at_ms
        frame = Frame(int(can_id, 16), "扩展帧" in kind, bytes(int(byte, 16) for byte in data.split()))
        if len(frame.data) != int(length):
            raise ValueError(f"{path}: row {number}: {len(frame.data)} bytes, not {length}")
        frames.append((at_ms - start, frame))
    return frames
