"""What can go wrong inside and around the modules, raised by a scenario: `converter.misbehave(name, ...)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hw_tests.bench.infypower import KINDS, READ, STATUS_BITS, WRITE, Message

if TYPE_CHECKING:
    from hw_tests.bench.converter import Converter

FOREVER = 1 << 60
_READ_KINDS = (
    "status", "inverter_status", "max_voltage", "min_voltage", "max_current", "rated_power", "count", "power_ac",
    "frequency",
)  # fmt: skip


class _Loss:
    """The next `count` frames of one kind are lost."""

    def __init__(self, kind: str, count: int, module: int | None):
        self.item = KINDS[kind]
        self.command = READ if kind in _READ_KINDS else WRITE
        self.count = count
        self.module = module

    def takes(self, message: Message) -> bool:
        if self.count <= 0 or message.item != self.item or message.command != self.command:
            return False
        self.count -= 1
        return True


class Faults:
    """The state of all faults; nothing raised: an honest converter."""

    def __init__(self) -> None:
        self.reaction_ms: int | None = None
        self.derating = 1.0
        self.extra_A = 0.0
        self.voltage_offset_V = 0.0
        self.current_offset_A = 0.0
        self.wrong_mode = False
        self.stopping_bits = 0  # status bits that stop a module
        self._mode_ignored = 0
        self._off_ignored_ms = 0
        self._tripped_until_ms = 0
        self._hold_until_ms = 0
        self._deaf_until_ms = 0
        self._mute_until_ms = 0
        self._losses: list[_Loss] = []
        self._reply_losses: list[_Loss] = []
        self._wake_ms: int | None = None  # something ends then

    # --- asked by the converter ---
    def deaf(self, now_ms: int) -> bool:
        return now_ms < self._deaf_until_ms

    def mute(self, now_ms: int) -> bool:
        return now_ms < self._mute_until_ms

    def loses(self, message: Message) -> bool:
        return any(loss.takes(message) for loss in self._losses if loss.module is None)

    def loses_for(self, message: Message, address: int) -> bool:
        return any(loss.takes(message) for loss in self._losses if loss.module == address)

    def loses_reply(self, message: Message) -> bool:
        return any(loss.takes(message) for loss in self._reply_losses)

    def ignores_off(self, now_ms: int) -> bool:
        return now_ms < self._off_ignored_ms

    def ignores_on(self, now_ms: int) -> bool:
        return now_ms < self._tripped_until_ms

    def ignores_mode(self) -> bool:
        if self._mode_ignored <= 0:
            return False
        self._mode_ignored -= 1
        return True

    def holds(self, now_ms: int) -> bool:
        return now_ms < self._hold_until_ms

    def tick(self, now_ms: int) -> bool:
        """True once when something has ended."""
        if self._wake_ms is None or now_ms < self._wake_ms:
            return False
        self._wake_ms = None
        return True

    # --- raised by a scenario ---
    def raise_fault(self, converter: Converter, name: str, now_ms: int, **how: Any) -> None:
        """See the methods below for the names and what each takes."""
        if name == "heal":
            self._heal(converter)
            return
        action: Callable[..., None] | None = _ACTIONS.get(name)
        if action is None:
            raise ValueError(f"the converter knows no misbehaviour {name!r}, only {', '.join(sorted(_ACTIONS))}, heal")
        action(self, converter, now_ms, **how)

    def _silent(self, converter: Converter, now_ms: int, ms: int = FOREVER, deaf: bool = True) -> None:
        """The bus is dead for the modules (deaf=False: they hear and obey, but do not answer)."""
        self._mute_until_ms = now_ms + ms
        if deaf:
            self._deaf_until_ms = now_ms + ms

    def _fault(
        self, converter: Converter, now_ms: int, bit: str = "fault", module: int | None = None, stops: bool = True
    ) -> None:
        """A status bit comes up; `stops`: and the module with it."""
        mask = 1 << STATUS_BITS[bit]
        self.stopping_bits |= mask if stops else 0
        for each in converter.modules if module is None else [converter.modules[module]]:
            each.status |= mask
            each.on = each.on and not stops

    def _lose(
        self, converter: Converter, now_ms: int, kind: str = "mode", count: int = 1, module: int | None = None
    ) -> None:
        """The next `count` requests of that kind never arrive (at `module`: only there)."""
        self._losses.append(_Loss(kind, count, module))

    def _lose_reply(self, converter: Converter, now_ms: int, kind: str = "mode", count: int = 1) -> None:
        """They are obeyed, but the answers are lost."""
        self._reply_losses.append(_Loss(kind, count, None))

    def _ignore_mode(self, converter: Converter, now_ms: int, count: int = FOREVER) -> None:
        """The next `count` mode writes are echoed and not obeyed."""
        self._mode_ignored = count

    def _ignore_off(self, converter: Converter, now_ms: int, ms: int = FOREVER) -> None:
        """OFF is echoed and not obeyed for `ms`."""
        self._off_ignored_ms = now_ms + ms

    def _hold(self, converter: Converter, now_ms: int, ms: int = FOREVER) -> None:
        """The power stage holds its set-point, whatever is written and echoed (module-enable still stops it)."""
        self._hold_until_ms = now_ms + ms
        self._wake_ms = self._hold_until_ms

    def _reaction(self, converter: Converter, now_ms: int, ms: int = 40) -> None:
        """Reaction time of the power stage from now on."""
        self.reaction_ms = ms

    def _derate(self, converter: Converter, now_ms: int, factor: float = 0.5) -> None:
        """Rated current and power fall to `factor`; told by the power-limiting bit and the capabilities."""
        self.derating = factor

    def _missing(self, converter: Converter, now_ms: int, module: int = 0) -> None:
        """A module is gone, with its share of the current."""
        converter.modules[module].present = False
        converter.modules[module].on = False

    def _trip(self, converter: Converter, now_ms: int, ms: int = 300) -> None:
        """All modules go off by themselves, without a reason told, as when module-enable is away; for `ms` they do not
        go on."""
        self._tripped_until_ms = now_ms + ms
        for module in converter.modules:
            module.on = False

    def _wrong_mode(self, converter: Converter, now_ms: int, wrong: bool = True) -> None:
        """The inverter status says the opposite of the truth."""
        self.wrong_mode = wrong

    def _reads_wrong(self, converter: Converter, now_ms: int, voltage_V: float = 0.0, current_A: float = 0.0) -> None:
        """The modules' own measurements are off by that much."""
        self.voltage_offset_V, self.current_offset_A = voltage_V, current_A

    def _runaway(self, converter: Converter, now_ms: int, extra_A: float = 10.0) -> None:
        """The power stage gives more than it was told."""
        self.extra_A = extra_A
        converter.plant.stage.moving = True

    def _heal(self, converter: Converter) -> None:
        self.__init__()  # type: ignore[misc]
        converter.plant.stage.moving = True
        for module in converter.modules:
            module.present = True
            module.status = 0


_ACTIONS: dict[str, Callable[..., None]] = {
    "silent": Faults._silent,
    "fault": Faults._fault,
    "lose": Faults._lose,
    "lose_reply": Faults._lose_reply,
    "ignore_mode": Faults._ignore_mode,
    "ignore_off": Faults._ignore_off,
    "hold": Faults._hold,
    "reaction": Faults._reaction,
    "derate": Faults._derate,
    "missing": Faults._missing,
    "trip": Faults._trip,
    "wrong_mode": Faults._wrong_mode,
    "reads_wrong": Faults._reads_wrong,
    "runaway": Faults._runaway,
}
NAMES = tuple(_ACTIONS)
