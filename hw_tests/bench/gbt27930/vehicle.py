"""The car as physics: what the emulated BMS senses and the one thing it commands."""

from dataclasses import dataclass
from typing import Protocol


class Vehicle(Protocol):
    """The plant's car side. Voltages in V, currents in A with + charging the pack, SOC 0 to 1."""

    plugged: bool
    aux_V: float  # auxiliary supply A+/A- at the inlet: the BMS is awake only while it is on
    inlet_V: float  # DC+/DC- at the inlet, outside K5/K6
    pack_V: float  # at the pack's terminals
    pack_ocv_V: float
    current_A: float
    soc: float
    capacity_Wh: float
    temperature_C: float
    contactors_closed: bool  # K5/K6, read back
    close_contactors: bool  # K5/K6, commanded by the car


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
