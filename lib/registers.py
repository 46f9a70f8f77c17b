# Numbers from 16-bit registers into whole numbers of 31 bits, without a float and without an allocation. None: there is
# no such number (not a number, infinite, too large).
from micropython import const

_LIMIT = const(0x3FFFFFFF)


def float32(high, low, scale):
    # IEEE 754 single precision, high word first, times `scale` (1 to 1000), to the nearest whole number.
    #
    # Its mantissa has 24 bits: of a register in kWh remain 0.06 Wh at 1 MWh, 1 Wh at 16 MWh, 8 Wh at 131 MWh and
    # 62 Wh at 1,000 MWh. What is above 1,073,000,000 has no place in 31 bits and may be None.
    shift = 138 - (high >> 7 & 255)  # of `upper`: 150 - 12
    if shift == 138:
        return 0  # zero, and what is smaller than anything that is measured
    if shift == -117:
        return None
    # The product has 34 bits: its upper 22 and lower 12 are kept apart.
    lower = (low & 0xFFF) * scale
    upper = ((high & 0x7F | 0x80) << 4 | low >> 12) * scale + (lower >> 12)
    if shift > 24:
        return 0
    if shift > 0:
        upper = (upper + (1 << shift - 1)) >> shift
    else:
        upper = _large(upper, lower & 0xFFF, -shift)
    return -upper if upper and high & 0x8000 else upper


def _large(upper, lower, shift):
    if upper >= (_LIMIT >> shift) - 1:
        return None
    if shift < 12:
        return (upper << shift) + ((lower + (1 << 11 - shift)) >> 12 - shift)
    return (upper << shift) + (lower << shift - 12)


def unsigned32(high, low):
    return high << 16 | low if high < 0x4000 else None


def signed16(word):
    return word - 0x10000 if word & 0x8000 else word


def decimal(value, power):
    # value * 10^power, cut off.
    while power < 0 and value:
        value = value // 10 if value > 0 else -(-value // 10)
        power += 1
    while power > 0 and value:
        if not -_LIMIT // 10 < value < _LIMIT // 10:
            return None
        value *= 10
        power -= 1
    return value
