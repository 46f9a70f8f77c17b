"""The live view of one emulator on a terminal; into a pipe one line per event."""

from collections.abc import Mapping
from typing import Any

from rich.columns import Columns
from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hw_tests.bench.alone.menu import Menu
from hw_tests.bench.view import View

_WIDE = 118
Facts = Mapping[str, Any]
Row = tuple[str, str, str]  # label, name of the fact, its unit ("": as it is)


class DeskView(View):
    """`show` the newest facts. `rows`: what stands in the table, two a line; `own`: the keys that are no faults."""

    def __init__(self, title: str, rows: list[Row], own: Mapping[str, str], **how: Any):
        super().__init__(title, 0.0, **how)
        self._rows, self._own = rows, own

    def show(self, facts: Facts, menu: Menu, raised: set[str]) -> None:
        """The newest facts, and which faults are on."""
        if self._live is not None:
            self._live.update(self._desk(facts, menu, raised))

    def _desk(self, facts: Facts, menu: Menu, raised: set[str]) -> Panel:
        prompt = Text(f": {menu.line}▏", style="bold") if menu.line is not None else Text()
        faults, keys = self._faults(menu, raised), self._keys_line()
        body = Group(self._table(facts), Text(), faults, Text(), keys, prompt, *self._lines)
        title = f"Sluice · {self._title} · {facts['t_s']:.0f} s"
        return Panel(body, title=title, border_style="cyan", width=min(_WIDE, self._console.width))

    def _table(self, facts: Facts) -> Table:
        grid = Table.grid(padding=(0, 3))
        for _ in range(4):
            grid.add_column()
        rows = [(label, _shown(facts.get(name), unit)) for label, name, unit in self._rows]
        for left, right in zip(rows[::2], [*rows[1::2], ("", Text())]):
            grid.add_row(*left, *right)
        return grid

    def _faults(self, menu: Menu, raised: set[str]) -> Columns:
        entries = []
        for letter, name in menu.letters.items():
            entry = Text(f"{letter} ", style="bold cyan")
            entry.append(name, style="bold red" if name in raised else "")
            entries.append(entry)
        return Columns(entries, padding=(0, 2), column_first=True)

    def _keys_line(self) -> Text:
        text = Text()
        for key, meaning in {**self._own, ":": "name key=value ...", "Ctrl-C": "end"}.items():
            text.append(f"{key} ", style="bold cyan")
            text.append(f"{meaning}   ")
        return text


def _shown(value: Any, unit: str) -> Text:
    if value is None:
        return Text("-", style="dim")
    if isinstance(value, bool):
        return Text("yes" if value else "no", style="green" if value else "dim")
    if isinstance(value, (list, tuple)):
        return Text(" ".join(map(str, value)) or "-")
    if isinstance(value, dict):
        counts = ", ".join(f"{key} {count}" for key, count in value.items())
        return Text(counts or "none", style="yellow" if value else "")
    if not unit:
        return Text(str(value), style="bold cyan" if isinstance(value, str) else "")
    return Text(f"{value:9.1f} {unit}")
