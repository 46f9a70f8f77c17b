"""What can be wrong with a car. A misbehaviour is a name, its arguments and, if told, a time after which it ends."""

from typing import Any

from .messages import BY_NAME

# name: (what it does, its arguments with their defaults)
KNOWN: dict[str, tuple[str, dict[str, Any]]] = {
    "silent": ("sends none of `messages` (names, separated by commas; empty: nothing at all)", {"messages": ""}),
    "deaf": ("hears nothing of the charger", {}),
    "wrong_length": ("sends `message` with `length` bytes", {"message": "BCL", "length": 4}),
    "flood": ("`rate_per_s` random frames; `ids`: any, or own (ids of a BMS, random bytes)",
              {"rate_per_s": 500, "ids": "any"}),
    "strangers": ("speaks CHAdeMO and GB/T 27930.2-2024 beside its own protocol", {}),
    # Transport protocol; `message`: only that one, empty: all.
    "tp_lose": ("never sends one packet in the middle of a message", {"message": ""}),
    "tp_lose_once": ("loses one packet, sends it when asked again", {"message": ""}),
    "tp_repeat": ("sends every packet twice", {"message": ""}),
    "tp_disorder": ("swaps the first two packets", {"message": ""}),
    "tp_abort": ("aborts on the charger's CTS", {"message": ""}),
    "tp_stall": ("asks to send and then sends no packet", {"message": ""}),
    "tp_repeat_rts": ("asks twice to send", {"message": ""}),
    # Handshake.
    "late_bro": ("is ready `ms` later", {"ms": 20_000}),
    "refuse": ("never becomes ready: BRO stays at `value`", {"value": 0}),
    "bro_falls": ("is ready, then takes it back", {"after_ms": 500}),
    # States in BSM.
    "bsm_fault": ("sets a state of BSM: cell_voltage, soc, over_current, over_temperature, insulation or connector",
                  {"bit": "over_temperature", "value": 1}),
    "pause": ("forbids power in BSM (session stays)", {}),
    "untrusted": ("permission in BSM is 10 whatever it allows", {}),
    "discharge_forbidden": ("does not allow to discharge (any more)", {}),
    "charge_forbidden": ("does not allow to charge (any more)", {}),
    # Demand.
    "demand_above_max": ("asks for more than its own maximum", {"current_A": 0.0, "voltage_V": 0.0}),
    "refuse_current": ("asks for 0 A", {}),
    "demand_flaps": ("asks for 0 A and the maximum in turn", {"period_ms": 500}),
    "wrong_mode": ("sends BCL with this mode", {"mode": 3}),
    "ccd_ignored": ("asks to charge whatever CCD says", {}),
    # Fuel gauge.
    "soc_offset": ("tells an SOC that is wrong by `permille`", {"permille": 100}),
    "soc_frozen": ("tells the SOC of now for ever", {}),
    "soc_jump": ("tells an SOC that jumps by `permille` and stays there, or back and forth every `period_ms`",
                 {"permille": 100, "period_ms": 0}),
    # Contactors K5/K6.
    "contactor_welded": ("never opens K5/K6", {}),
    "contactor_stuck_open": ("says it is ready but never closes K5/K6", {}),
    "open_under_load": ("opens K5/K6 now, without a word", {}),
    # Ends.
    "bst": ("stops: `reason` is a state of BST", {"reason": "soc_reached"}),
    "bem": ("reports a time-out that was none: `reason` is a state of BEM", {"reason": "ccs_timeout"}),
}  # fmt: skip

# Other words for the same.
ALIASES: dict[str, tuple[str, dict[str, Any]]] = {
    "fault_bit": ("bsm_fault", {"bit": "insulation"}),
    "permission_untrusted": ("untrusted", {}),
    "silence": ("silent", {}),
}

TRANSPORT = ("lose", "lose_once", "repeat", "disorder", "abort", "stall", "repeat_rts")


class Mischief:
    """The misbehaviours that are on. `active` maps the name to its arguments; empty in a healthy car."""

    def __init__(self) -> None:
        self.active: dict[str, dict[str, Any]] = {}
        self.muted: frozenset[str] = frozenset()
        self.mute = False  # everything
        self.since_ms: dict[str, int] = {}
        self._ends_ms: dict[str, int] = {}

    def begin(self, name: str, now_ms: int, for_ms: int | None, arguments: dict[str, Any]) -> dict[str, Any]:
        """Switch one on and return its arguments, complete. `bcl_silent` is short for silent(messages="BCL")."""
        if name not in KNOWN and name.endswith("_silent"):
            what = name.removesuffix("_silent").upper()
            name, arguments = "silent", {"messages": "" if what == "ALL" else what}
        if name in ALIASES:
            if "message" in arguments:
                arguments = {"messages": arguments["message"]}
            name, usual = ALIASES[name]
            arguments = usual | arguments
        if name not in KNOWN:
            raise ValueError(f"no car misbehaves by {name!r}; known: {', '.join(KNOWN)}")
        defaults = KNOWN[name][1]
        unknown = set(arguments) - set(defaults)
        if unknown:
            raise ValueError(f"{name} takes {', '.join(defaults) or 'no arguments'}, not {', '.join(sorted(unknown))}")
        complete = defaults | arguments
        if complete.get("message") and complete["message"] not in BY_NAME:
            raise ValueError(f"{name}: there is no message {complete['message']!r}")
        self.active[name] = complete
        self.since_ms[name] = now_ms
        if for_ms is None:
            self._ends_ms.pop(name, None)
        else:
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

    def _silence(self) -> None:
        silent = self.active.get("silent")
        names = frozenset(filter(None, (silent["messages"] if silent else "").upper().replace(" ", "").split(",")))
        self.mute = silent is not None and not names
        self.muted = names

    def transport(self, message: str) -> set[str]:
        """Faults of the transport protocol for this message."""
        return {
            fault
            for fault in TRANSPORT
            if (arguments := self.active.get("tp_" + fault)) is not None and arguments["message"] in ("", message)
        }
