"""Registers into whole numbers. Runs on CPython and on MicroPython."""

import struct

from lib.registers import decimal, float32, signed16, unsigned32

LIMIT = 1 << 30


def words(value):
    return struct.unpack(">HH", struct.pack(">f", value))


def scaled(value, scale):
    return float32(*words(value), scale)


def test_what_a_meter_says():
    assert scaled(230.5, 10) == 2305
    assert scaled(-7361.4, 1) == -7361
    assert scaled(49.987, 1000) == 49987
    assert scaled(0.0, 1000) == 0 and scaled(-0.0, 1) == 0
    assert scaled(0.4, 1) == 0 and scaled(0.6, 1) == 1 and scaled(-0.6, 1) == -1
    assert scaled(1e-20, 1000) == 0 and float32(0, 1, 1000) == 0


def test_kWh_in_Wh_as_fine_as_the_float_is():
    for kWh in (0.001, 0.5, 1.0, 999.999, 1234.56, 16383.5, 54321.0, 131072.75, 999999.0):
        exact = struct.unpack(">f", struct.pack(">f", kWh))[0]
        assert abs(scaled(kWh, 1000) - int(exact * 1000 + 0.5)) <= 1, kWh


def test_what_is_no_number():
    for high, low in ((0x7F80, 0), (0xFF80, 0), (0x7FC0, 0), (0x7F80, 1), (0x7F7F, 0xFFFF), (0xFF7F, 0xFFFF)):
        assert float32(high, low, 1) is None


def test_the_end_of_31_bits():
    assert scaled(1073000000.0, 1) == 1073000000 and scaled(-1073000000.0, 1) == -1073000000
    assert scaled(1073741824.0, 1) is None and scaled(-1073741824.0, 1) is None
    assert scaled(1073740.5, 1000) == 1073740500
    assert scaled(1073741.875, 1000) is None
    assert scaled(2.3e8, 1) == 230000000


def test_every_exponent_against_whole_numbers_of_any_length():
    for exponent in range(1, 255):
        for mantissa in (0, 1, 0x2AAAAA, 0x555555, 0x7FFFFF):
            raw = exponent << 23 | mantissa
            value = float32(raw >> 16, raw & 0xFFFF, 1000)
            number, shift = (mantissa | 1 << 23) * 1000, 150 - exponent  # exactly number / 2^shift
            if value is None:
                assert number >> shift >= LIMIT - (1 << 19) if shift >= 0 else number << -shift >= LIMIT - (1 << 19)
            elif shift >= 0:
                off = abs((value << shift) - number)
                assert off * 2 <= (1 << shift) + (1 << 13), exponent  # the lowest bits are cut off
            else:
                assert value == number << -shift


def test_whole_registers():
    assert unsigned32(0, 0) == 0 and unsigned32(1, 2) == 65538
    assert unsigned32(0x3FFF, 0xFFFF) == LIMIT - 1 and unsigned32(0x4000, 0) is None
    assert signed16(0x7FFF) == 32767 and signed16(0x8000) == -32768 and signed16(0xFFFF) == -1


def test_powers_of_ten():
    assert decimal(1234, -2) == 12 and decimal(-1234, -2) == -12 and decimal(12, 3) == 12000
    assert decimal(5, -9) == 0 and decimal(0, 20) == 0
    assert decimal(-32768, 4) == -327680000
    assert decimal(32767, 5) is None and decimal(-32768, 5) is None
