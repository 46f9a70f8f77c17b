"""What the tests came to: a table for a person, JSON for a program."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from hw_tests.board_tests.runner import Outcome

_STYLES = {"pass": "green", "fail": "bold red", "skip": "yellow"}


def table(outcomes: Sequence[Outcome]) -> Table:
    """A line a result, the test's name once."""
    made = Table(title="On-board tests", title_justify="left", pad_edge=False)
    for name, justify in (("test", "left"), ("", "left"), ("what", "left"), ("measured", "right"), ("limit", "right")):
        made.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for outcome in outcomes:
        for number, each in enumerate(outcome.results):
            what = each["name"] + (f": {each['note']}" if each.get("note") else "")
            made.add_row(outcome.test if number == 0 else "", f"[{_STYLES[each['result']]}]{each['result']}[/]", what,
                         _figure(each, "value"), _figure(each, "limit"))  # fmt: skip
    return made


def _figure(result: Mapping[str, Any], key: str) -> str:
    value = result.get(key)
    return "" if value is None else f"{value} {result.get('unit') or ''}".strip()


def counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Tests by verdict."""
    return {kind: sum(each.verdict == kind for each in outcomes) for kind in ("pass", "fail", "skip")}


def write(folder: Path, about: Mapping[str, Any], outcomes: Sequence[Outcome]) -> Path:
    """folder/report.json; the one before becomes report.old.json."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "report.json"
    if path.exists():
        path.replace(folder / "report.old.json")
    tests = [{"test": o.test, "verdict": o.verdict, "results": o.results, "log": o.log} for o in outcomes]
    path.write_text(json.dumps({**about, **counts(outcomes), "tests": tests}, indent=1) + "\n", encoding="utf-8")
    return path


def show(outcomes: Sequence[Outcome], console: Console | None = None) -> None:
    """On the screen."""
    console = console or Console(highlight=False)
    console.print(table(outcomes))
    by = counts(outcomes)
    console.print(f"{by['pass']} passed, {by['fail']} failed, {by['skip']} skipped")
