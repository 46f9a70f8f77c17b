"""Frames that have no place on a GB/T 27930 bus."""

from random import Random

from ..frame import Frame
from .messages import CAR, CAR_CM_ID, CAR_DT_ID

_OWN = [message.id for message in CAR] + [CAR_CM_ID, CAR_DT_ID]

# A CHAdeMO car and the version offer of GB/T 27930.2-2024 (facts 1.9).
OTHER_PROTOCOLS = [
    Frame(0x100, False, bytes.fromhex("00 00 00 00 9A 01 F0 00")),
    Frame(0x101, False, bytes.fromhex("00 FF 3C 3C 00 90 01 00")),
    Frame(0x102, False, bytes.fromhex("02 9A 01 32 00 09 50 00")),
    Frame(0x200, False, bytes.fromhex("C8 00 00 00 5E 01 14 05")),
    Frame(0x0C3956F4, True, bytes.fromhex("00 00 02 00 00 01 01 FF")),
    Frame(0x183456F4, True, bytes.fromhex("00 03 10 00 FF FF FF FF")),
]


def garbage(random: Random, own_ids: bool) -> Frame:
    """A frame of random bytes and length; `own_ids`: under an id that the BMS really uses."""
    data = random.randbytes(random.randint(0, 8))
    if own_ids:
        return Frame(random.choice(_OWN), True, data)
    if random.random() < 0.5:
        return Frame(random.randrange(0x800), False, data)
    return Frame(random.randrange(1 << 29), True, data)
