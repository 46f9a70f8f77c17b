"""Every message of GB/T 27930-2015 and of the V1.12 trial, as data: where a signal lies and what a bit is worth.

Bytes and bits count from 1, least significant first, as in the standard. Facts 1.2 (ids, lengths, periods),
1.4 (signals) and 1.8a (V1.12 trial, one public source only).

A signal is told in two dialects by `codec.decode`:

* the house's: whole numbers, unit in the name, **positive current charges the car** (`current_dA`, `soc_permille`);
* the standard's own: physical units, **positive current discharges the car** (`current_A`, `soc_percent`).
"""

from typing import NamedTuple


class Kind(NamedTuple):
    """What a raw number means: house value = (raw - zero) * scale, the standard's = (raw - zero) * resolution."""

    house: str  # suffix of the house's name
    scale: int
    zero: int
    standard: str  # suffix of the standard's name
    resolution: float


VOLTAGE = Kind("_dV", 1, 0, "_V", 0.1)
CURRENT = Kind("_dA", -1, 4000, "_A", 0.1)  # offset -400 A; the house counts the other way round
CELL = Kind("_mV", 10, 0, "_V", 0.01)
SOC = Kind("_permille", 10, 0, "_percent", 1.0)
SOC_FINE = Kind("_permille", 1, 0, "_percent", 0.1)  # BCP only
TEMPERATURE = Kind("_dC", 10, 50, "_C", 1.0)
ENERGY = Kind("_Wh", 100, 0, "_kWh", 0.1)
CAPACITY = Kind("_mAh", 100, 0, "_Ah", 0.1)
RANGE = Kind("_m", 100, 0, "_km", 0.1)
MINUTES = Kind("_min", 1, 0, "_min", 1)
NUMBER = Kind("", 1, 0, "", 1)
COUNTED_FROM_1 = Kind("", 1, -1, "", 1)  # the wire carries the number less one
YEAR = Kind("", 1, -1985, "", 1)
BCD = Kind("", 0, 0, "", 0)  # two decimal digits a byte
TEXT = Kind("", 0, 0, "", 0)  # ASCII, unused bytes FF or 00


class Field(NamedTuple):
    """One signal: first byte and bit (from 1) and its width in bits."""

    name: str
    byte: int
    bits: int
    kind: Kind = NUMBER
    bit: int = 1


class Message(NamedTuple):
    """One message. `lengths`: what is accepted; the first is what is sent. `period_ms` 0: unknown or an event."""

    name: str
    pgn: int
    priority: int
    from_car: bool
    lengths: tuple[int, ...]
    period_ms: int
    fields: tuple[Field, ...]
    long: bool = False  # travels by the transport protocol

    @property
    def id(self) -> int:
        """The 29-bit id; for a long message the one it would have as a single frame."""
        source, destination = (0xF4, 0x56) if self.from_car else (0x56, 0xF4)
        return self.priority << 26 | self.pgn << 8 | destination << 8 | source


def flags(*places: tuple[str, int, int]) -> tuple[Field, ...]:
    """Two-bit states (name, byte, bit): 00 no, 01 yes, 10 untrusted, 11 not used (facts 1.1)."""
    return tuple(Field(name, byte, 2, NUMBER, bit) for name, byte, bit in places)


VERSION = (Field("version_minor", 1, 8), Field("version_major", 2, 16))
ANY = tuple(range(1, 9))

CHARGER = (
    Message("CHM", 0x2600, 6, False, (3,), 250, VERSION),
    Message(
        "CRM", 0x0100, 6, False, (8,), 250,
        (Field("result", 1, 8), Field("charger_number", 2, 32), Field("area_code", 6, 24, TEXT)),
    ),
    Message(
        "CTS", 0x0700, 6, False, (7,), 500,
        (
            Field("second", 1, 8, BCD), Field("minute", 2, 8, BCD), Field("hour", 3, 8, BCD), Field("day", 4, 8, BCD),
            Field("month", 5, 8, BCD), Field("year", 6, 16, BCD),
        ),
    ),
    Message(
        "CML", 0x0800, 6, False, (8,), 250,
        (
            Field("voltage_max", 1, 16, VOLTAGE), Field("voltage_min", 3, 16, VOLTAGE),
            Field("current_max", 5, 16, CURRENT), Field("current_min", 7, 16, CURRENT),
        ),
    ),
    Message("CRO", 0x0A00, 4, False, (1,), 250, (Field("ready", 1, 8),)),
    Message(
        "CCS", 0x1200, 6, False, (8, 7, 6), 50,
        (
            Field("voltage", 1, 16, VOLTAGE), Field("current", 3, 16, CURRENT), Field("elapsed", 5, 16, MINUTES),
            Field("permission", 7, 2),  # 00 pause, 01 charge, V1.12: 10 discharge
        ),
    ),
    Message(
        "CST", 0x1A00, 4, False, (4,), 10,
        flags(
            ("condition_reached", 1, 1), ("manual_stop", 1, 3), ("fault_stop", 1, 5), ("bms_stopped", 1, 7),
            ("over_temperature", 2, 1), ("connector", 2, 3), ("internal_over_temperature", 2, 5),
            ("energy_undeliverable", 2, 7), ("emergency_stop", 3, 1), ("other", 3, 3),
            ("current_mismatch", 4, 1), ("voltage_abnormal", 4, 3),
        ),
    ),
    Message(
        "CSD", 0x1D00, 6, False, (8,), 250,
        (Field("total", 1, 16, MINUTES), Field("energy", 3, 16, ENERGY), Field("charger_number", 5, 32)),
    ),
    Message(
        "CEM", 0x1F00, 2, False, (4,), 250,
        flags(
            ("brm_timeout", 1, 1), ("bcp_timeout", 2, 1), ("bro_timeout", 2, 3), ("bcs_timeout", 3, 1),
            ("bcl_timeout", 3, 3), ("bst_timeout", 3, 5), ("bsd_timeout", 4, 1),
        ),
    ),
    # V1.12 trial (facts 1.8a): what follows the version in CDC, the direction in CCD, and all of CSDP is unknown.
    Message("CDC", 0x2800, 6, False, (3, 4, 5, 6, 7, 8), 0, VERSION),
    Message(
        "CMLP", 0x3100, 6, False, (8,), 250,
        (
            Field("voltage_max", 1, 16, VOLTAGE), Field("voltage_min", 3, 16, VOLTAGE),
            Field("current_max", 5, 16, CURRENT), Field("current_min", 7, 16, CURRENT),
        ),
    ),
    Message("CCD", 0x3200, 6, False, ANY, 0, (Field("direction", 1, 8),)),  # 00 charge, 01 discharge
    Message("CSDP", 0x3300, 6, False, ANY, 0, ()),
)

CAR = (
    Message("BHM", 0x2700, 6, True, (2,), 250, (Field("voltage_max", 1, 16, VOLTAGE),)),
    Message(
        "BRM", 0x0200, 7, True, (49, 41), 250,
        (
            *VERSION, Field("battery_type", 4, 8), Field("capacity", 5, 16, CAPACITY), Field("voltage", 7, 16, VOLTAGE),
            Field("maker", 9, 32, TEXT), Field("pack_serial", 13, 32), Field("year", 17, 8, YEAR),
            Field("month", 18, 8), Field("day", 19, 8), Field("charge_cycles", 20, 24),
            Field("ownership", 23, 8), Field("vin", 25, 136, TEXT),
            Field("software_serial", 42, 8), Field("software_date", 43, 32),
        ),
        long=True,
    ),
    Message(
        "BCP", 0x0600, 7, True, (13,), 500,
        (
            Field("cell_voltage_max", 1, 16, CELL), Field("current_max", 3, 16, CURRENT),
            Field("energy", 5, 16, ENERGY), Field("voltage_max", 7, 16, VOLTAGE),
            Field("temperature_max", 9, 8, TEMPERATURE),
            Field("soc", 10, 16, SOC_FINE), Field("voltage", 12, 16, VOLTAGE),
        ),
        long=True,
    ),
    Message("BRO", 0x0900, 4, True, (1,), 250, (Field("ready", 1, 8),)),
    Message(
        "BCL", 0x1000, 6, True, (5,), 50,
        (Field("voltage", 1, 16, VOLTAGE), Field("current", 3, 16, CURRENT), Field("mode", 5, 8)),  # 1 CV, 2 CC
    ),
    Message(
        "BCS", 0x1100, 7, True, (9,), 250,
        (
            Field("voltage", 1, 16, VOLTAGE), Field("current", 3, 16, CURRENT), Field("cell_voltage_max", 5, 12, CELL),
            Field("cell_group", 6, 4, NUMBER, 5), Field("soc", 7, 8, SOC), Field("remaining", 8, 16, MINUTES),
        ),
        long=True,
    ),
    Message(
        "BSM", 0x1300, 6, True, (7,), 250,
        (
            Field("cell_voltage_max_number", 1, 8, COUNTED_FROM_1), Field("temperature_max", 2, 8, TEMPERATURE),
            Field("temperature_max_number", 3, 8, COUNTED_FROM_1), Field("temperature_min", 4, 8, TEMPERATURE),
            Field("temperature_min_number", 5, 8, COUNTED_FROM_1),
            *flags(
                ("cell_voltage", 6, 1), ("soc", 6, 3), ("over_current", 6, 5), ("over_temperature", 6, 7),
                ("insulation", 7, 1), ("connector", 7, 3), ("permission", 7, 5),
            ),
        ),
    ),
    Message("BMV", 0x1500, 7, True, tuple(range(2, 513, 2)), 10_000, (), long=True),
    Message("BMT", 0x1600, 7, True, tuple(range(1, 129)), 10_000, (), long=True),
    Message("BSP", 0x1700, 7, True, (16,), 10_000, (), long=True),
    Message(
        "BST", 0x1900, 4, True, (4,), 10,
        flags(
            ("soc_reached", 1, 1), ("voltage_reached", 1, 3), ("cell_voltage_reached", 1, 5), ("charger_stopped", 1, 7),
            ("insulation", 2, 1), ("connector_over_temperature", 2, 3), ("element_over_temperature", 2, 5),
            ("connector", 2, 7), ("battery_over_temperature", 3, 1), ("relay", 3, 3), ("detection_point_2", 3, 5),
            ("other", 3, 7), ("over_current", 4, 1), ("voltage_abnormal", 4, 3),
        ),
    ),
    Message(
        "BSD", 0x1C00, 6, True, (7,), 250,
        (
            Field("soc", 1, 8, SOC), Field("cell_voltage_min", 2, 16, CELL), Field("cell_voltage_max", 4, 16, CELL),
            Field("temperature_min", 6, 8, TEMPERATURE), Field("temperature_max", 7, 8, TEMPERATURE),
        ),
    ),
    Message(
        "BEM", 0x1E00, 2, True, (4,), 250,
        flags(
            ("crm_00_timeout", 1, 1), ("crm_aa_timeout", 1, 3), ("cts_cml_timeout", 2, 1), ("cro_timeout", 2, 3),
            ("ccs_timeout", 3, 1), ("cst_timeout", 3, 3), ("csd_timeout", 4, 1),
        )
        + (Field("other", 4, 6, NUMBER, 3),),
    ),
    # V1.12 trial (facts 1.8a).
    Message(
        "BDC", 0x2900, 7, True, (28,), 250,
        (
            Field("vin", 1, 136, TEXT), Field("soc", 18, 8, SOC), Field("capacity", 19, 16, CAPACITY),
            Field("energy", 21, 16, ENERGY), Field("cycles_done", 23, 16), Field("cycles_left", 25, 16),
            Field("range", 27, 16, RANGE),
        ),
        long=True,
    ),
    Message(
        "BCPP", 0x3000, 6, True, (7,), 500,
        (
            Field("current_max", 1, 16, CURRENT), Field("voltage_min", 3, 16, VOLTAGE),
            Field("cell_voltage_min", 5, 16, CELL), Field("soc_min", 7, 8, SOC),
        ),
    ),
    Message(
        "BCSP", 0x3400, 7, True, (8,), 250, (Field("remaining", 1, 16, MINUTES), Field("range", 3, 16, RANGE)),
    ),
)

# The same id and layout as BCL, told apart by its mode 03: never made from the id alone.
BCLP = next(m for m in CAR if m.name == "BCL")._replace(name="BCLP")

BY_NAME = {message.name: message for message in (*CHARGER, *CAR, BCLP)}
BY_ID = {message.id: message for message in (*CHARGER, *CAR)}
BY_PGN = {message.pgn: message for message in CAR if message.long}

# Transport protocol (facts 1.3): car to charger, charger to car.
CAR_CM_ID, CAR_DT_ID = 0x1CEC56F4, 0x1CEB56F4
CHARGER_CM_ID, CHARGER_DT_ID = 0x1CECF456, 0x1CEBF456
