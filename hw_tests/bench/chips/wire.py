"""A classic CAN frame as the bits on the wire: its length with the real stuff bits, and who wins an arbitration.

A frame is a plain tuple (id, ext, rtr, dlc, data): dlc 0 to 15 (more than 8 means 8 bytes), no data in a remote frame.
"""

ID, EXT, RTR, DLC, DATA = range(5)
TAIL_bits = 10  # CRC delimiter, ACK slot and delimiter, end of frame: never stuffed
ACK_bits = 8  # of these, what follows the ACK slot
PAUSE_bits = 3  # intermission
_CRC_POLYNOMIAL = 0x4599


def frame(can_id, data=b"", ext=0, rtr=0, dlc=None):
    """The tuple. A remote frame's length is that of `data`, as machine.CAN.send() has it."""
    length = len(data) if dlc is None else dlc
    if can_id >> (29 if ext else 11) or not 0 <= length <= 15 or (not rtr and len(data) != min(length, 8)):
        raise ValueError("no CAN frame")
    return (can_id, 1 if ext else 0, 1 if rtr else 0, length, b"" if rtr else bytes(data))


def arbitration(f):
    """The arbitration field as an integer: the lower one wins, bit by bit; equal ones are a collision."""
    if f[EXT]:  # 11 bits, SRR and IDE recessive, 18 bits, RTR
        return (f[ID] >> 18) << 21 | 3 << 19 | (f[ID] & 0x3FFFF) << 1 | f[RTR]
    return f[ID] << 21 | f[RTR] << 20  # 11 bits, RTR, IDE dominant


def _fields(f):
    """(value, bits) from start of frame to the last data byte."""
    if f[EXT]:
        head = [(0, 1), (f[ID] >> 18, 11), (3, 2), (f[ID] & 0x3FFFF, 18), (f[RTR], 1), (0, 2), (f[DLC], 4)]
    else:
        head = [(0, 1), (f[ID], 11), (f[RTR], 1), (0, 2), (f[DLC], 4)]
    for byte in f[DATA]:
        head.append((byte, 8))
    return head


class _Counter:
    """Counts the bits on the wire, a stuff bit after five equal ones, and forms the check sum."""

    def __init__(self):
        self.bits = self.crc = 0
        self._last = 1
        self._run = 0

    def put(self, value, width):
        for at in range(width - 1, -1, -1):
            bit = value >> at & 1
            self.crc = (self.crc << 1) ^ (_CRC_POLYNOMIAL if (self.crc >> 14 & 1) ^ bit else 0)
            self.crc &= 0x7FFF
            self._wire(bit)

    def _wire(self, bit):
        self.bits += 1
        self._run = self._run + 1 if bit == self._last and self.bits > 1 else 1
        self._last = bit
        if self._run == 5:
            self.bits += 1  # the stuff bit, which may begin the next run
            self._last = 1 - bit
            self._run = 1


def length_bits(f):
    """Bits from the start of frame to the end of frame, without the intermission."""
    counter = _Counter()
    for value, width in _fields(f):
        counter.put(value, width)
    counter.put(counter.crc, 15)
    return counter.bits + TAIL_bits


def check_sum(f):
    """The frame's CRC-15."""
    counter = _Counter()
    for value, width in _fields(f):
        counter.put(value, width)
    return counter.crc
