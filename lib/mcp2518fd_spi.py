# The wires of the MCP2518FD: instructions, registers of four bytes, low byte first, and reads with a CRC. Allocates
# nothing. What goes out and comes in lies in buffers for all chips: a transaction happens under canbase's lock.
from array import array

from canbase import EIO, Controller
from micropython import const
from uctypes import addressof, bytearray_at

_BURST = const(8)  # objects of 16 bytes a read
_TRIES = const(3)

OUT = bytearray(5 + 16 * _BURST)
_HALVES = array("H", [0] * (3 + 8 * _BURST))
IN = bytearray_at(addressof(_HALVES), 5 + 16 * _BURST)  # the same memory. A checked read: the data from byte 3 on
# By words: an instruction, a length, so many words, a CRC; and the halves from the length to the CRC's first byte.
OUTS = [memoryview(OUT)[: 5 + 4 * n] for n in range(4 * _BURST + 1)]
INS = [memoryview(IN)[: 5 + 4 * n] for n in range(4 * _BURST + 1)]
_COVERED = [memoryview(_HALVES)[1 : 2 + 2 * n] for n in range(4 * _BURST + 1)]
_OUT3 = bytearray(3)
_IN3 = bytearray(3)
_OUT4 = bytearray(4)
_OUT6 = bytearray(6)


def _tables():
    # CRC-16, polynomial 0x8005: of a byte, and of a byte that one more follows. Two bytes a step, and all with the
    # bytes of a half changed round, as they lie in a little-endian memory.
    one = array("H", [0] * 256)
    for byte in range(256):
        crc = byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x8005) & 0xFFFF if crc & 0x8000 else crc << 1
        one[byte] = crc
    two = [(crc << 8 & 0xFF00) ^ one[crc >> 8] for crc in one]
    return array("H", [_turned(crc) for crc in one]), array("H", [_turned(crc) for crc in two])


def _turned(half):
    return half >> 8 | half << 8 & 0xFF00


_CRC1, _CRC2 = _tables()


def fits(words):
    # Is the CRC right that follows so many words of the last checked read? The first of its bytes goes through the sum
    # with the last of the data; the sum is then the other one, if it is right.
    one = _CRC1
    two = _CRC2
    IN[2] = OUT[2]
    crc = 0xFFFF ^ (OUT[0] | OUT[1] << 8)
    crc = two[crc & 255] ^ one[crc >> 8]
    for half in _COVERED[words]:
        crc ^= half
        crc = two[crc & 255] ^ one[crc >> 8]
    return crc == IN[4 + 4 * words]


def pack(into, at, can_id, ext):
    # An id as an object, a filter and a mask have it: SID below, EID from bit 11 on.
    if ext:
        into[at + 2] = can_id >> 5 & 255
        into[at + 3] = can_id >> 13 & 31
        into[at + 1] = (can_id & 31) << 3 | can_id >> 26
        into[at] = can_id >> 18 & 255
    else:
        into[at] = can_id & 255
        into[at + 1] = can_id >> 8
        into[at + 2] = into[at + 3] = 0


class Wired(Controller):
    retried = 0  # reads whose CRC did not fit
    _byte = 1  # what made no sense: 0 or 255 a dead wire, 256 a reset

    def _set(self, address, value):
        # One byte of a register.
        _OUT3[0] = 0x20 | address >> 8
        _OUT3[1] = address & 255
        _OUT3[2] = value
        self._put(_OUT3)

    def _set2(self, address, low, high):
        _OUT4[0] = 0x20 | address >> 8
        _OUT4[1] = address & 255
        _OUT4[2] = low
        _OUT4[3] = high
        self._put(_OUT4)

    def _get(self, address):
        # One byte, unchecked: of what is read so bits 7, 15, 23 and 31 may be wrong.
        _OUT3[0] = 0x30 | address >> 8
        _OUT3[1] = address & 255
        self._exchange(_OUT3, _IN3)
        return _IN3[2]

    def _word(self, address, values, at=0):
        # A register, or a word of RAM.
        _OUT6[0] = 0x20 | address >> 8
        _OUT6[1] = address & 255
        for i in range(4):
            _OUT6[2 + i] = values[at + i]
        self._put(_OUT6)

    def _same(self, address, values, at=0):
        if not self._checked(address, 1):
            return False
        for i in range(4):
            if IN[3 + i] != values[at + i]:
                return False
        return True

    def _checked(self, address, words):
        # READ_CRC, again if it does not fit (erratum 789-1). False: it never fitted.
        OUT[0] = 0xB0 | address >> 8
        OUT[1] = address & 255
        OUT[2] = words if address & 0xC00 == 0x400 or address & 0xC00 == 0x800 else 4 * words  # of RAM: words
        for _ in range(_TRIES):
            self._exchange(OUTS[words], INS[words])
            if fits(words):
                return True
            self.retried += 1
        return False

    def _sure(self, address, words):
        # The same or OSError: nothing that is read can be trusted.
        if not self._checked(address, words):
            self._byte = IN[3] if IN[3] == IN[4] == IN[5] == IN[6] else 1
            raise OSError(EIO)
