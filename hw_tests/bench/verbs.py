"""What a step of a scenario can do: every verb with its arguments, their types, defaults and units."""

from dataclasses import dataclass
from typing import Any

REQUIRED = object()


@dataclass(frozen=True)
class Argument:
    """One argument of a verb: accepted types, default (REQUIRED: none) and one sentence with the unit."""

    types: tuple[type, ...]
    default: Any
    text: str


def _number(text: str, default: Any = REQUIRED) -> Argument:
    return Argument((int, float), default, text)


def _text(text: str, default: Any = REQUIRED) -> Argument:
    return Argument((str,), default, text)


def _table(text: str) -> Argument:
    return Argument((dict,), None, text)


VERBS: dict[str, dict[str, Argument]] = {
    "plug": {},
    "unplug": {},
    "press": {
        "what": _text("'button' (start/stop) or 'estop'"),
        "hold_ms": _number("how long, ms", 200),
    },
    "order": {
        "power_W": _number("wanted power at the meter, W; + charges the car"),
        "lease_s": _number("life of the order, s", 60),
        "id": _text("id of the order; by default the step's name and a serial", None),
        "extra": _table("further members of the message"),
    },
    "limit": {
        "charge_max_W": _number("limit on charging, W, a magnitude", None),
        "discharge_max_W": _number("limit on discharging, W, a magnitude", None),
        "lease_s": _number("life of the limit, s", 60),
    },
    "replay": {"step": _text("the step whose order is sent again, byte for byte")},
    "publish": {
        "verb": _text("topic cmd/<verb>", "setpoint"),
        "payload": _text("the bytes, as text", None),
        "repeat": _text("a text that is repeated `times` after the payload", ""),
        "times": _number("how often `repeat` is repeated", 0),
        "retain": Argument((bool,), False, "publish with the retain flag"),
    },
    "flood": {
        "verb": _text("topic cmd/<verb>", "setpoint"),
        "per_s": _number("messages a second"),
        "during_s": _number("how long, s"),
        "power_W": _number("the power that each order asks, W", None),
        "payload": _text("or these bytes, as text", None),
    },
    "broker": {"state": _text("'kill' or 'start'")},
    "car": {"what": _text("a misbehaviour of the car"), "args": _table("its arguments")},
    "converter": {"what": _text("a misbehaviour of the converter"), "args": _table("its arguments")},
    "pins": {"what": _text("a misbehaviour of sensors, pins and contactors"), "args": _table("its arguments")},
    "field": {"what": _text("a misbehaviour of the RS-485 line and what hangs on it"), "args": _table("its arguments")},
    "can": {
        "bus": _text("'car' or 'converter'"),
        "what": _text("of a station with a modelled chip: miso_low, miso_high, unpowered, reset, short, mend"),
    },
    "lose_frame": {
        "bus": _text("'car' or 'converter'"),
        "id": _number("identifier of the frame"),
        "data": _text("only if its bytes begin so, hexadecimal", ""),
        "count": _number("how many", 1),
    },
    "reset": {"cause": _text("'watchdog', 'power' or 'soft'", "watchdog")},
    "exception": {},
    "hold": {"ms": _number("how long the firmware stands still, ms, its outputs as they are")},
    "note": {"text": _text("a line for the record")},
    "mark": {},
    "end": {},
}


def arguments(verb: str, given: dict[str, Any]) -> dict[str, Any]:
    """The complete arguments of a verb; ValueError with a sentence if they do not fit."""
    if verb not in VERBS:
        raise ValueError(f"there is no verb {verb!r}; there are {', '.join(sorted(VERBS))}")
    wanted = VERBS[verb]
    strange = sorted(set(given) - set(wanted))
    if strange:
        known = ", ".join(f"{name} ({argument.text})" for name, argument in wanted.items()) or "none"
        raise ValueError(f"{verb!r} has no argument {strange[0]!r}; it has {known}")
    complete = {}
    for name, argument in wanted.items():
        value = given.get(name, argument.default)
        if value is REQUIRED:
            raise ValueError(f"{verb!r} needs {name!r}: {argument.text}")
        if name in given and type(value) not in argument.types:
            kinds = " or ".join(kind.__name__ for kind in argument.types)
            raise ValueError(f"{verb!r}: {name} is {value!r}, but must be {kinds}: {argument.text}")
        complete[name] = value
    return complete
