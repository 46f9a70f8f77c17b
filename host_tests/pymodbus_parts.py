"""Meters and insulation monitors that are pymodbus: its data store, its number formats, its refusals.

The registers are written down from the makers' documents a second time, apart from those of the bench, which has no
pymodbus: hw_tests/bench/meters.py, insulation.py. A part is put on a line by `device(address)`, which
pymodbus's servers and host_tests/pymodbus_line.py serve; its truth is set and read in units of its own attributes.
"""

from collections.abc import Mapping, Sequence

from pymodbus.client.mixin import ModbusClientMixin
from pymodbus.constants import ExcCodes
from pymodbus.simulator import DataType, SimData, SimDevice

READ_HOLDING, READ_INPUT = 3, 4
_TYPES = ModbusClientMixin.DATATYPE


def _float(value: float) -> list[int]:
    return ModbusClientMixin.convert_to_registers(value, _TYPES.FLOAT32)


class Part:
    """Registers of functions 3 and 4, made anew for each request; what is refused; what was written."""

    def __init__(self) -> None:
        self.refused: set[tuple[int, int]] = set()  # (function, address): a Modbus exception, "device failure"
        self.written: list[tuple[int, int]] = []

    def holding(self) -> Mapping[int, Sequence[int]]:
        """{address: words} of function 3."""
        return {}

    def inputs(self) -> Mapping[int, Sequence[int]]:
        """{address: words} of function 4."""
        return {}

    def wrote(self, address: int, value: int) -> None:
        """A register was written."""

    def device(self, number: int) -> SimDevice:
        """The part at an address of a line, as pymodbus serves it: what is not in its tables it refuses."""
        coils = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
        blocks = (coils, coils, _block(self.holding()), _block(self.inputs()))
        return SimDevice(number, blocks, action=self._asked)

    async def _asked(
        self, function: int, start: int, address: int, count: int, registers: list[int], values: list[int] | None
    ) -> ExcCodes | None:
        if (function, address) in self.refused:
            return ExcCodes.DEVICE_FAILURE
        if values is not None:
            self.written += [(address + at, value) for at, value in enumerate(values)]
            for at, value in enumerate(values):
                self.wrote(address + at, value)
            return None
        for place, words in (self.inputs() if function == READ_INPUT else self.holding()).items():
            registers[place - start : place - start + len(words)] = words
        return None


def _block(table: Mapping[int, Sequence[int]]) -> list[SimData]:
    """A block of pymodbus; one that has nothing has a register where nobody asks."""
    rows = table or {0xFFFF: [0]}
    return [SimData(place, values=list(words), datatype=DataType.REGISTERS) for place, words in sorted(rows.items())]


class Meter(Part):
    """The truth of all of them: + is drawn from the grid."""

    volts: tuple[int, ...] = (230, 229, 231)  # those that the meter tells
    tells_grid = True  # volts and frequency

    def __init__(self) -> None:
        super().__init__()
        self.power_W = 0
        self.import_Wh = 1_234_560.0
        self.export_Wh = 654_320.0
        self.frequency_Hz = 49.987


class Sdm630(Meter):
    """Eastron SDM630-V2: three phases, input registers, floats; 30001 is 0."""

    def inputs(self) -> Mapping[int, Sequence[int]]:
        volts = {2 * at: _float(value) for at, value in enumerate(self.volts)}
        amps = {6 + 2 * at: _float(abs(self.power_W) / 690) for at in range(3)}
        return volts | amps | {
            30053 - 30001: _float(self.power_W), 30071 - 30001: _float(self.frequency_Hz),
            30073 - 30001: _float(self.import_Wh / 1000), 30075 - 30001: _float(self.export_Wh / 1000),
        }  # fmt: skip


class Sdm120(Meter):
    """Eastron SDM120 and SDM230: one phase."""

    volts = (230,)

    def inputs(self) -> Mapping[int, Sequence[int]]:
        return {
            30001 - 30001: _float(self.volts[0]), 30007 - 30001: _float(abs(self.power_W) / 230),
            30013 - 30001: _float(self.power_W), 30071 - 30001: _float(self.frequency_Hz),
            30073 - 30001: _float(self.import_Wh / 1000), 30075 - 30001: _float(self.export_Wh / 1000),
        }  # fmt: skip


class Dtsu666(Meter):
    """Chint DTSU666 by the documents that list plain units."""

    times = (1, 1, 1)  # volts, watts, hertz are told so many times

    def holding(self) -> Mapping[int, Sequence[int]]:
        times_V, times_W, times_Hz = self.times
        volts = {0x2006 + 2 * at: _float(value * times_V) for at, value in enumerate(self.volts)}
        return volts | {
            0x2012: _float(self.power_W * times_W), 0x2044: _float(self.frequency_Hz * times_Hz),
            0x101E: _float(self.import_Wh / 1000), 0x1028: _float(self.export_Wh / 1000),
        }  # fmt: skip


class Dtsu666Tenths(Dtsu666):
    """The same by the documents that list 0.1 V, 0.1 W and 0.01 Hz."""

    times = (10, 10, 100)


class Djsf1352(Meter):
    """Acrel DJSF1352-RN: direct current; 16 bits and a decimal point each, energies as 32 bits."""

    volts = ()
    tells_grid = False

    def holding(self) -> Mapping[int, Sequence[int]]:
        power = ModbusClientMixin.convert_to_registers(self.power_W // 10, _TYPES.INT16)
        words = [4000, 2, 0, 1, 0, 25, 0, 0, *power, 4, 0, 0]  # volts, amperes, broken wire, temperature; watts at 8
        for energy_Wh in (self.import_Wh, self.export_Wh):  # at 12 and 14
            words += ModbusClientMixin.convert_to_registers(int(energy_Wh), _TYPES.UINT32)
        return {0: words}


METERS: dict[str, type[Meter]] = {
    "sdm630": Sdm630, "sdm120": Sdm120, "sdm230": Sdm120, "dtsu666": Dtsu666, "dtsu666_tenths": Dtsu666Tenths,
    "djsf1352": Djsf1352,
}  # fmt: skip


class Monitor(Part):
    """What both have: ohms to earth, an alarm, an error of its own, a self-test."""

    begins = (0, 0)  # register and value that begin the self-test

    def __init__(self) -> None:
        super().__init__()
        self.kohm = 5000
        self.alarm = self.error = False
        self.testing = 0  # so many requests will still be told that the self-test runs
        self.control = 0  # what the register that begins it holds

    def wrote(self, address: int, value: int) -> None:
        if address == self.begins[0]:
            self.control = value
        if (address, value) == self.begins:
            self.testing = 12

    def asked(self) -> bool:
        """One request more: does the self-test run?"""
        self.testing = max(0, self.testing - 1)
        return self.testing > 0


class IsoCha425(Monitor):
    """Bender isoCHA425HV: a float, a word of alarm, test and validity, a channel."""

    begins = (8005, 0x5445)

    def holding(self) -> Mapping[int, Sequence[int]]:
        tests = self.asked()
        alarm = 2 if self.error else 5 if self.alarm else 0
        word = int(tests) << 14 | alarm << 8 | (3 if tests else 0) << 6
        empty = [0, 0, 3 << 6, 0]
        return {1000: [*_float(self.kohm * 1000), word, 1, *empty, *empty], 8005: [self.control]}


class Rn5893(Monitor):
    """Dold RN5893: fault and state, the resistance in 100 ohm; a control word among the holding registers."""

    begins = (0, 0x10)

    def holding(self) -> Mapping[int, Sequence[int]]:
        return {0: [self.control, 0, 3000]}

    def inputs(self) -> Mapping[int, Sequence[int]]:
        state = 3 if self.asked() else 6 if self.alarm else 1
        return {0: [int(self.error), state, 0, 0], 2000: [min(self.kohm * 10, 0xFFFF)]}


MONITORS: dict[str, type[Monitor]] = {"isocha425": IsoCha425, "rn5893": Rn5893}
