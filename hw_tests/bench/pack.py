"""A traction battery: open-circuit voltage over the state of charge, a resistance, and a capacity."""

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class PackParams:
    """A small pack with full voltage and resistance, so that a session is quick (GB/T baseline)."""

    capacity_Wh: float = 1000.0
    ocv_V: tuple[tuple[float, float], ...] = ((0.0, 360.0), (0.1, 370.0), (0.5, 380.0), (0.9, 390.0), (1.0, 400.0))
    resistance_ohm: float = 0.1
    soc: float = 0.5
    temperature_C: float = 25.0
    load_W: float = 0.0  # what the car itself draws from its pack: not our doing


class Segment(NamedTuple):
    """One straight piece of the voltage curve."""

    low: float
    high: float
    offset_V: float
    slope_V: float


def segments(points: tuple[tuple[float, float], ...]) -> list[Segment]:
    """The straight pieces between the points; the outer two go on beyond 0 and 1."""
    if len(points) < 2 or points[0][0] != 0.0 or points[-1][0] != 1.0:
        raise ValueError(f"the voltage curve must run from SOC 0 to 1 in at least two points, not {points}")
    pieces = []
    for (low, low_V), (high, high_V) in zip(points, points[1:]):
        slope_V = (high_V - low_V) / (high - low)
        pieces.append(Segment(low, high, low_V - slope_V * low, slope_V))
    pieces[0] = pieces[0]._replace(low=-9.0)
    pieces[-1] = pieces[-1]._replace(high=9.0)
    return pieces


class Pack:
    """Charge is counted exactly: SOC = charge / capacity, and capacity_Wh is the integral of the curve."""

    def __init__(self, params: PackParams):
        self.params = params
        self.soc = params.soc
        self.resistance_ohm = params.resistance_ohm
        self.temperature_C = params.temperature_C
        self.load_W = params.load_W
        self.stored_J = 0.0  # chemical energy since the start
        points = params.ocv_V
        mean_V = sum((a[1] + b[1]) / 2 * (b[0] - a[0]) for a, b in zip(points, points[1:]))
        self.capacity_As = params.capacity_Wh * 3600.0 / mean_V
        self._segments = segments(points)
        self._segment = self._segments[0]
        self.ocv_V = 0.0
        self.add(0.0)

    def add(self, charge_As: float) -> None:
        """Put charge in (negative: take it out) and follow the voltage curve."""
        self.stored_J += self.ocv_V * charge_As
        self.soc = soc = self.soc + charge_As / self.capacity_As
        segment = self._segment
        if not segment[0] <= soc < segment[1]:
            self._segment = segment = next(s for s in self._segments if s.low <= soc < s.high)
        self.ocv_V = segment[2] + segment[3] * soc
