"""Opens a log of any known format: `open_log(path)` recognises it by its content, never by its name."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from hw_tests.bench.replay import candump, savvycan, vector, zlg
from hw_tests.bench.replay.entry import Entry, ReplayError

_HEAD = 50  # lines by which a text format is recognised


class _Text(NamedTuple):
    name: str
    looks: Callable[[list[str]], bool]
    read: Callable[[Iterable[str]], Iterator[Entry]]


# The most particular first.
_TEXTS = (
    _Text("SavvyCAN CSV", savvycan.looks, savvycan.read),
    _Text("Vector ASC", vector.is_asc, vector.read_asc),
    _Text("ZLG/CANalyst CSV or text", zlg.looks, zlg.read),
    _Text("candump -L", candump.is_log, candump.read_log),
    _Text("candump text", candump.is_screen, candump.read_screen),
)
FORMATS = (*(text.name for text in _TEXTS), "Vector BLF")


@dataclass
class Log:
    """An open log: its format, about how many lines it has, and its entries, once."""

    path: Path
    format: str
    length: int
    entries: Iterator[Entry]


def _decoded(raw: bytes) -> str:
    """UTF-16 with its mark, UTF-8, or else GBK: whichever has fewer holes."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", "replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    gbk = raw.decode("gbk", "replace")
    plain = raw.decode("utf-8-sig", "replace")
    return gbk if gbk.count("\ufffd") < plain.count("\ufffd") else plain


def open_log(path: Path | str) -> Log:
    """The log at `path`. Raises ReplayError with a sentence if there is none or nobody knows its format."""
    path = Path(path)
    try:
        raw = path.read_bytes()
    except IsADirectoryError:
        raise ReplayError(f"{path} is a folder, not a log: name one file in it.") from None
    except FileNotFoundError:
        raise ReplayError(f"there is no file {path}.") from None
    except OSError as error:
        raise ReplayError(f"{path} cannot be read: {error.strerror or error}.") from None
    if not raw.strip():
        raise ReplayError(f"{path} is empty.")
    if raw[:4] == vector.BLF_MAGIC:
        length, entries = vector.read_blf(path)
        return Log(path, "Vector BLF", length, entries)
    lines = _decoded(raw).splitlines()
    head = lines[:_HEAD]
    for text in _TEXTS:
        if text.looks(head):
            return Log(path, text.name, len(lines), text.read(lines))
    raise ReplayError(f"{path} is in no format that is known here; tried: {', '.join(FORMATS)}.")
