"""How the firmware of a live run is started, reset and read: as a process on this PC, or on a board at a serial port.

Whoever plays a scenario calls `start(cause)` once, then `poll()` each turn (True: it has just been started anew),
`lines()` for its words, `reset(cause)` and `expect(cause)` for what the scenario does to it.
"""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from hw_tests.bench import interpreter
from hw_tests.bench.console_link import ConsoleLink, Port, SAMPLE_s
from hw_tests.bench.processes import ProcessDied, Processes

HANG_s = 1.0  # the watchdog of boards/bench.py
BOOT_s = 0.3
CAUSES = {"watchdog": 51, "soft": 0, "power": 0, "exception": 50}
Where = dict[str, Any]  # bench.json


class Firmware(Protocol):
    """See above. `ready_s`: how long a start may take; `far`: it reaches the broker over a network, in its own time."""

    boots: int
    ready_s: float
    far: bool

    def about(self) -> dict[str, Any]: ...

    def start(self) -> None: ...

    def poll(self) -> bool: ...

    def lines(self) -> list[str]: ...

    def reset(self, cause: str) -> None: ...

    def expect(self, cause: str) -> None: ...

    def hold(self, ms: float) -> None: ...

    def end(self) -> None: ...


class FirmwareProcess:
    """MicroPython on this PC; `where` is what bench.json says, `hold` keeps the outputs of a soft reset as they are."""

    ready_s = 15.0
    far = False

    def __init__(self, processes: Processes, folder: Path, where: Where, hold: Callable[[], None]):
        self.boots = 0
        self._processes, self._folder, self._where, self._hold = processes, folder, where, hold
        self._cause = 0
        self._told = 0
        self._restart_s: float | None = None  # it starts anew then
        self._hang_until_s: float | None = None
        self._held_until_s: float | None = None

    def about(self) -> dict[str, Any]:
        """What runs it."""
        return interpreter.about()

    def start(self) -> None:
        """Once more."""
        where = {**self._where, "lockstep": 0, "retained": "retained.bin", "reset_cause": self._cause}
        (self._folder / "bench.json").write_text(json.dumps(where))
        self.boots += 1
        image = interpreter.kind()
        self._processes.start("firmware", interpreter.command(image))

    def poll(self) -> bool:
        """One that ended as expected is started again a moment later."""
        process, now_s = self._processes["firmware"], time.monotonic()
        if self._held_until_s is not None and now_s >= self._held_until_s:
            self._held_until_s = None
            process.signal(signal.SIGCONT)
        if self._hang_until_s is not None and now_s >= self._hang_until_s:
            self._hang_until_s = None
            process.kill()
            self._restart_s = now_s + BOOT_s
        if process.ended and process.expected_to_end and self._restart_s is None and self._hang_until_s is None:
            self._restart_s = now_s + BOOT_s
        if self._restart_s is None or now_s < self._restart_s:
            return False
        self._restart_s = None
        self.start()
        return True

    def lines(self) -> list[str]:
        """Whole ones since the last call."""
        text = self._processes["firmware"].log.read_text(errors="replace")
        lines = text[self._told :].split("\n")
        self._told = len(text) - len(lines[-1])
        return lines[:-1]

    def expect(self, cause: str) -> None:
        """It will end by itself."""
        self._processes["firmware"].expected_to_end = True
        self._cause = CAUSES[cause]

    def reset(self, cause: str) -> None:
        """As a board would be reset."""
        self.expect(cause)
        process = self._processes["firmware"]
        if cause == "watchdog":  # it hangs with its outputs as they are, until the watchdog bites
            process.signal(signal.SIGSTOP)
            self._hang_until_s = time.monotonic() + HANG_s
            return
        if cause == "soft":
            self._hold()
        process.kill()

    def hold(self, ms: float) -> None:
        """It stands still for at least so long."""
        self._processes["firmware"].signal(signal.SIGSTOP)
        self._held_until_s = time.monotonic() + ms / 1000

    def end(self) -> None:
        """Its process ends with the others."""


class FirmwareBoard:
    """A board at a serial port whose pins come over its console.

    Args:
        port: open, and the link's alone from `start()` to `end()`.
        pins_port: TCP port of the plant's pins.
        restart: resets it by hardware (EN, by the port's RTS).
        period_s: between two samples of the pins.
        begin: starts it the first time, if not `restart`.
        about: what runs it, as summary.py wants it.
    """

    ready_s = 120.0  # from files, on a plain ESP32; and then its Wi-Fi
    far = True

    def __init__(self, port: Port, pins_port: int, restart: Callable[[], None], period_s: float = SAMPLE_s,
                 begin: Callable[[], None] | None = None, about: dict[str, Any] | None = None):  # fmt: skip
        self.boots = 0
        self._about = about or {}
        self._port, self._pins_port, self._period_s = port, pins_port, period_s
        self._restart, self._begin = restart, begin or restart
        self._link: ConsoleLink | None = None
        self._told = 0
        self._seen = 1  # of its starts: the first one is ours

    def about(self) -> dict[str, Any]:
        """What it said of itself."""
        return self._about

    def start(self) -> None:
        """From its beginning."""
        self.boots += 1
        self._begin()
        self._link = ConsoleLink(self._port, self._pins_port, self._period_s)

    def poll(self) -> bool:
        """True once for each further `ready`: it has started anew, by our reset or by its own."""
        link = self._linked()
        if link.failed:
            raise ProcessDied(f"the board's serial port is gone: {link.failed}")
        starts = link.starts
        fresh, self._seen = starts > self._seen, max(starts, self._seen)
        self.boots += fresh
        return fresh

    def lines(self) -> list[str]:
        """Whole ones since the last call."""
        text = self._linked().text.decode(errors="replace").replace("\r", "")
        lines = text[self._told :].split("\n")
        self._told = len(text) - len(lines[-1])
        return lines[:-1]

    def expect(self, cause: str) -> None:
        """A board starts anew by itself."""

    def reset(self, cause: str) -> None:
        """`power` alone: the others need a hand inside the board."""
        if cause != "power":
            raise ProcessDied(f"a board at a serial port cannot be reset by {cause!r}, only by its EN line")
        self._linked().reset()
        self._restart()

    def hold(self, ms: float) -> None:
        """Nothing here can hold a board's interpreter."""
        raise ProcessDied("a board at a serial port cannot be held")

    def end(self) -> None:
        """The link ends; the board goes on."""
        if self._link is not None:
            self._link.close()

    def _linked(self) -> ConsoleLink:
        if self._link is None:
            raise ProcessDied("the board was not started")
        return self._link
