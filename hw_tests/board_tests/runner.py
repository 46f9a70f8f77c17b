"""Plays one numbered test on a board: its phases, its resets, and what it says.

The helper (hw_tests/onboard.py) and the test go into RAM together; nothing is written to the board's flash. What a test
prints that is no JSON is kept as its log.
"""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hw_tests.board_tests.board import END, Board
from hw_tests.desk.trouble import Trouble

FOLDER = Path(__file__).resolve().parent.parent
HELPER = FOLDER / "onboard.py"
MOST_PHASES = 6
PHASE_s = 180.0
_LOG_LINES = 200

# A module made of text, for `import onboard`: what begin() sets must be seen by all who ask.
_PRELUDE = """
import sys
class _Text:
    def __init__(self, names):
        self.names = names
    def __getattr__(self, name):
        if name in self.names:
            return self.names[name]
        raise AttributeError(name)
_names = {{"__name__": "onboard"}}
exec({helper!r}, _names)
sys.modules["onboard"] = _Text(_names)
_names["begin"]({phase!r}, {state!r}, {wired!r}, {given!r})
exec({test!r}, {{"__name__": "__main__"}})
"""


@dataclass
class Outcome:
    """What one test came to. `results`: name, result (pass, fail or skip), value, limit, unit, note."""

    test: str
    results: list[dict[str, Any]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """fail if anything failed, skip if nothing was judged, else pass."""
        kinds = {each["result"] for each in self.results}
        return "fail" if "fail" in kinds else "pass" if "pass" in kinds else "skip"

    def fail(self, name: str, note: str) -> None:
        """The runner's own verdict."""
        self.results.append({"name": name, "result": "fail", "value": None, "limit": None, "unit": "", "note": note})


def tests(only: Sequence[str] = (), folder: Path = FOLDER) -> list[Path]:
    """The numbered tests in their order; of them those whose name begins so."""
    found = sorted(folder.glob("[0-9][0-9]_*.py"))
    for word in only:
        if not any(path.stem.startswith(word) for path in found):
            raise ValueError(f"there is no test {word!r}; there are: {', '.join(path.stem for path in found)}")
    return [path for path in found if not only or any(path.stem.startswith(word) for word in only)]


def limit_s(source: str, given: Mapping[str, Any]) -> float:
    """How long a phase of this test may take: what it asks for by given("seconds", n) and "minutes", and some more."""
    limit = PHASE_s
    for unit, factor in (("seconds", 4.0), ("minutes", 65.0)):
        usual = re.search(rf'given\("{unit}", (\d+)\)', source)
        if usual:
            limit += factor * float(given.get(unit, usual.group(1)))
    return limit


class Runner:
    """`play` each test; `tell(test, text)` gets a line for each thing that happens."""

    def __init__(self, board: Board, wired: Sequence[str] = (), given: Mapping[str, Any] | None = None,
                 tell: Callable[[str, str], None] = lambda _test, _text: None):  # fmt: skip
        self._board, self._tell = board, tell
        self._wired, self._given = list(wired), dict(given or {})
        self._helper = HELPER.read_text(encoding="utf-8")

    def play(self, path: Path) -> Outcome:
        """One test, with all its phases. A board that is lost meanwhile is a failure of the test."""
        outcome = Outcome(path.stem)
        phase: str | None = ""
        state: dict[str, Any] = {}
        source = path.read_text(encoding="utf-8")
        try:
            self._board.enter()
            for _ in range(MOST_PHASES):
                self._board.send(_PRELUDE.format(helper=self._helper, phase=phase, state=state, wired=self._wired,
                                                 given=self._given, test=source))  # fmt: skip
                again = self._hear(outcome, limit_s(source, self._given))
                if again is None:
                    return outcome
                phase, state = again["again"], again["state"]
                self._tell(path.stem, f"reset ({again['how']}), then {phase}")
                state["away_ms"] = self._board.back(again["how"], again["within_ms"])
            outcome.fail("ends", f"it asked for more than {MOST_PHASES} resets")
        except Trouble as error:
            outcome.fail("the board answers", str(error))
        return outcome

    def _hear(self, outcome: Outcome, limit_s: float) -> dict[str, Any] | None:
        """Until the phase has ended; the reset that it asks for, if it does."""
        until_s = time.monotonic() + limit_s
        while True:
            line = self._board.line(max(0.0, until_s - time.monotonic()))
            if line is None:
                outcome.fail("ends", f"it did not end within {limit_s:.0f} s")
                return None
            message = _json(line)
            if "again" in message and not _is_result(message):
                return message
            if "done" in message:
                self._drain()
                if not outcome.results:
                    outcome.fail("judges", "it ended without a verdict")
                return None
            if line == END:  # of its output; what it raised follows
                while (line := self._board.line(5.0)) not in (END, None):
                    self._keep(outcome, str(line), {})
                outcome.fail("ends", "it broke off: " + " | ".join(outcome.log[-3:]))
                return None
            self._keep(outcome, line, message)

    def _keep(self, outcome: Outcome, line: str, message: dict[str, Any]) -> None:
        if _is_result(message):
            outcome.results.append(message)
            self._tell(outcome.test, words(message))
        elif line:
            outcome.log = [*outcome.log, line][-_LOG_LINES:]

    def _drain(self) -> None:
        """The end of the program: of its output, and of its errors."""
        for _ in range(2):
            while self._board.line(5.0) not in (END, None):
                pass


def _json(line: str) -> dict[str, Any]:
    try:
        message = json.loads(line) if line.startswith("{") else {}
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _is_result(message: Mapping[str, Any]) -> bool:
    return message.get("result") in ("pass", "fail", "skip") and "name" in message


def words(result: Mapping[str, Any]) -> str:
    """One result for a person."""
    figure = "" if result.get("value") is None else f": {result['value']} {result.get('unit', '')}".rstrip()
    limit = "" if result.get("limit") is None else f" (limit {result['limit']})"
    note = f", {result['note']}" if result.get("note") else ""
    return f"{result['result']:<4} {result['name']}{figure}{limit}{note}"
