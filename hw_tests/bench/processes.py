"""The processes of a live run: started with a log of their own, watched, and ended whatever happens."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LAST_LINES = 12
_PATIENCE_s = 3.0


class ProcessDied(Exception):
    """A process that should run has ended; the message has the end of its log."""


def free_port() -> int:
    """A TCP port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _die_with_parent() -> None:
    """In the child: when the runner is killed, so are we (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """One process in a session of its own: Ctrl-C reaches the runner alone, and the runner ends the rest."""

    def __init__(self, name: str, command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None):
        self.name = name
        self.expected_to_end = False
        self.log = folder / f"{name}.out"
        with open(self.log, "ab") as log:
            self._popen = subprocess.Popen(
                list(command), cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})}, start_new_session=True, preexec_fn=_die_with_parent,
            )  # fmt: skip

    @property
    def ended(self) -> bool:
        """It does not run any more."""
        return self._popen.poll() is not None

    def check(self) -> None:
        """ProcessDied if it ended and should not have."""
        if self.ended and not self.expected_to_end:
            raise ProcessDied(f"{self.name} ended with status {self._popen.returncode}; the end of {self.log}:\n"
                              + self.last_lines())  # fmt: skip

    def last_lines(self) -> str:
        """The end of its log."""
        with contextlib.suppress(OSError):
            return "\n".join("    " + line for line in self.log.read_text(errors="replace").splitlines()[-_LAST_LINES:])
        return "    (no log)"

    def signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if not self.ended:
            with contextlib.suppress(ProcessLookupError):
                self._popen.send_signal(number)

    def kill(self) -> None:
        """At once, and waited for."""
        self.expected_to_end = True
        self.signal(signal.SIGKILL)
        self._popen.wait()

    def end(self) -> None:
        """Ask it to end, and insist after a while."""
        self.expected_to_end = True
        self.signal(signal.SIGTERM)

    def wait(self, until_s: float) -> None:
        """Until it has ended; killed at `until_s` (monotonic)."""
        try:
            self._popen.wait(max(0.0, until_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.kill()


class Processes:
    """All of a run, by name."""

    def __init__(self, folder: Path, root: Path):
        self._folder = folder
        self._root = root
        self._all: dict[str, Process] = {}

    def start(self, name: str, command: Sequence[str], env: Mapping[str, str] | None = None) -> Process:
        """Start one; one of the same name that has ended gives way."""
        self._all[name] = Process(name, command, self._folder, env)
        return self._all[name]

    def python(self, name: str, module: str, *words: str) -> Process:
        """A module of the bench in this interpreter."""
        return self.start(name, [sys.executable, "-m", f"hw_tests.bench.{module}", *words],
                          {"PYTHONPATH": os.pathsep.join((str(self._root), str(self._root / "lib")))})  # fmt: skip

    @property
    def names(self) -> list[str]:
        """Of all that were started."""
        return list(self._all)

    def __getitem__(self, name: str) -> Process:
        return self._all[name]

    def check(self) -> None:
        """ProcessDied for the first that is gone."""
        for process in self._all.values():
            process.check()

    def end(self) -> None:
        """All of them, the newest first."""
        for process in reversed(self._all.values()):
            process.end()
        until_s = time.monotonic() + _PATIENCE_s
        for process in reversed(self._all.values()):
            process.signal(signal.SIGCONT)
            process.wait(until_s)
