"""A board under mpremote's raw REPL, in words that the tools need. Every call has mpremote's deadlines."""

import ast
import base64
import contextlib
import hashlib
import io
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import serial
from mpremote.transport import TransportError, TransportExecError
from mpremote.transport_serial import SerialTransport

from hw_tests.desk import on_board
from hw_tests.desk.listen import LISTEN_s, refuse_if_energised
from hw_tests.desk.port import opened
from hw_tests.desk.trouble import Trouble

PIECE_B = 1536  # of a file in one call: 2 KB as base64, which a board with a heap of 60 KB still takes
ENTER_s = 10.0  # for the prompt to come
OLDEST = (1, 25)
ENOSPC = 28


class Failed(Exception):
    """What was asked for raised on the board. `errno` is that of an OSError, else 0."""

    def __init__(self, said: str) -> None:
        self.said = said.strip().splitlines()[-1] if said.strip() else "no reason given"
        self.errno = _errno(self.said)
        super().__init__(self.said)


def _errno(line: str) -> int:
    if not line.startswith("OSError: "):
        return 0
    words = line[len("OSError: ") :].strip("([]").replace("]", " ").replace("Errno ", "").split()
    number = words[0].rstrip(",") if words else ""
    return int(number) if number.isdigit() else {"ENOSPC": ENOSPC}.get(number, 0)


@dataclass(frozen=True)
class About:
    """What a board says of itself: version as (major, minor, micro), `mpy` as sys.implementation has it, bytes."""

    name: str
    version: tuple[int, ...]
    mpy: int
    machine: str
    platform: str
    block_B: int
    free_B: int


class Board:
    """The raw REPL of one board.

    Args:
        transport: mpremote's, open; enter() puts it into the raw REPL.
        running: whether a station was running when the port was opened.
        before: called with each piece of code before it goes out: the seam by which a test cuts the wire.
    """

    def __init__(self, transport: SerialTransport, running: bool = False,
                 before: Callable[[str], None] = lambda code: None) -> None:  # fmt: skip
        self.transport = transport
        self.running = running
        self._before = before

    def enter(self) -> None:
        """Interrupt what runs and start afresh without main.py: memory is free, a second thread is gone.

        Raises:
            Trouble: nothing there answers like MicroPython.
        """
        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said):  # mpremote prints what it got instead
                self.transport.enter_raw_repl(soft_reset=False, timeout_overall=ENTER_s)
                self.transport.enter_raw_repl(soft_reset=True, timeout_overall=ENTER_s)
        except (TransportError, struct.error):
            raise Trouble(
                f"{self.transport.device_name} gives no MicroPython prompt: is MicroPython (1.25 or newer) on the "
                "board, and is this its port? If a station runs on it, it may just have become energised."
            ) from None
        self.run(on_board.HELPERS)

    def leave(self) -> None:
        """Back to the friendly prompt, whatever piece of code was half sent."""
        self.transport.serial.write(b"\r\x03")
        self.transport.exit_raw_repl()

    def run(self, code: str) -> str:
        """Run code on the board and return what it printed.

        Raises:
            Failed: it raised there.
            Trouble: the board fell silent.
        """
        self._before(code)
        try:
            return self.transport.exec(code).decode(errors="replace")
        except TransportExecError as error:
            raise Failed(error.error_output) from None
        except (TransportError, struct.error) as error:
            raise Trouble(f"the board stopped answering ({error}): reset it and repeat this.") from None

    def ask(self, expression: str) -> Any:
        """The value of an expression; OSError of the board as Failed."""
        return ast.literal_eval(self.run(f"print(repr({expression}))").strip())

    def about(self) -> About:
        """Version, kind and free space."""
        return About(*ast.literal_eval(self.run(on_board.ABOUT).strip()))

    def listing(self) -> dict[str, int]:
        """Every file -> its size in bytes; every folder -> -1. Names are absolute without the first stroke."""
        lines = self.run("_walk('')").splitlines()
        return {name.lstrip("/"): size for name, size in map(ast.literal_eval, filter(None, lines))}

    def hash_of(self, name: str) -> str:
        """SHA-256 of a file, in hex."""
        return base64.b64decode(self.ask(f"_hash({'/' + name!r})")).hex()

    def read(self, name: str) -> bytes | None:
        """A file's bytes, or None if there is none."""
        if not self.ask(f"_there({'/' + name!r})"):
            return None
        self.run(f"f=open({'/' + name!r},'rb')")
        found = bytearray()
        while piece := base64.b64decode(self.ask(f"_b(f.read({PIECE_B})).decode()")):
            found += piece
        self.run("f.close()")
        return bytes(found)

    def write(self, name: str, data: bytes, done: Callable[[int], None] = lambda count: None) -> None:
        """Write a file in pieces, then compare its hash on the board.

        Raises:
            Failed: no space, for instance.
            Trouble: what the board has is not what was sent.
        """
        self.run(f"_make({'/' + name!r})\nf=open({'/' + name!r},'wb')")
        for at in range(0, len(data), PIECE_B):
            piece = data[at : at + PIECE_B]
            self.run(f"n=f.write(_a({base64.b64encode(piece)!r}))")
            done(len(piece))
        self.run("f.close()")
        if self.hash_of(name) != hashlib.sha256(data).hexdigest():
            raise Trouble(f"{name} did not arrive as it was sent: check the cable and repeat this.")

    def replace(self, name: str, data: bytes) -> None:
        """Put a file in place in one step: beside it, verified, renamed. Cut anywhere, the old or the new is there."""
        self.write(name + ".new", data)
        self.rename(name + ".new", name)

    def rename(self, old: str, new: str) -> None:
        """Rename over what may be there."""
        self.run(f"os.rename({'/' + old!r},{'/' + new!r})")

    def restart(self) -> None:
        """Leave the raw REPL and start boot.py and main.py, as mpremote does it: by a soft reset."""
        self.leave()
        self._before("restart")
        self.transport.serial.write(b"\x04")


@contextmanager
def at_prompt(device: str, listen_s: float = LISTEN_s, patience_s: float = 0.0) -> Iterator[Board]:
    """A board in the raw REPL, reached only if nothing there says that it is energised.

    Whatever happens afterwards, a board that had Sluice running is started again.

    Raises:
        Trouble: no port, energised, no MicroPython, or the wire went away.
    """
    with opened(device) as transport:
        board = Board(transport, running=refuse_if_energised(transport, listen_s, patience_s) is not None)
        try:
            board.enter()
        except Trouble:  # a station that was just starting has lost the Ctrl-C; by now it says what it is in
            phase = refuse_if_energised(transport, listen_s, patience_s)
            if phase is None and not patience_s:
                raise
            board.running = phase is not None
            board.enter()
        try:
            yield board
        except Failed as error:
            raise Trouble(f"the board refused: {error.said}") from None
        finally:
            if transport.in_raw_repl:
                with contextlib.suppress(serial.SerialException, OSError):
                    (board.restart if board.running else board.leave)()


def check_version(about: About, mpy: tuple[int, int]) -> None:
    """Is this a MicroPython that can run what mpy-cross makes here?

    Args:
        about: what the board says.
        mpy: version and sub-version of the .mpy files that are built here.

    Raises:
        Trouble: it is not.
    """
    version = ".".join(map(str, about.version))
    if about.name != "micropython":
        raise Trouble(f"the board runs {about.name} {version}: Sluice needs MicroPython 1.25 or newer.")
    if about.version[:2] < OLDEST:
        raise Trouble(f"the board has MicroPython {version}: put 1.25 or newer on it (esptool), then repeat this.")
    there = about.mpy & 0xFF, about.mpy >> 8 & 3  # docs: reference/mpyfiles, "sys.implementation._mpy"
    if there != mpy:
        raise Trouble(
            f"MicroPython {version} on the board reads .mpy files of version {there[0]}.{there[1]}, and here they are "
            f"{mpy[0]}.{mpy[1]}: put a MicroPython on it that reads {mpy[0]}.{mpy[1]} (1.25 does)."
        )
