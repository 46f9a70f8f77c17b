"""What the bench has of each vehicle protocol: car, observer, speed of its bus, and what goes with them.

A scenario names the protocol by `vehicle` (or the command line by --vehicle) and the car by `kind` in [car].
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

from hw_tests.bench import observer
from hw_tests.bench.chademo import car as chademo_car
from hw_tests.bench.chademo import observer as chademo_observer
from hw_tests.bench.chademo import profiles as chademo_profiles
from hw_tests.bench.frame import Frame
from hw_tests.bench.gbt27930 import car as gbt27930_car
from hw_tests.bench.gbt27930 import profiles as gbt27930_profiles


class Car(Protocol):
    """An emulated car of any protocol."""

    phases: Any
    checker: Any
    phase_count: int

    @property
    def phase(self) -> str: ...

    @property
    def log(self) -> Any: ...

    def receive(self, frame: Frame, now_ms: int) -> None: ...

    def step(self, now_ms: int) -> list[Frame]: ...

    def misbehave(self, name: str, for_ms: int | None = None, **arguments: Any) -> None: ...

    def facts(self) -> dict[str, Any]: ...


class Observer(Protocol):
    """Names the phase of a session by what is on the wires."""

    phase: str
    since_ms: int
    history: list[tuple[float, str]]
    sessions: int
    direction: int
    car_stopped: int
    station_stopped: int

    def frame(self, frame: Frame, now_ms: int) -> None: ...

    def power_path(
        self, plugged: bool, contactor: bool, link_V: float, bleed: bool, aux: bool, now_ms: int
    ) -> None: ...

    def restarted(self, now_ms: int) -> None: ...


@dataclass(frozen=True)
class Kind:
    """One protocol. `station`: configuration of the firmware that it needs; `supply`: the pin that wakes the car."""

    name: str
    bit_s: int
    usual: str  # the profile if none is named
    profiles: Mapping[str, Any]
    make: Callable[[Any, Any, int], Car]
    profile: Callable[..., Any]
    observe: Callable[[], Observer]
    supply: str

    def car(self, table: Mapping[str, Any], vehicle: Any, seed: int) -> Car:
        """A car from a scenario's [car]: its kind, and changes to the profile."""
        changes = {name: value for name, value in table.items() if name not in ("kind", "soc_permille", "vehicle")}
        usual = self.profile(table.get("kind", self.usual))
        names = [each.name for each in fields(usual)]
        strange = [name for name in changes if name not in names]
        if strange:
            there = ", ".join(sorted([*names, "soc_permille"]))
            raise ValueError(f"the car has no parameter {strange[0]!r}; there are: {there}")
        return self.make(replace(usual, **changes), vehicle, seed)

    def pack(self, table: Mapping[str, Any]) -> dict[str, Any]:
        """The plant's parameters for that car, where they are not the plant's own."""
        profile = self.profile(table.get("kind", self.usual))
        return dict(getattr(profile, "pack", {}))

    @property
    def station(self) -> dict[str, Any]:
        """Configuration of the firmware."""
        return {"protocol": self.name}


VEHICLES: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("gbt27930", 250_000, "v2g", gbt27930_profiles.PROFILES, gbt27930_car.Car, gbt27930_profiles.profile,
             observer.Observer, "aux"),
        Kind("chademo", 500_000, "leaf_ze0", chademo_profiles.PROFILES, chademo_car.Car, chademo_profiles.profile,
             chademo_observer.Observer, "d1"),
    )
}  # fmt: skip


def deviations(counts: Mapping[str, int]) -> int:
    """How many there were; but for late frames, which in a live run are this computer's."""
    return sum(count for name, count in counts.items() if name not in ("period", "late"))


def vehicle(name: str = "") -> Kind:
    """A protocol by its name; the first one if it has none."""
    if not name:
        return next(iter(VEHICLES.values()))
    if name not in VEHICLES:
        raise ValueError(f"there is no vehicle {name!r}; there are: {', '.join(VEHICLES)}")
    return VEHICLES[name]
