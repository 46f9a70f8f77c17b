"""What the keys do: letters raise the faults that scenarios know, in their order; the rest are the desk's own.

A line after `:` says more: `bsm_fault bit=insulation for_ms=2000` raises a fault with arguments, `recover` ends all.
"""

import string
from collections.abc import Iterable
from typing import Any

from hw_tests.bench import converter_faults
from hw_tests.bench.chademo import mischief as chademo
from hw_tests.bench.gbt27930 import mischief as gbt27930

LETTERS = string.ascii_lowercase + string.ascii_uppercase
PROMPT = ":"
_ENTER, _ESCAPE, _ERASE = ("\r", "\n"), "\x1b", ("\x7f", "\b")
_LONGEST_LINE = 200


def faults_of_car(vehicle: str) -> list[str]:
    """Names of all misbehaviours of that protocol's car."""
    return list({"gbt27930": gbt27930.KNOWN, "chademo": chademo.KNOWN}[vehicle])


def faults_of_converter() -> list[str]:
    """Names of all faults of the modules."""
    return list(converter_faults.NAMES)


def words(line: str) -> tuple[str, dict[str, Any]]:
    """`name key=value ...` as the name and its arguments; ValueError for what is none."""
    name, *rest = line.split() or [""]
    arguments: dict[str, Any] = {}
    for word in rest:
        key, equals, value = word.partition("=")
        if not equals or not key.isidentifier():
            raise ValueError(f"{word!r}: after the name come arguments as key=value")
        arguments[key] = _value(value)
    return name, arguments


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False, "none": None}.get(text.lower(), text)


class Menu:
    """Turns characters into what was chosen: ("fault", name), ("own", key) or ("line", text)."""

    def __init__(self, faults: Iterable[str], own: Iterable[str]):
        self.letters = dict(zip(LETTERS, faults))
        self.own = set(own)
        self.line: str | None = None  # what is being typed after PROMPT

    def take(self, characters: str) -> list[tuple[str, str]]:
        """What these characters choose, in their order; a key without a meaning chooses nothing."""
        chosen = []
        for character in characters:
            if self.line is not None:
                chosen += self._typed(character)
            elif character == PROMPT:
                self.line = ""
            elif character in self.letters:
                chosen.append(("fault", self.letters[character]))
            elif character in self.own:
                chosen.append(("own", character))
        return chosen

    def _typed(self, character: str) -> list[tuple[str, str]]:
        line = self.line or ""
        if character in _ENTER:
            self.line = None
            return [("line", line.strip())] if line.strip() else []
        if character == _ESCAPE:
            self.line = None
        elif character in _ERASE:
            self.line = line[:-1]
        elif character.isprintable() and len(line) < _LONGEST_LINE:
            self.line = line + character
        return []
