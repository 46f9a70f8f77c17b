"""`make logs`: fetches what the board keeps, or shows what it says.

A running station keeps its journal in RAM until the broker has it: stopping it to look for files would lose what waits
there. So a station that runs is only listened to, unless told otherwise.
"""

import time
from pathlib import Path

from hw_tests.desk.board import Board
from hw_tests.desk.desk import Desk
from hw_tests.desk.listen import STATE, Listener
from hw_tests.desk.port import opened

LOGS = ("journal", "log")
TO = Path(__file__).resolve().parents[2] / "build" / "logs"
HEARD_s = 10.0


def is_log(name: str) -> bool:
    """Whether a file of the board is one: journal* or log*, in the root or as a folder there."""
    return name.startswith(LOGS) and ".." not in name.split("/")


def logs(desk: Desk, stop: bool = False, to: Path = TO, heard_s: float = HEARD_s) -> list[Path]:
    """Fetch the board's logs.

    Args:
        stop: stop a station that runs (only while it is safe) and start it again.
        to: the folder for the files.
        heard_s: seconds of a running station's lines to show.

    Returns:
        The files that were written.

    Raises:
        Trouble: energised, or anything else, in one sentence.
    """
    if not stop and _runs(desk, heard_s):
        return []
    with desk.prompt() as board:
        found = [name for name, size in board.listing().items() if size >= 0 and is_log(name)]
        if not found:
            desk.teller.say("the board keeps no log files: its journal lives in RAM and goes out over MQTT")
        return [_fetch(board, name, to, desk) for name in sorted(found)]


def _runs(desk: Desk, heard_s: float) -> bool:
    """Whether a station runs; if so its lines of a while are shown."""
    with opened(desk.device) as transport:
        listener = Listener(transport)
        if listener.until(STATE, desk.listen_s) is None:
            return False
        desk.teller.say(
            f"a station is running; what it says in {heard_s:.0f} s (ARGS=--stop fetches files: it stops the station "
            "while it is safe, and what its journal still has in RAM is lost):"
        )
        end = time.monotonic() + heard_s
        while (left_s := end - time.monotonic()) > 0:
            for line in listener.lines(left_s):
                desk.teller.say(f"    {line}")
    return True


def _fetch(board: Board, name: str, to: Path, desk: Desk) -> Path:
    target = to / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(board.read(name) or b"")
    desk.teller.say(f"{name}: {target.stat().st_size} bytes -> {target}")
    return target
