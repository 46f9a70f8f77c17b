"""The car as physics: what the emulated car senses, and the two things it commands."""

from dataclasses import dataclass
from typing import Protocol


class Vehicle(Protocol):
    """The plant's car side. Voltages in V, currents in A with + charging the pack, SOC 0 to 1."""

    close_contactors: bool
    """The car's contactors, commanded by the car; their coil lies between d1 and d2."""
    permission: bool
    """Switch k: the car permits (facts 2.4, pin 4)."""
    coil_by_station: bool
    """True: without d1 and d2 the contactors fall."""

    @property
    def contactors_closed(self) -> bool:
        """The contacts themselves."""

    @property
    def plugged(self) -> bool:
        """Connection check PD: the plug is in."""

    @property
    def d1(self) -> bool:
        """12 V on CP/SS1: the car wakes."""

    @property
    def d2(self) -> bool:
        """CP2/SS2 is at ground."""

    @property
    def inlet_V(self) -> float:
        """DC+/DC- at the inlet, outside the contactors."""

    @property
    def pack_V(self) -> float:
        """At the pack's terminals."""

    @property
    def pack_ocv_V(self) -> float:
        """What the pack would have without current."""

    @property
    def current_A(self) -> float:
        """Into the pack."""

    @property
    def soc(self) -> float:
        """The true one."""

    @property
    def temperature_C(self) -> float:
        """Of the pack."""


@dataclass
class FakeVehicle:
    """A vehicle without physics, for tests: attributes that a test sets. Contactors follow their command at once, as
    long as d1 and d2 feed their coil."""

    plugged: bool = False
    d1: bool = False
    d2: bool = False
    inlet_V: float = 0.0
    pack_V: float = 372.0
    pack_ocv_V: float = 372.0
    current_A: float = 0.0
    soc: float = 0.6
    temperature_C: float = 25.0
    close_contactors: bool = False
    permission: bool = False
    coil_by_station: bool = False
    stuck: bool | None = None  # a position that the contactors keep whatever is commanded

    @property
    def contactors_closed(self) -> bool:
        """Where the contactors really are."""
        if self.stuck is not None:
            return self.stuck
        return self.close_contactors and (not self.coil_by_station or (self.d1 and self.d2))
