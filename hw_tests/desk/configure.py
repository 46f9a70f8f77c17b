"""`make config`: judges a configuration with the firmware's own reader, shows what it changes, and puts it in place."""

import codecs
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
for _path in (ROOT / "host_tests" / "shims", ROOT / "lib", ROOT):
    if str(_path) not in sys.path:
        sys.path.insert(0, str(_path))

from firmware import config as firmware_config  # noqa: E402  (the shims must be on the path)
from hw_tests.desk import ready  # noqa: E402
from hw_tests.desk.board import Board  # noqa: E402
from hw_tests.desk.desk import Desk  # noqa: E402
from hw_tests.desk.trouble import Trouble  # noqa: E402

CONFIG, OLD = "config.json", "config.old.json"
SECRETS = ("mqtt_password", "wifi_password")


def judged(path: Path) -> tuple[bytes, Any]:
    """The bytes of a file, without a mark of byte order, and every point that it sets, defaults filled in.

    Raises:
        Trouble: it cannot be read or the firmware would refuse it; nothing was sent then.
    """
    try:
        data = path.read_bytes().removeprefix(codecs.BOM_UTF8)  # the board's reader would take it for no JSON
        return data, firmware_config.parse(data.decode())
    except OSError as error:
        raise Trouble(f"{path} cannot be read ({error.strerror}): name a file that is there.") from None
    except UnicodeDecodeError:
        raise Trouble(f"{path} is not UTF-8 text: save it as plain text.") from None
    except ValueError as error:
        raise Trouble(f"{path}: {_place(data.decode())}{error}") from None


def _place(text: str) -> str:
    """Where a text stops being JSON, in front of the firmware's sentence, which cannot tell; "" where it is JSON."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return f"line {error.lineno}, column {error.colno} ({error.msg}): "
    except RecursionError:  # nested without end: the sentence alone
        pass
    return ""


def changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """One line a point that changes: old -> new; of a password only that it does."""
    names = [name for name in new if old.get(name) != new[name]]
    return [f"{name}: {'changed' if name in SECRETS else f'{old.get(name)} -> {new[name]}'}" for name in names]


def configure(desk: Desk, path: Path) -> None:
    """Put a configuration on a board; the old one stays beside it as config.old.json.

    Raises:
        Trouble: a bad file (before the port is opened), or anything that went wrong, in one sentence.
    """
    data, values = judged(path)
    with desk.prompt() as board:
        before = board.read(CONFIG)
        for line in _told(before, values):
            desk.teller.say(line)
        if before == data:
            desk.teller.say("the board has this configuration already: nothing to write")
        else:
            if before is not None:
                board.replace(OLD, before)
            board.replace(CONFIG, data)
            desk.teller.say(f"{CONFIG} written and verified, configuration {values.hash}")
        _count(board, values, desk)


def _told(before: bytes | None, new: dict[str, Any]) -> list[str]:
    """What changes, against what counts on the board now."""
    try:
        old = firmware_config.parse("{}" if before is None else before.decode())
    except ValueError as error:  # UnicodeDecodeError is one
        old = firmware_config.parse("{}")
        return [f"what is on the board is void ({error}); against the defaults:", *changes(old, new)]
    found = changes(old, new)
    first = ["no configuration on the board yet; against the defaults:"] if before is None else []
    return first + (found or ["no point changes"])


def _count(board: Board, values: Any, desk: Desk) -> None:
    """A configuration is read at the start: start a station that ran, and hold it to what it says."""
    if not board.running:
        desk.teller.say("no station was running: it counts from the next start")
        return
    board.restart()
    said = ready.wait(board, "", desk)
    others = [line for line in said if line.startswith("config ") and line != f"config {values.hash}"]
    if others:
        raise Trouble(f"the station says `{others[0]}` and not `config {values.hash}`: look at make console.")
