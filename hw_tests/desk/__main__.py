"""The command line behind `make flash`, `console`, `config` and `logs`: `python -m hw_tests.desk flash --port ...`."""

import argparse
import sys
from pathlib import Path

from hw_tests.desk import configure, console, flash, logs
from hw_tests.desk.desk import Desk
from hw_tests.desk.port import no_port_given
from hw_tests.desk.trouble import Trouble

STOPPED = {
    "flash": "stopped; the board starts its old image, or the new one if `switching` was said: run this again.",
    "config": "stopped; the board has its old configuration or the new one, whole: run this again.",
}


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m hw_tests.desk", description="A board on the desk.")
    commands = parser.add_subparsers(dest="command", required=True)
    texts = {
        "flash": "bring the board to the image of this checkout",
        "console": "show what the board says; sends nothing",
        "config": "check a configuration and put it on the board",
        "logs": "fetch what the board keeps",
    }
    made = {name: commands.add_parser(name, help=text) for name, text in texts.items()}
    for command in made.values():
        command.add_argument("--port", default="", help="the serial port")
    made["flash"].add_argument("--board", default="", help="which board it is: " + ", ".join(flash.boards()))
    made["flash"].add_argument("--files", action="store_true", help="as files, also if the board has a ROM partition")
    made["config"].add_argument("--file", default="", help="the configuration, JSON (docs/config.md)")
    made["logs"].add_argument("--stop", action="store_true", help="stop a running station (while it is safe)")
    return parser.parse_args(words)


def run(given: argparse.Namespace) -> None:
    """Do it.

    Raises:
        Trouble: it could not be done.
    """
    if given.command == "config":
        config(given)
    elif not given.port:
        raise no_port_given(given.command)
    elif given.command == "flash":
        flash.flash(Desk(given.port), given.board, files=given.files)
    elif given.command == "console":
        console.show(given.port)
    else:
        logs.logs(Desk(given.port), given.stop)


def config(given: argparse.Namespace) -> None:
    """Without a port the file is only judged.

    Raises:
        Trouble: the file is bad, or it could not be put on the board.
    """
    if not given.file:
        raise Trouble("no FILE given: make config PORT=... FILE=... (docs/config.md lists every point).")
    if given.port:
        configure.configure(Desk(given.port), Path(given.file))
        return
    values = configure.judged(Path(given.file))[1]
    print(f"{given.file} is good (configuration {values.hash}), not sent: {no_port_given(f'config FILE={given.file}')}")


def main(words: list[str] | None = None) -> int:
    """Exit status: 0, or 1 after one sentence on what went wrong."""
    given = arguments(words)
    try:
        run(given)
    except Trouble as error:
        print(f"{given.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        if given.command == "console":
            return 0
        print(f"\n{given.command}: {STOPPED.get(given.command, 'stopped.')}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
