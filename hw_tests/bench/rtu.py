"""Modbus RTU as a slave speaks it: the bench's own reading of the line, no code of the firmware.

`RtuSlave.answer(frame)` gives the reply to one whole request, b"" if it is not for this slave or is spoiled.
"""

import struct
from collections.abc import Mapping

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3


def crc16(data: bytes) -> int:
    """CRC-16 of Modbus over serial line, bit by bit."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return value


def sealed(body: bytes) -> bytes:
    """The frame of `body`: its CRC behind it, low byte first."""
    return body + struct.pack("<H", crc16(body))


def float_words(value: float) -> tuple[int, int]:
    """IEEE 754 single precision as two registers, high word first."""
    high, low = struct.unpack(">HH", struct.pack(">f", value))
    return high, low


def length_of(start: bytes) -> int:
    """Bytes that the request beginning with `start` has; 0 if that cannot be said yet."""
    if len(start) < 2:
        return 0
    if start[1] == 16:
        return 9 + start[6] if len(start) > 6 else 0
    return 8


class RtuSlave:
    """One address on the line. Registers come from `holding` and `inputs`, made anew for each request."""

    def __init__(self, address: int):
        self.address = address
        self.silent = False

    def holding(self) -> Mapping[int, int]:
        """Registers for function 3."""
        return {}

    def inputs(self) -> Mapping[int, int]:
        """Registers for function 4."""
        return {}

    def write(self, address: int, value: int) -> bool:
        """Functions 6 and 16; False if there is no such register."""
        return False

    def answer(self, frame: bytes) -> bytes:
        """The reply to a request."""
        if self.silent or len(frame) < 4 or frame[0] != self.address or crc16(frame) != 0:
            return b""
        function = frame[1]
        address, value = struct.unpack(">HH", frame[2:6])
        if function in (3, 4):
            return self._read(function, address, value)
        if function == 6:
            return bytes(frame) if self.write(address, value) else self._refusal(function, ILLEGAL_ADDRESS)
        if function == 16:
            values = struct.unpack(f">{value}H", frame[7 : 7 + 2 * value])
            if all([self.write(address + at, each) for at, each in enumerate(values)]):
                return sealed(frame[:6])
            return self._refusal(function, ILLEGAL_ADDRESS)
        return self._refusal(function, ILLEGAL_FUNCTION)

    def _read(self, function: int, address: int, count: int) -> bytes:
        registers = self.holding() if function == 3 else self.inputs()
        places = range(address, address + count)
        if not 1 <= count <= 125:
            return self._refusal(function, ILLEGAL_VALUE)
        if any(place not in registers for place in places):
            return self._refusal(function, ILLEGAL_ADDRESS)
        words = [registers[place] & 0xFFFF for place in places]
        return sealed(bytes((self.address, function, 2 * count)) + struct.pack(f">{count}H", *words))

    def _refusal(self, function: int, code: int) -> bytes:
        return sealed(bytes((self.address, function | 0x80, code)))
