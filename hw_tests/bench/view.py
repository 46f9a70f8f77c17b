"""What a person sees during a run: on a terminal a live panel, into a pipe one line per event."""

import sys
from collections import deque
from collections.abc import Mapping
from typing import Any, Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

_BAR = 40
_LINES = 8
_GOOD, _WARN, _BAD, _DIM = "green", "yellow", "bold red", "dim"


class View:
    """`update(facts, waiting_for, progress)` as often as you like; `line(t_s, kind, text)` for each event."""

    def __init__(self, title: str, limit_s: float, stream: TextIO | None = None, live: bool | None = None):
        stream = stream or sys.stdout
        self._console = Console(file=stream, highlight=False)
        self._panel = self._console.is_terminal if live is None else live
        self._title = title
        self._limit_s = limit_s
        self._lines: deque[Text] = deque(maxlen=_LINES)
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._panel:
            self._live = Live(console=self._console, refresh_per_second=8, transient=False)
            self._live.start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def line(self, t_s: float, kind: str, text: str) -> None:
        """One thing that happened."""
        if self._live is None:
            self._console.print(f"{t_s:8.2f} s  {kind:<9} {text}", markup=False, soft_wrap=True)
        else:
            shown = Text(f"{t_s:7.1f} s  {kind:<9} {text}", no_wrap=True, overflow="ellipsis")
            shown.stylize(_BAD if text.startswith("FAILED") or kind == "fault" else _DIM if kind == "state" else "")
            self._lines.append(shown)

    def update(self, facts: Mapping[str, Any], waiting_for: str, progress: float) -> None:
        """The newest facts."""
        if self._live is not None:
            self._live.update(self._panel_of(facts, waiting_for, progress))

    def _panel_of(self, facts: Mapping[str, Any], waiting_for: str, progress: float) -> Panel:
        grid = Table.grid(padding=(0, 3))
        for _ in range(4):
            grid.add_column()
        power = facts.get("power_W")
        grid.add_row("phase", Text(str(facts.get("phase")), style="bold cyan"), "power", _power(power))
        grid.add_row("link", _with(facts.get("link_V"), "V"), "inlet", _with(facts.get("inlet_V"), "V"))
        grid.add_row("current", _with(facts.get("current_A"), "A"), "ordered", _with(facts.get("ordered_W"), "W", 0))
        grid.add_row(
            "limit", Text(_or(facts.get("told_reason"), "-")), "applied", _with(facts.get("told_applied_W"), "W", 0)
        )
        grid.add_row("contactors", _contactors(facts), "buses", _buses(facts))
        grid.add_row("broker", _broker(facts), "record", _record(facts))
        progress_bar = Table.grid(padding=(0, 2))
        where = f"{facts.get('t_s', 0):.0f} of at most {self._limit_s:.0f} s, next: {waiting_for}"
        progress_bar.add_row(ProgressBar(total=1.0, completed=progress, width=_BAR), where)
        body = Group(grid, Text(), _soc(facts), Text(), progress_bar, Text(), *self._lines)
        return Panel(body, title=f"Sluice · {self._title}", border_style="cyan", width=min(100, self._console.width))


def _or(value: Any, other: str) -> str:
    return other if value is None else str(value)


def _with(value: Any, unit: str, digits: int = 1) -> Text:
    return Text("-", style=_DIM) if value is None else Text(f"{value:9.{digits}f} {unit}")


def _power(power_W: Any) -> Text:
    if power_W is None:
        return Text("-", style=_DIM)
    if abs(power_W) < 20:
        return Text(f"{power_W:9.0f} W", style=_DIM)
    arrow, style = ("→ car", "green") if power_W > 0 else ("→ grid", "dark_orange")
    return Text(f"{power_W:9.0f} W  {arrow}", style=style)


def _soc(facts: Mapping[str, Any]) -> Text:
    soc, floor = facts.get("soc_permille"), facts.get("told_floor_permille")
    if soc is None:
        return Text("charge  -")
    full = round(soc * _BAR / 1000)
    bar = Text("charge  ")
    for place in range(_BAR):
        at_floor = floor is not None and place == min(_BAR - 1, round(floor * _BAR / 1000))
        bar.append("┃" if at_floor else "█" if place < full else "░", style="red" if at_floor else "blue")
    bar.append(f"  {soc / 10:.1f} %")
    bar.append(f"   floor {floor / 10:.1f} %" if floor is not None else "   floor not told yet", style="red")
    return bar


def _contactors(facts: Mapping[str, Any]) -> Text:
    text = Text("closed", style=_GOOD) if facts.get("contactor") else Text("open", style=_DIM)
    if facts.get("opened_under_load"):
        text.append(f"  opened under load {facts['opened_under_load']}x", style=_BAD)
    return text


def _buses(facts: Mapping[str, Any]) -> Text:
    text = Text(f"car {_or(facts.get('car_frames'), '-')}, converter {_or(facts.get('converter_frames'), '-')} frames")
    if facts.get("gate_refused"):
        text.append(f", gate refused {facts['gate_refused']}", style=_WARN)
    return text


def _broker(facts: Mapping[str, Any]) -> Text:
    if not facts.get("broker"):
        return Text("gone", style=_BAD)
    return Text(f"up, station {_or(facts.get('status'), 'not seen yet')}", style=_GOOD)


def _record(facts: Mapping[str, Any]) -> Text:
    lost = facts.get("lost") or 0
    return Text(f"{_or(facts.get('acknowledged'), '0')} arrived, {lost} missing", style=_BAD if lost else "")
