"""What can be wrong with a car. A misbehaviour is a name, its arguments and, if told, a time after which it ends."""

from typing import Any

from hw_tests.bench.chademo.codec import BY_NAME, FAULTS

# name: (what it does, its arguments with their defaults)
KNOWN: dict[str, tuple[str, dict[str, Any]]] = {
    "silent": ("sends none of `messages` (names, separated by commas; empty: nothing at all)", {"messages": ""}),
    "late": ("sends its sets `ms` later than every 100 ms", {"ms": 400}),
    "deaf": ("hears nothing of the charger", {}),
    "wrong_length": ("sends `message` with `length` bytes", {"message": "102", "length": 7}),
    "flood": ("`rate_per_s` random frames; `ids`: any, or own (ids of a car, random bytes)",
              {"rate_per_s": 500, "ids": "any"}),
    "strangers": ("speaks GB/T 27930 beside its own protocol", {}),
    "garbage": ("values of the first frames, for ever: SOC, energies, capacity", {}),
    # Start.
    "late_permission": ("permits `ms` later", {"ms": 20_000}),
    "refuse": ("never permits: neither k nor 102.5.0", {}),
    "permission_without_can": ("closes k, but 102.5.0 stays 0", {}),
    "can_without_permission": ("102.5.0 is 1, but k stays open", {}),
    "contactor_stuck_open": ("never closes its contactors, and says so", {}),
    "contactor_lie": ("says its contactors are closed and never closes them", {}),
    "no_request": ("never asks for a current", {}),
    # Running.
    "permission_lost": ("opens k; its frames go on as if nothing were", {}),
    "enable_lost": ("102.5.0 falls; k stays closed", {}),
    "fault": ("sets a bit of 102.4: over_voltage, under_voltage, current_deviation, over_temperature or "
              "voltage_deviation", {"bit": "over_temperature"}),
    "system_fault": ("102.5.2", {}),
    "not_in_park": ("102.5.1", {}),
    "stop_before_charge": ("102.5.4", {}),
    "target_raised": ("asks for this voltage in 102.1-2 (facts 2.7: after closing)", {"voltage_V": 450.0}),
    "target_zero": ("102.1-2 is 0", {}),
    "request_above_available": ("asks for more than 108.3", {"current_A": 0}),
    "refuse_current": ("asks for 0 A", {}),
    "request_flaps": ("asks for 0 A and its maximum in turn", {"period_ms": 500}),
    "undersupply_fault": ("complains by 102.4.2 when it gets less than it asks for, whatever its kind", {}),
    # V2X.
    "discharge_forbidden": ("102.5.7 falls", {}),
    "discharge_limit": ("200.0 tells this limit", {"current_A": 0}),
    "floor": ("200.6 tells these raw counts", {"raw": 0}),
    "sequence": ("201.0 is this: the unit of the energies changes", {"value": 0}),
    "protocol": ("102.0 is this", {"value": 1}),
    "reference": ("100.6 is this, 102.6 stays as it is", {"value": 255}),
    # Fuel gauge.
    "soc_offset": ("tells an SOC that is wrong by `permille`", {"permille": 100}),
    "soc_frozen": ("tells the SOC of now for ever", {}),
    "soc_jump": ("tells an SOC that jumps by `permille` and stays there, or back and forth every `period_ms`",
                 {"permille": 100, "period_ms": 0}),
    # Contactors.
    "contactor_welded": ("never opens its contactors", {}),
    "open_under_load": ("opens its contactors now, without a word", {}),
    "never_opens": ("forgets the welding check: contactors stay closed until d2 goes", {}),
    # Ends.
    "stop": ("ends the session in good order", {}),
}  # fmt: skip

# Other words for the same.
ALIASES: dict[str, tuple[str, dict[str, Any]]] = {
    "silence": ("silent", {}),
    "fault_bit": ("fault", {}),
    "k_lost": ("permission_lost", {}),
}


class Mischief:
    """The misbehaviours that are on. `active` maps the name to its arguments; empty in a healthy car."""

    def __init__(self) -> None:
        self.active: dict[str, dict[str, Any]] = {}
        self.since_ms: dict[str, int] = {}
        self.muted: frozenset[str] = frozenset()
        self.mute = False  # everything
        self._ends_ms: dict[str, int] = {}

    def begin(self, name: str, now_ms: int, for_ms: int | None, arguments: dict[str, Any]) -> dict[str, Any]:
        """Switch one on and return its arguments, complete."""
        if name in ALIASES:
            name, usual = ALIASES[name]
            arguments = usual | arguments
        if name not in KNOWN:
            raise ValueError(f"no car misbehaves by {name!r}; known: {', '.join(KNOWN)}")
        defaults = KNOWN[name][1]
        unknown = set(arguments) - set(defaults)
        if unknown:
            raise ValueError(f"{name} takes {', '.join(defaults) or 'no arguments'}, not {', '.join(sorted(unknown))}")
        complete = defaults | arguments
        _judge(name, complete)
        self.active[name] = complete
        self.since_ms[name] = now_ms
        self._ends_ms.pop(name, None)
        if for_ms is not None:
            self._ends_ms[name] = now_ms + for_ms
        self._silence()
        return complete

    def end(self, name: str | None = None) -> None:
        """Switch one off, or all."""
        for gone in [name] if name else list(self.active):
            self.active.pop(gone, None)
            self._ends_ms.pop(gone, None)
        self._silence()

    def step(self, now_ms: int) -> None:
        """Ends what has lasted long enough."""
        for name in [name for name, end_ms in self._ends_ms.items() if now_ms >= end_ms]:
            self.end(name)

    def value(self, name: str, argument: str, default: Any) -> Any:
        """An argument of a misbehaviour that is on, else `default`."""
        return self.active[name][argument] if name in self.active else default

    def _silence(self) -> None:
        silent = self.active.get("silent")
        names = frozenset(filter(None, (silent["messages"] if silent else "").replace(" ", "").split(",")))
        self.mute = silent is not None and not names
        self.muted = names


def _judge(name: str, arguments: dict[str, Any]) -> None:
    names = arguments.get("messages", "").replace(" ", "").split(",") + [arguments.get("message", "")]
    for message in filter(None, names):
        if message not in BY_NAME:
            raise ValueError(f"{name}: there is no message {message!r}")
    if name == "fault" and arguments["bit"] not in FAULTS:
        raise ValueError(f"102.4 has no {arguments['bit']!r}; known: {', '.join(FAULTS)}")
