"""Stands in the runner's place for one emulator: keys become what a runner would say, facts and events go to the view.

A key that raised a fault ends it when it is pressed again, where the emulator knows how to end it.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hw_tests.bench.alone.keys import Keys
from hw_tests.bench.alone.menu import Menu, words
from hw_tests.bench.alone.view import DeskView

SHOW_s = 0.12
Message = dict[str, Any]
Own = Mapping[str, tuple[str, Callable[[], str]]]  # key: what it says on screen, what it does (and tells)


class Desk:
    """`receive` and `send` as hw_tests.bench.lines.Lines has them; `alive` until told to stop."""

    def __init__(self, view: DeskView, keys: Keys, faults: Iterable[str], own: Own):
        self.alive = True
        self.dropped = 0
        self.raised: set[str] = set()  # what is on, as the emulator tells or as was pressed
        self.facts: Message = {}
        self.more: Callable[[], Message] = dict  # facts beside those of the emulator
        self.typed: Callable[[str, Message], str | None] = lambda _name, _arguments: None
        self.menu = Menu(faults, own)
        self._view, self._keys, self._own = view, keys, own
        self._zero_s = time.monotonic()
        self._shown_s = 0.0
        self._waiting: deque[Message] = deque()

    @property
    def t_s(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._zero_s

    # --- as an emulator sees it ---
    def receive(self) -> list[Message]:
        """What the person wants; the view is brought up to date meanwhile."""
        for what, which in self.menu.take(self._keys.read()):
            self._chosen(what, which)
        if self.t_s - self._shown_s >= SHOW_s:
            self._shown_s = self.t_s
            self._view.show({**self.facts, **self.more(), "t_s": self.t_s}, self.menu, self.raised)
        messages = list(self._waiting)
        self._waiting.clear()
        return messages

    def send(self, message: Message) -> None:
        """What the emulator tells."""
        if "fact" in message:
            self.facts = message["fact"]
            if "misbehaves" in self.facts:
                self.raised = set(self.facts["misbehaves"])
        elif "event" in message:
            shown = [f"{key} {value}" for key, value in message.items() if key not in ("event", "t_ms")]
            self.tell(message["event"], ", ".join(shown))

    def flush(self) -> None:
        """Nothing waits here."""

    def tell(self, kind: str, text: str) -> None:
        """One line for the person."""
        self._view.line(self.t_s, kind, text)

    # --- what was chosen ---
    def _chosen(self, what: str, which: str) -> None:
        if what == "own":
            self.tell("key", self._own[which][1]())
        elif what == "fault" and which in self.raised and self.ends(which):
            self.tell("key", f"{which} ends")
        elif what == "fault":
            self.tell("key", which)
            self._waiting.append(self.raises(which, {}))
        else:
            self._line(which)

    def _line(self, line: str) -> None:
        try:
            name, arguments = words(line)
            done = self.typed(name, arguments)
        except ValueError as error:
            self.tell("refused", str(error))
            return
        self.tell("typed", done if done is not None else line)
        if done is None:
            self._waiting.append(self.raises(name, arguments))

    def ends(self, name: str) -> bool:
        """End one fault; False: it cannot be ended alone."""
        self._waiting.append({"do": "misbehave", "name": "recover", "what": name})
        return True

    def raises(self, name: str, arguments: Message) -> Message:
        """The runner's words for a fault of a car."""
        return {"do": "misbehave", "name": name, **arguments}


class ConverterDesk(Desk):
    """The same for the converter: its faults end all together."""

    def ends(self, name: str) -> bool:
        """It cannot: `heal` ends all."""
        return False

    def raises(self, name: str, arguments: Message) -> Message:
        """The runner's words for a fault of the modules, or (`pins what=...`) of contactor and pack."""
        if name == "pins":
            return {"do": "pins", "what": str(arguments.pop("what", "")), "args": arguments}
        self.raised = set() if name == "heal" else {*self.raised, name}
        return {"do": "converter", "what": name, "args": arguments}
