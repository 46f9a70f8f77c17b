"""A CAN frame as the bench passes it around."""

from typing import NamedTuple


class Frame(NamedTuple):
    """A classic CAN data frame: 11 or 29 bit `id`, `ext` for 29 bits, 0 to 8 bytes of `data`."""

    id: int
    ext: bool
    data: bytes
