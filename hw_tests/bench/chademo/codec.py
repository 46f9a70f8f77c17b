"""Bytes to signals and back, for every CHAdeMO frame of both sides. The bench's own reading of the protocol.

    name, signals = decode(frame)                    # the house's sign and units, whole numbers
    name, signals = decode(frame, standard=True)     # volts, amperes, kWh and s, the names of chademo.dbc
    frame = encode("102", protocol=2, target_dV=4100, request_dA=60, charge_enabled=1)

Words are little-endian and what is not given is sent as zeros (facts 2.1), which a field counted downwards from 255
reads as its largest magnitude: give those always. Discharge currents are negative (+ charges the car).

Three readings need more than their own frame and are functions of their own: `soc_permille`, `energy_permille`,
`request_dA`.
"""

from typing import Any, NamedTuple

from hw_tests.bench.frame import Frame

Signals = dict[str, Any]
NO_TIME = 0xFF  # a time in 10 s units that is told in minutes instead


class CodecError(ValueError):
    """Bytes or signals that CHAdeMO does not know; the text says which."""


class Kind(NamedTuple):
    """How a raw number is read: `house` unit = (raw - zero) * scale, `standard` unit = (raw - zero) * resolution."""

    house: str
    scale: int
    standard: str
    resolution: float
    zero: int = 0


NUMBER = Kind("", 1, "", 1)
VOLT = Kind("_dV", 10, "_V", 1)
AMPERE = Kind("_dA", 10, "_A", 1)
DOWN = Kind("_dA", 10, "_A", 1, 255)  # 255 minus a discharge current: negative in the house's sign
ENERGY = Kind("_Wh", 100, "_kWh", 0.1)
TEN_SECONDS = Kind("_s", 10, "_s", 10)
MINUTES = Kind("_min", 1, "_min", 1)


class Field(NamedTuple):
    """Where it is: bytes and bits count from 0 (facts 2)."""

    name: str
    byte: int
    bits: int = 8
    kind: Kind = NUMBER
    bit: int = 0


class Message(NamedTuple):
    """One id. `used` masks the bytes with a meaning: the others are 0 (facts 2.1), unless the maker's own."""

    name: str
    id: int
    from_car: bool
    fields: tuple[Field, ...]
    private: bool = False  # bytes without a public meaning

    @property
    def used(self) -> int:
        """All bits of its fields, as one little-endian number."""
        mask = 0
        for field in self.fields:
            mask |= ((1 << field.bits) - 1) << field.byte * 8 + field.bit
        return mask


def _flags(byte: int, *names: str) -> tuple[Field, ...]:
    return tuple(Field(name, byte, 1, NUMBER, bit) for bit, name in enumerate(names) if name)


_HIGH = ("dynamic_control", "high_current_control", "high_voltage_control")

CAR = (
    Message(
        "100", 0x100, True,
        (
            Field("current_min", 0, 8, AMPERE), Field("current_max", 1, 8, AMPERE),
            Field("voltage_min", 2, 16, VOLT), Field("voltage_max", 4, 16, VOLT), Field("soc_reference", 6),
        ),
    ),
    Message(
        "101", 0x101, True,
        (
            Field("time_max", 1, 8, TEN_SECONDS), Field("time_max", 2, 8, MINUTES), Field("time_left", 3, 8, MINUTES),
            Field("capacity", 5, 16, ENERGY),
        ),
    ),
    Message(
        "102", 0x102, True,
        (
            Field("protocol", 0), Field("target", 1, 16, VOLT), Field("request", 3, 8, AMPERE),
            *_flags(4, "over_voltage", "under_voltage", "current_deviation", "over_temperature", "voltage_deviation"),
            *_flags(5, "charge_enabled", "not_in_park", "system_fault", "contactors_open", "stop_before_charge", "",
                    "dynamic_ze0", "discharge_compatible"),
            Field("soc_raw", 6),
        ),
    ),
    Message("103", 0x103, True, (Field("voltage", 0, 16, VOLT),), private=True),
    Message("110", 0x110, True, (*_flags(0, *_HIGH), Field("request_extended", 1, 16, AMPERE)), private=True),
    Message(
        "200", 0x200, True,
        (
            Field("discharge_max", 0, 8, DOWN), Field("discharge_voltage_min", 4, 16, VOLT),
            Field("energy_min_raw", 6), Field("energy_max_raw", 7),
        ),
    ),
    Message(
        "201", 0x201, True,
        (Field("sequence", 0), Field("discharge_time", 1, 16, MINUTES), Field("energy_available", 3, 16, ENERGY)),
        private=True,
    ),
    Message("202", 0x202, True, (Field("vendor_low", 0, 32), Field("vendor_high", 4, 32)), private=True),
    Message("700", 0x700, True, (Field("maker", 0), Field("vendor_low", 1, 24), Field("vendor_high", 4, 32)),
            private=True),
)  # fmt: skip

CHARGER = (
    Message(
        "108", 0x108, False,
        (
            Field("weld_detection", 0), Field("voltage_available", 1, 16, VOLT),
            Field("current_available", 3, 8, AMPERE), Field("voltage_threshold", 4, 16, VOLT),
        ),
    ),
    Message(
        "109", 0x109, False,
        (
            Field("protocol", 0), Field("voltage", 1, 16, VOLT), Field("current", 3, 8, AMPERE),
            *_flags(4, "discharge_compatible"),
            *_flags(5, "charging", "charger_fault", "locked", "battery_incompatible", "system_fault", "stop_control"),
            Field("time_left", 6, 8, TEN_SECONDS), Field("time_left", 7, 8, MINUTES),
        ),
    ),
    Message("118", 0x118, False, _flags(0, *_HIGH), private=True),
    Message(
        "208", 0x208, False,
        (
            Field("current", 0, 8, DOWN), Field("input_voltage", 1, 16, VOLT), Field("discharge_max", 3, 8, DOWN),
            Field("voltage_threshold", 6, 16, VOLT),
        ),
    ),
    Message("209", 0x209, False, (Field("sequence", 0), Field("discharge_time", 1, 16, MINUTES))),
)  # fmt: skip

BY_ID = {message.id: message for message in (*CAR, *CHARGER)}
BY_NAME = {message.name: message for message in (*CAR, *CHARGER)}
FAULTS = ("over_voltage", "under_voltage", "current_deviation", "over_temperature", "voltage_deviation")


def decode(frame: Frame, standard: bool = False) -> tuple[str, Signals]:
    """Name and signals of one frame. Raises CodecError for what CHAdeMO does not know."""
    if frame.ext:
        raise CodecError(f"extended id {frame.id:08X}: CHAdeMO knows 11-bit ones only")
    message = BY_ID.get(frame.id)
    if message is None:
        raise CodecError(f"id {frame.id:03X} is unknown")
    if len(frame.data) != 8:
        raise CodecError(f"{message.name}: {len(frame.data)} bytes, not 8")
    bits = int.from_bytes(frame.data, "little")
    return message.name, dict(_read(field, bits, standard) for field in message.fields)


def _read(field: Field, bits: int, standard: bool) -> tuple[str, Any]:
    raw = bits >> field.byte * 8 + field.bit & (1 << field.bits) - 1
    kind = field.kind
    if standard:
        return field.name + kind.standard, round((raw - kind.zero) * kind.resolution, 1)
    return field.name + kind.house, (raw - kind.zero) * kind.scale


def stray(frame: Frame) -> int:
    """Bits that are set although they have no meaning (facts 2.1: unused bytes are 0); 0 for the makers' own frames."""
    message = BY_ID[frame.id]
    return 0 if message.private else int.from_bytes(frame.data, "little") & ~message.used


def encode(name: str, **signals: Any) -> Frame:
    """A frame from signals in the house's sign and units."""
    message = BY_NAME[name]
    bits = 0
    for field in message.fields:
        value = signals.pop(field.name + field.kind.house, None)
        if value is not None:
            bits |= _write(field, value, name) << field.byte * 8 + field.bit
    if signals:
        raise CodecError(f"{name} has no {', '.join(signals)}")
    return Frame(message.id, False, bits.to_bytes(8, "little"))


def _write(field: Field, value: Any, name: str) -> int:
    kind = field.kind
    raw = int(value) // kind.scale + kind.zero
    if int(value) % kind.scale:
        raise CodecError(f"{name}.{field.name}: {value} is no multiple of {kind.scale}")
    if not 0 <= raw < 1 << field.bits:
        raise CodecError(f"{name}.{field.name}: {value} does not fit in {field.bits} bits")
    return raw


def soc_permille(soc_raw: int, reference: int) -> int | None:
    """State of charge from 102.6 over 100.6 (facts 2.2); None where it can be none (garbage of the first frames)."""
    if not reference or soc_raw > reference:
        return None
    return soc_raw * 1000 // reference


def energy_permille(raw: int, capacity_Wh: int, sequence: int | None) -> int | None:
    """200.6 or 200.7 as a state of charge: 0.1 kWh of the rated capacity where 201.0 is absent or 0, else per cent
    (facts 2.2). None: unused (0) or garbage."""
    if raw == 0 or raw == 255:
        return None
    if sequence in (1, 2):
        return raw * 10 if raw <= 100 else None
    if capacity_Wh <= 0 or raw * 100 > capacity_Wh:
        return None
    return raw * 100 * 1000 // capacity_Wh


def request_dA(signals_102: Signals, signals_110: Signals | None) -> int:
    """The current that the car asks for: FF in 102.3 points to 110 (facts 2.2)."""
    if signals_102["request_dA"] == 2550 and signals_110 is not None and signals_110["high_current_control"]:
        return int(signals_110["request_extended_dA"])
    return int(signals_102["request_dA"])
