"""Energy meters on the RS-485 line, as their makers document them; what they tell is the plant's truth.

A meter's registers are of a lifetime: they begin at `import_Wh` and `export_Wh` and outlive every reset of the board.
"""

from collections.abc import Mapping

from hw_tests.bench.plant import Plant
from hw_tests.bench.rtu import RtuSlave, float_words

GRID_V, GRID_Hz = 230.0, 50.0


class Meter(RtuSlave):
    """What all have: the truth, and what can be wrong with it."""

    def __init__(self, address: int, plant: Plant, import_Wh: float, export_Wh: float):
        super().__init__(address)
        self.plant = plant
        self.import_Wh = import_Wh
        self.export_Wh = export_Wh
        self.grid_V = GRID_V
        self.grid_Hz = GRID_Hz
        self._counted = (plant.import_Wh, plant.export_Wh)
        self._last_ms = plant.now_ms

    def step(self) -> None:
        """Energy goes on, whoever listens."""
        now = (self.plant.import_Wh, self.plant.export_Wh)
        self.import_Wh += now[0] - self._counted[0]
        self.export_Wh += now[1] - self._counted[1]
        self._counted = now

    def shift(self, import_Wh: float = 0.0, export_Wh: float = 0.0) -> None:
        """Its registers change by so much at once: a step back (below 0) or a jump."""
        self.import_Wh += import_Wh
        self.export_Wh += export_Wh

    def floats(self, rows: Mapping[int, float]) -> dict[int, int]:
        """Registers of {address: value}, two for each."""
        registers: dict[int, int] = {}
        for address, value in rows.items():
            registers[address], registers[address + 1] = float_words(value)
        return registers


class Sdm630(Meter):
    """Eastron SDM630-V2: 3xxxx registers, three phases."""

    def inputs(self) -> Mapping[int, int]:
        power_W = self.plant.power_ac_W
        amps = abs(power_W) / 3 / self.grid_V
        return self.floats({
            0x00: self.grid_V, 0x02: self.grid_V - 1.0, 0x04: self.grid_V + 1.0,
            0x06: amps, 0x08: amps, 0x0A: amps,
            0x0C: power_W / 3, 0x0E: power_W / 3, 0x10: power_W / 3, 0x34: power_W,
            0x46: self.grid_Hz, 0x48: self.import_Wh / 1000, 0x4A: self.export_Wh / 1000,
        })  # fmt: skip


class Sdm120(Meter):
    """Eastron SDM120 and SDM230: one phase."""

    def inputs(self) -> Mapping[int, int]:
        power_W = self.plant.power_ac_W
        return self.floats({
            0x00: self.grid_V, 0x06: abs(power_W) / self.grid_V, 0x0C: power_W, 0x46: self.grid_Hz,
            0x48: self.import_Wh / 1000, 0x4A: self.export_Wh / 1000,
        })  # fmt: skip


class Dtsu666(Meter):
    """Chint DTSU666; `per_unit` 10: V and W in tenths, Hz in hundredths."""

    per_unit = 1.0

    def holding(self) -> Mapping[int, int]:
        power_W, k = self.plant.power_ac_W, self.per_unit
        hertz = self.grid_Hz * (k * k if k > 1 else 1.0)
        return self.floats({
            0x2006: self.grid_V * k, 0x2008: (self.grid_V - 1.0) * k, 0x200A: (self.grid_V + 1.0) * k,
            0x2012: power_W * k, 0x2014: power_W * k / 3, 0x2016: power_W * k / 3, 0x2018: power_W * k / 3,
            0x2044: hertz, 0x101E: self.import_Wh / 1000, 0x1028: self.export_Wh / 1000,
        })  # fmt: skip


class Dtsu666Tenths(Dtsu666):
    """The same with the other scale."""

    per_unit = 10.0


class Djsf1352(Meter):
    """Acrel DJSF1352-RN: direct current at the connector; raw * 10^(decimal point - 3)."""

    def step(self) -> None:
        plant = self.plant
        hours = (plant.now_ms - self._last_ms) / 3.6e6
        self._last_ms = plant.now_ms
        power_W = plant.inlet_V * plant.current_A
        if power_W > 0:
            self.import_Wh += power_W * hours
        else:
            self.export_Wh -= power_W * hours

    def holding(self) -> Mapping[int, int]:
        plant = self.plant
        registers = dict.fromkeys(range(20), 0)
        registers[0], registers[1] = round(plant.inlet_V * 10), 2
        registers[2], registers[3] = round(plant.current_A * 100), 1
        registers[8], registers[9] = round(plant.inlet_V * plant.current_A / 10), 4
        for address, energy_Wh in ((12, self.import_Wh), (14, self.export_Wh)):
            registers[address], registers[address + 1] = int(energy_Wh) >> 16, int(energy_Wh) & 0xFFFF
        return registers


METERS: dict[str, type[Meter]] = {
    "sdm630": Sdm630, "sdm120": Sdm120, "sdm230": Sdm120, "dtsu666": Dtsu666, "dtsu666_tenths": Dtsu666Tenths,
    "djsf1352": Djsf1352,
}  # fmt: skip
