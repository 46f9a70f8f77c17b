"""How long a CAN frame is on the wire, and who wins the bus."""

from hw_tests.bench.frame import Frame

_FIXED_STD, _FIXED_EXT = 47, 67  # all bits but data and stuffing, with the 3 bits between frames
_HEADER_STUFF = 3  # identifier and check sum, on average


def _stuff(byte: int) -> float:
    """Stuff bits that one byte costs on average: one for every 5 equal bits in a row, some across its ends."""
    longest, run = 1, 1
    for bit in range(1, 8):
        run = run + 1 if (byte >> bit & 1) == (byte >> (bit - 1) & 1) else 1
        longest = max(longest, run)
    return 1.6 if longest == 8 else 1.0 if longest >= 5 else 0.25 if longest >= 3 else 0.05


_STUFF = [_stuff(byte) for byte in range(256)]


def bit_length(frame: Frame) -> int:
    """Bits including an estimate of the stuffing: 120 to 160 for 29 bit ids and 8 bytes."""
    fixed = _FIXED_EXT if frame.ext else _FIXED_STD
    return fixed + 8 * len(frame.data) + _HEADER_STUFF + int(sum([_STUFF[byte] for byte in frame.data]))


def priority(frame: Frame) -> int:
    """The lower one wins: by the first 11 bits, then standard before extended, then the other 18."""
    if frame.ext:
        return (frame.id >> 18) << 19 | 1 << 18 | frame.id & 0x3FFFF
    return frame.id << 19
