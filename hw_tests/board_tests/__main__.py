"""`python -m hw_tests.board_tests /dev/ttyUSB0 --wired relays --wired can_bus --given minutes=60`."""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hw_tests.board_tests import report
from hw_tests.board_tests.board import Board, SerialBoard
from hw_tests.board_tests.runner import Outcome, Runner, tests
from hw_tests.desk.port import no_port_given
from hw_tests.desk.trouble import Trouble

REPORTS = Path(__file__).resolve().parent.parent.parent / "build" / "board_tests"
WIRED = ("relays", "can_bus", "meter", "insulation")  # words of the tests' headers
GIVEN = ("insulation_baud", "insulation_id", "meter", "meter_baud", "meter_id", "minutes", "seconds", "tls")
_ABOUT = """
import sys, os
def word(path):
    try:
        with open(path) as file:
            return file.read(64).split()[0]
    except (OSError, IndexError):
        return "none"
print("about", ".".join([str(n) for n in sys.implementation.version[:3]]), word("board.txt"), word("image.txt"))
"""


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line.

    Raises:
        Trouble: a word that nobody knows; argparse alone would show its usage, which names no variable of the Makefile.
    """
    parser = argparse.ArgumentParser(prog="python -m hw_tests.board_tests", description="Tests a board.")
    parser.add_argument("port", help="serial port of the board, /dev/ttyUSB0")
    parser.add_argument("--only", nargs="*", default=[], help="tests whose name begins so: 03 04_can_bus")
    parser.add_argument("--wired", nargs="*", default=[], help="what is wired to it: " + ", ".join(WIRED))
    parser.add_argument("--given", nargs="*", default=[], help="other words: minutes=60 seconds=20 tls=10.0.0.1:8883")
    options = parser.parse_args(words)
    strange = [word for word in options.wired if word not in WIRED]
    if strange:
        raise Trouble(f"nothing is called {strange[0]}: WIRED takes {', '.join(WIRED)} (more than one in quotes).")
    options.given = dict(map(_given, options.given))
    return options


def _given(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals:
        raise Trouble(f"GIVEN={word} has no value: GIVEN takes name=value, minutes=60 for instance (docs/bench.md).")
    if name.lower() not in GIVEN:
        raise Trouble(f"no test knows {name}: GIVEN takes {', '.join(GIVEN)} (more than one in quotes).")
    return name.lower(), value


def about(board: Board) -> dict[str, Any]:
    """MicroPython's version, the board's name and the image's hash, as the board itself tells."""
    board.enter()
    board.send(_ABOUT)
    while (line := board.line(10.0)) is not None:
        if line.startswith("about "):
            _, version, name, image = line.split()
            break
    else:
        raise Trouble("the board does not tell its version: is there MicroPython on it?")
    if tuple(int(part) for part in version.split(".")[:2]) < (1, 25):
        raise Trouble(f"MicroPython {version} is too old: the tests need 1.25 or newer")
    return {"micropython": version, "board": name, "image": image, "unix_s": int(time.time())}


def play(options: argparse.Namespace, connect: Callable[[str], Board] = SerialBoard) -> int:
    """Exit status: 0 if something passed and nothing failed."""
    paths = tests(options.only)
    if not options.port:
        raise no_port_given("board-tests")
    board = connect(options.port)
    outcomes: list[Outcome] = []
    try:
        board.refuse_energised()
        told = {**about(board), "port": options.port, "wired": options.wired, "given": options.given}
        print(f"board {told['board']}, image {told['image']}, MicroPython {told['micropython']}", flush=True)
        runner = Runner(board, options.wired, options.given, lambda test, text: print(f"  {test}: {text}", flush=True))
        for path in paths:
            outcomes.append(runner.play(path))
    finally:
        board.close()
        if outcomes:
            report.show(outcomes)
            print(f"report: {report.write(REPORTS, told, outcomes)}")
    by = report.counts(outcomes)
    return 0 if by["pass"] and not by["fail"] else 1


def main(words: list[str] | None = None) -> int:
    """Exit status."""
    try:
        return play(arguments(words))
    except (Trouble, ValueError) as error:
        print(f"board-tests: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("board-tests: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
