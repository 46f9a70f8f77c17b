"""What a log file is made of, whatever its format, and the one way in which reading it fails."""

from typing import NamedTuple

from hw_tests.bench.frame import Frame

DATA, REMOTE, ERROR_FRAME, LONG_FRAME = "data", "remote", "error frame", "CAN FD frame"


class ReplayError(Exception):
    """One sentence for the person who asked: what is wrong and what was tried."""


class Entry(NamedTuple):
    """One line of a log. With `error` the line could not be read and there is no frame."""

    line: int  # in the file, from 1; in a binary log the number of the object
    t_s: float  # as the log counts; an unreadable line has that of the entry before
    frame: Frame | None
    kind: str = DATA
    error: str = ""
    text: str = ""  # the unreadable line


def unreadable(line: int, t_s: float, why: str, text: str) -> Entry:
    """A line that is told and never dropped."""
    return Entry(line, t_s, None, DATA, why, text.strip()[:120])


def frame_of(can_id: int, ext: bool, data: bytes) -> Frame:
    """A frame with a possible id and length, or ValueError with what is impossible."""
    if not 0 <= can_id < (1 << 29 if ext else 1 << 11):
        raise ValueError(f"id {can_id:X} does not fit in {29 if ext else 11} bits")
    if len(data) > 8:
        raise ValueError(f"{len(data)} bytes are more than 8")
    return Frame(can_id, ext, data)
