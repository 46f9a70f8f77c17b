"""Frames that have no place on a CHAdeMO bus."""

from random import Random

from hw_tests.bench.chademo.codec import CAR
from hw_tests.bench.frame import Frame

_OWN = [message.id for message in CAR]

# A GB/T 27930-2015 car in the middle of a session, and a foreign charger's 708.
OTHER_PROTOCOLS = [
    Frame(0x181056F4, True, bytes.fromhex("A0 0F 8C 14 01")),
    Frame(0x181356F4, True, bytes.fromhex("01 5A 02 58 1C 00 D0")),
    Frame(0x100956F4, True, bytes.fromhex("AA")),
    Frame(0x708, False, bytes.fromhex("01 02 00 00 06 00 00 00")),
]


def garbage(random: Random, own_ids: bool) -> Frame:
    """A frame of random bytes and length; `own_ids`: under an id that the car really uses."""
    data = random.randbytes(random.randint(0, 8))
    if own_ids:
        return Frame(random.choice(_OWN), False, data)
    if random.random() < 0.5:
        return Frame(random.randrange(0x800), False, data)
    return Frame(random.randrange(1 << 29), True, data)
