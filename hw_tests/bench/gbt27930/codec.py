"""Bytes to signals and back, for every GB/T 27930 message of both sides. The bench's own reading of the standard.

    name, signals = decode(frame)                    # the house's sign and units, whole numbers
    name, signals = decode(frame, standard=True)     # the standard's own sign and units
    frame = encode("BCL", voltage_dV=4000, current_dA=200, mode=2)
    data = payload("BRM", ...)                       # the long ones, for the transport protocol

What is not given is sent as ones (facts 1.1). A field that lies beyond the received bytes is left out of the signals.
"""

from collections.abc import Mapping
from typing import Any

from ..frame import Frame
from .messages import (
    BCD,
    BY_ID,
    BY_NAME,
    BY_PGN,
    CAR_CM_ID,
    CAR_DT_ID,
    CHARGER_CM_ID,
    CHARGER_DT_ID,
    CURRENT,
    TEMPERATURE,
    TEXT,
    Field,
    Message,
)  # fmt: skip

Signals = dict[str, Any]
MODE_CV, MODE_CC, MODE_DISCHARGE = 1, 2, 3
MAX_LENGTH = 1785  # of a transport message: 255 packets of 7
_TP_CONTROL = {0x10: "TP.RTS", 0x11: "TP.CTS", 0x13: "TP.EOMA", 0xFF: "TP.ABORT"}


class CodecError(ValueError):
    """Bytes or signals that the standard does not know; the text says which."""


def _text(raw: int, size: int) -> str:
    return raw.to_bytes(size, "little").rstrip(b"\x00\xff").decode("latin-1")


def _bcd(raw: int, size: int) -> int | None:
    """Decimal digits, low byte first; None where there are none (all FF, or garbage: facts 1.4 CTS)."""
    digits = raw.to_bytes(size, "big").hex()
    return int(digits) if digits.isdigit() else None


def _read(field: Field, bits: int, standard: bool) -> tuple[str, Any]:
    raw = bits >> ((field.byte - 1) * 8 + field.bit - 1) & ((1 << field.bits) - 1)
    kind = field.kind
    if kind is TEXT:
        return field.name, _text(raw, field.bits // 8)
    if kind is BCD:
        return field.name, _bcd(raw, field.bits // 8)
    if standard:
        value = (raw - kind.zero) * kind.resolution
        return field.name + kind.standard, round(value, 2) if isinstance(value, float) else value
    return field.name + kind.house, (raw - kind.zero) * kind.scale


def _lists(message: Message, data: bytes, standard: bool) -> Signals:
    """BMV, BMT and BSP: as many elements as there are bytes."""
    if message.name == "BMV":
        words = [data[i] | data[i + 1] << 8 for i in range(0, len(data), 2)]
        groups = tuple(word >> 12 for word in words)
        if standard:
            return {"cell_V": tuple(round((word & 0xFFF) * 0.01, 2) for word in words), "group": groups}
        return {"cell_mV": tuple((word & 0xFFF) * 10 for word in words), "group": groups}
    if message.name == "BMT":
        name = "temperature" + (TEMPERATURE.standard if standard else TEMPERATURE.house)
        return {name: tuple((raw - TEMPERATURE.zero) * (1 if standard else TEMPERATURE.scale) for raw in data)}
    return {"reserved": bytes(data)}


def decode_payload(message: Message | str, data: bytes, standard: bool = False) -> tuple[str, Signals]:
    """The signals of a message whose bytes are complete."""
    if isinstance(message, str):
        message = BY_NAME[message]
    if len(data) not in message.lengths:
        raise CodecError(f"{message.name}: {len(data)} bytes, not {' or '.join(map(str, message.lengths[:4]))}")
    if message.name in ("BMV", "BMT", "BSP"):
        return message.name, _lists(message, data, standard)
    bits = int.from_bytes(data, "little")
    have = len(data) * 8
    signals = dict(
        _read(field, bits, standard)
        for field in message.fields
        if (field.byte - 1) * 8 + field.bit - 1 + field.bits <= have
    )
    name = "BCLP" if message.name == "BCL" and signals["mode"] == MODE_DISCHARGE else message.name
    return name, signals


def decode_transport(frame: Frame) -> tuple[str, Signals]:
    """A frame of the transport protocol: RTS, CTS, EoMA, abort or a data packet (facts 1.3)."""
    data = frame.data
    if len(data) != 8:
        raise CodecError(f"TP: {len(data)} bytes, not 8")
    if frame.id in (CAR_DT_ID, CHARGER_DT_ID):
        return "TP.DT", {"sequence": data[0], "data": bytes(data[1:])}
    name = _TP_CONTROL.get(data[0])
    if name is None:
        raise CodecError(f"TP: control byte {data[0]:02X}")
    signals: Signals = {"pgn": data[5] | data[6] << 8 | data[7] << 16}
    if name in ("TP.RTS", "TP.EOMA"):
        signals |= {"size": data[1] | data[2] << 8, "packets": data[3]}
    if name == "TP.RTS":
        signals["packets_per_cts"] = data[4]
    elif name == "TP.CTS":
        signals |= {"packets": data[1], "next": data[2]}
    elif name == "TP.ABORT":
        signals["reason"] = data[1]
    return name, signals


def decode(frame: Frame, standard: bool = False) -> tuple[str, Signals]:
    """Name and signals of one frame. Raises CodecError for what GB/T 27930 does not know."""
    if not frame.ext:
        raise CodecError(f"standard id {frame.id:03X}: GB/T 27930 knows extended ones only")
    if frame.id in (CAR_CM_ID, CAR_DT_ID, CHARGER_CM_ID, CHARGER_DT_ID):
        return decode_transport(frame)
    message = BY_ID.get(frame.id)
    if message is None:
        raise CodecError(f"id {frame.id:08X} is unknown")
    return decode_payload(message, frame.data, standard)


def raw_current(current_A: float) -> int:
    """Wire value of a current, + charges: 0.1 A a bit, 0 A is 4000, held within the usable range (facts 1.1)."""
    return min(8000, max(0, CURRENT.zero - round(current_A * 10)))


def _write(field: Field, value: Any, name: str) -> int:
    kind = field.kind
    if kind is TEXT:
        return int.from_bytes(str(value).encode("latin-1")[: field.bits // 8].ljust(field.bits // 8, b"\xff"), "little")
    if kind is BCD:
        return int.from_bytes(bytes.fromhex(f"{value:0{field.bits // 4}d}"), "big")
    if value % kind.scale:
        raise CodecError(f"{name}: {value} is no multiple of {abs(kind.scale)}")
    raw = value // kind.scale + kind.zero
    if not 0 <= raw < 1 << field.bits:
        raise CodecError(f"{name}: {value} does not fit in {field.bits} bits")
    return raw


def payload(name: str, length: int | None = None, **signals: Any) -> bytes:
    """The bytes of a message from signals in the house's sign and units."""
    message = BY_NAME[name]
    if name == "BMV":
        pairs = zip(signals["cell_mV"], signals["group"], strict=True)
        return b"".join((mV // 10 | group << 12).to_bytes(2, "little") for mV, group in pairs)
    if name == "BMT":
        return bytes(dC // 10 + TEMPERATURE.zero for dC in signals["temperature_dC"])
    if name == "BSP":
        return bytes(signals["reserved"])
    length = message.lengths[0] if length is None else length
    bits = (1 << length * 8) - 1
    for field in message.fields:
        value = signals.pop(field.name + field.kind.house, None)
        if value is not None:
            shift = (field.byte - 1) * 8 + field.bit - 1
            mask = ((1 << field.bits) - 1) << shift
            bits = bits & ~mask | _write(field, value, f"{name}.{field.name}") << shift
    if signals:
        raise CodecError(f"{name} has no {', '.join(signals)}")
    return (bits & ((1 << length * 8) - 1)).to_bytes(length, "little")


def encode(name: str, length: int | None = None, **signals: Any) -> Frame:
    """A single-frame message from signals in the house's sign and units."""
    message = BY_NAME[name]
    if message.long:
        raise CodecError(f"{name} is long: payload() and the transport protocol")
    return Frame(message.id, True, payload(name, length, **signals))


def cleared(name: str, values: Mapping[str, int] | None = None) -> Frame:
    """A message of two-bit states (BST, CST, BEM, CEM): all `no` save those given."""
    message = BY_NAME[name]
    states: Signals = {field.name: 0 for field in message.fields if field.bits == 2}
    return encode(name, **(states | dict(values or {})))


def long_message(pgn: int) -> Message:
    """The long message of a PGN as a transport frame names it."""
    if pgn not in BY_PGN:
        raise CodecError(f"no long message has the PGN {pgn:06X}")
    return BY_PGN[pgn]
