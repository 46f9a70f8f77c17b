"""The command line: `python -m hw_tests.bench.replay LOG [--view messages|session|station]`, `... --plot`."""

import argparse
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from hw_tests.bench.replay import messages, protocol
from hw_tests.bench.replay.entry import ReplayError
from hw_tests.bench.replay.logs import Log, open_log
from hw_tests.bench.replay.protocol import Counts, Dialect, Told
from hw_tests.bench.replay.show import Show

ROOT = Path(__file__).resolve().parent.parent.parent.parent
VIEWS = ("messages", "session", "station")


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m hw_tests.bench.replay", description="Reads a recorded session.")
    parser.add_argument("log", help="candump, Vector ASC or BLF, SavvyCAN CSV, ZLG or CANalyst export")
    parser.add_argument("--protocol", default="", help="gbt27930 or chademo; recognised if not given")
    parser.add_argument("--view", default="messages", help="messages (if not given), session or station")
    parser.add_argument("--check", action="store_true", help="messages: the firmware's and the gate's readings beside")
    parser.add_argument("--plot", nargs="?", const="", default=None, metavar="PNG", help="draw instead (build/replay/)")
    return parser.parse_args(words)


def _target(options: argparse.Namespace) -> str:
    """Of the Makefile: how a person calls it."""
    return "replay" if options.plot is None else "plot"


class Session:
    """An open log whose protocol is known."""

    def __init__(self, path: str, asked: str, out: Show):
        self.log: Log = open_log(path)
        self.dialect: Dialect
        self.dialect, taken = protocol.recognise(self.log.entries, asked)
        self.counts = Counts()
        entries = out.watched(chain(taken, self.log.entries), self.log.length, self.log.path.name)
        self.stream: Iterator[Told] = protocol.told(entries, self.dialect, self.counts)


def run(options: argparse.Namespace, out: Show) -> int:
    """Exit status: 0, or 1 if CHECK=1 found readings that differ."""
    if options.check and (options.view != "messages" or options.plot is not None):
        raise ReplayError("CHECK=1 goes with VIEW=messages only.")
    if options.view not in VIEWS:
        raise ReplayError(f"there is no view {options.view!r}; known: {', '.join(VIEWS)}.")
    if not options.log:
        raise ReplayError(f"which log? Name it: make {_target(options)} LOG=file.")
    session = Session(options.log, options.protocol, out)
    if options.plot is not None:
        from hw_tests.bench.replay import plot

        target = Path(options.plot) if options.plot else ROOT / "build" / "replay" / f"{session.log.path.stem}.png"
        print(plot.draw(session.stream, session.dialect, session.log.path.name, target))
        return 0
    if out.terminal:
        log = session.log
        out.line({"kind": "head", "log": str(log.path), "format": log.format, "protocol": session.dialect.name})
    if options.view == "messages":
        check = None
        if options.check:
            from host_tests import replay_check  # the firmware's codecs: the bench itself knows none of them

            check = replay_check.check_of(session.dialect.name)
        return 1 if messages.show(session.stream, session.counts, out, check) else 0
    if options.view == "session":
        from hw_tests.bench.replay import session as session_view

        session_view.show(session.stream, session.dialect, session.counts, out)
        return 0
    from hw_tests.bench.replay import station

    return station.show(session.stream, session.dialect, session.counts, out)


def main(words: list[str] | None = None) -> int:
    """Errors are one sentence."""
    options = arguments(words)
    try:
        return run(options, Show())
    except ReplayError as error:
        print(f"{_target(options)}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stderr.close()  # who read us has enough
        return 0
    except KeyboardInterrupt:
        print(f"{_target(options)}: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
