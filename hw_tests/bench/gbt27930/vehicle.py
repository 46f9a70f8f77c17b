"""The car as physics: what the emulated BMS senses and the one thing it commands."""

from dataclasses import dataclass
from typing import Protocol


class Vehicle(Protocol):
    """The plant's car side. Voltages in V, currents in A with + charging the pack, SOC 0 to 1."""

    close_contactors: bool
    """K5/K6, commanded by the car."""

    @property
    def contactors_closed(self) -> bool:
        """K5/K6, read back."""

    @property
    def plugged(self) -> bool:
        """The plug is in the inlet."""

    @property
    def aux_V(self) -> float:
        """Auxiliary supply A+/A- at the inlet: the BMS is awake only while it is on."""

    @property
    def inlet_V(self) -> float:
        """DC+/DC- at the inlet, outside K5/K6."""

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
    def capacity_Wh(self) -> float:
        """Energy from empty to full."""

    @property
    def temperature_C(self) -> float:
        """Of the pack."""


@dataclass
class FakeVehicle:
    """A vehicle without physics, for tests: attributes that a test sets. Contactors follow their command at once."""

    plugged: bool = False
    aux_V: float = 0.0
    inlet_V: float = 0.0
    pack_V: float = 380.0
    pack_ocv_V: float = 380.0
    current_A: float = 0.0
    soc: float = 0.5
    capacity_Wh: float = 1000.0
    temperature_C: float = 25.0
    close_contactors: bool = False
    stuck: bool | None = None  # a position that the contactors keep whatever is commanded

    @property
    def contactors_closed(self) -> bool:
        """Where the contactors really are."""
        return self.close_contactors if self.stuck is None else self.stuck
