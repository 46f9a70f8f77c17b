"""The car's side of the connector, as its own electronics see and command it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hw_tests.bench.plant import Plant


class VehicleSide:
    """What a car measures, and its contactors K5/K6. The car emulator has nothing else of the plant."""

    def __init__(self, plant: Plant):
        self._plant = plant
        self._close = False
        self.permission = False  # CHAdeMO: switch k pulls the permission line low
        self.coil_by_station = False  # CHAdeMO: the coil of K5/K6 lies between the station's d1 (12 V) and d2 (ground)

    @property
    def plugged(self) -> bool:
        """CC2: the connector is in."""
        return self._plant.plugged

    @property
    def aux_V(self) -> float:
        """Auxiliary supply A+/A- from the station."""
        return self._plant.aux_V

    @property
    def d1(self) -> bool:
        """CHAdeMO: the station's switch d1 gives 12 V on CP/SS1 (optocoupler f)."""
        return self._plant.plugged and self._plant.d1

    @property
    def d2(self) -> bool:
        """CHAdeMO: the station's switch d2 returns the coil to ground (optocoupler g)."""
        return self._plant.plugged and self._plant.d2

    @property
    def inlet_V(self) -> float:
        """At the car's inlet: without a connector, what its own contactors put there."""
        plant = self._plant
        if plant.plugged:
            return plant.inlet_V
        return plant.pack.ocv_V if plant.car_contactor.closed else 0.0

    @property
    def pack_V(self) -> float:
        """At the pack's terminals."""
        return self._plant.pack_V

    @property
    def pack_ocv_V(self) -> float:
        """What the pack would show at rest."""
        return self._plant.pack.ocv_V

    @property
    def current_A(self) -> float:
        """Into the pack."""
        return self._plant.pack_current_A

    @property
    def soc(self) -> float:
        """The true state of charge, 0 to 1."""
        return self._plant.pack.soc

    @property
    def capacity_Wh(self) -> float:
        """From empty to full at rest."""
        return self._plant.pack.params.capacity_Wh

    @property
    def temperature_C(self) -> float:
        """Of the pack."""
        return self._plant.pack.temperature_C

    @property
    def contactors_closed(self) -> bool:
        """K5/K6, the contacts themselves."""
        return self._plant.car_contactor.closed

    @property
    def close_contactors(self) -> bool:
        """The command to K5/K6."""
        return self._close

    @close_contactors.setter
    def close_contactors(self, close: bool) -> None:
        self._close = bool(close)
        self.supply()

    def supply(self) -> None:
        """Drive the coil with what supplies it now: without d1 and d2 a CHAdeMO car cannot hold its contactors."""
        fed = not self.coil_by_station or (self.d1 and self.d2)
        self._plant.car_contactor.drive(self._close and fed, self._plant.now_ms)
