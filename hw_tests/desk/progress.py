"""What the user sees of long work: a bar on a terminal, one line a step anywhere else."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")


class Teller:
    """Tells steps to one stream.

    Args:
        out: where to; a bar is drawn only if it is a terminal.
    """

    def __init__(self, out: IO[str] | None = None) -> None:
        self._out = out or sys.stdout
        self._console = Console(file=self._out, highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """One line, at once."""
        print(text, file=self._out, flush=True)

    def each(self, what: str, things: Sequence[T]) -> Iterator[T]:
        """Hand out the things one after the other under a bar; piped, one line before the first."""
        if not self._console.is_terminal:
            if things:
                self.say(f"{what}: {len(things)}")
            yield from things
            return
        with self._bar() as bar:
            task = bar.add_task(what, total=len(things))
            for thing in things:
                yield thing
                bar.advance(task)

    @contextmanager
    def amount(self, what: str, total: int) -> Iterator["Amount"]:
        """A bar over an amount (bytes); piped, one line before it begins."""
        if not self._console.is_terminal:
            self.say(f"{what}: {total} bytes")
            yield Amount(None, 0)
            return
        with self._bar() as bar:
            yield Amount(bar, bar.add_task(what, total=total))

    def _bar(self) -> Progress:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        return Progress(*columns, console=self._console)


class Amount:
    """What of one bar is done."""

    def __init__(self, bar: Progress | None, task: int) -> None:
        self._bar, self._task = bar, task

    def more(self, count: int) -> None:
        """Move on by count."""
        if self._bar:
            self._bar.advance(self._task, count)  # type: ignore[arg-type]
