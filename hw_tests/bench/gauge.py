"""The fuel gauge of an emulated car, with every way in which it can lie. Any protocol's car has one."""

from typing import Any, Protocol


class Ways(Protocol):
    """What a profile says of its gauge."""

    @property
    def soc_rounding(self) -> str:
        """ "down", "up" or "nearest"."""

    @property
    def soc_offset_permille(self) -> int:
        """Always wrong by so much."""

    @property
    def soc_frozen(self) -> bool:
        """Never moves."""

    @property
    def soc_jump_permille(self) -> int:
        """Every soc_jump_ms up by so much, then back."""

    @property
    def soc_jump_ms(self) -> int:
        """See there."""


class Charged(Protocol):
    """What has a state of charge."""

    @property
    def soc(self) -> float:
        """The true one, 0 to 1."""


class Lies(Protocol):
    """Misbehaviours that are on: soc_frozen, soc_jump (permille, period_ms), soc_offset (permille)."""

    active: dict[str, dict[str, Any]]
    since_ms: dict[str, int]


class Gauge:
    """The fuel gauge: the true SOC, rounded as the profile says, with its lies."""

    def __init__(self, profile: Ways, vehicle: Charged, mischief: Lies):
        self._profile, self._vehicle = profile, vehicle
        self._mischief, self._active = mischief, mischief.active
        self._frozen: float | None = None

    def _soc(self, now_ms: int) -> float:
        """What it believes, 0 to 1."""
        profile, active = self._profile, self._active
        soc = self._vehicle.soc
        if profile.soc_frozen or "soc_frozen" in active:
            self._frozen = soc = soc if self._frozen is None else self._frozen
        else:
            self._frozen = None
        if profile.soc_jump_permille and now_ms // profile.soc_jump_ms % 2:
            soc += profile.soc_jump_permille / 1000
        if "soc_jump" in active:
            jump = active["soc_jump"]
            turns = (now_ms - self._mischief.since_ms["soc_jump"]) // (jump["period_ms"] or 1 << 60)
            soc += jump["permille"] / 1000 * (turns % 2 == 0)
        offset = profile.soc_offset_permille + (active["soc_offset"]["permille"] if "soc_offset" in active else 0)
        return min(1.0, max(0.0, soc + offset / 1000))

    def permille(self, now_ms: int, step: int = 10) -> int:
        """As told in a message whose resolution is `step` permille."""
        steps = self._soc(now_ms) * 1000 / step
        rounding = self._profile.soc_rounding
        whole = int(steps + 1e-9)
        if rounding == "up":
            whole = int(steps + 1 - 1e-9)
        elif rounding == "nearest":
            whole = int(steps + 0.5)
        return min(1000, whole * step)
