"""MicroPython's `ubinascii` for CPython."""

from binascii import hexlify, unhexlify

__all__ = ["hexlify", "unhexlify"]
