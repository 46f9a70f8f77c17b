"""MicroPython's uctypes, as far as the drivers use it: two views of one memory."""

import ctypes
from array import array


def addressof(memory: "array[int]") -> int:
    """Where the items lie; they stay there while the array lives and keeps its length."""
    return memory.buffer_info()[0]


def bytearray_at(address: int, size_B: int) -> memoryview:
    """The bytes there, to be read and written."""
    return memoryview((ctypes.c_ubyte * size_B).from_address(address)).cast("B")
