"""The message memory of the MCP2518FD: FIFOs, the transmit queue and the acceptance filters. Facts: DS20005678.

An object in RAM is two words of head (id, flags), a time stamp if it is a received one that wants it, and the data.
"""

from hw_tests.bench.chips.wire import arbitration, frame

RAM, RAM_B = 0x400, 2048
_PAYLOAD_B = (8, 12, 16, 20, 24, 32, 48, 64)
# C1FIFOCON
TXEN, RXTSEN, RXOVIE, UINC, TXREQ, FRESET = 1 << 7, 1 << 5, 1 << 3, 1 << 8, 1 << 9, 1 << 10
# C1FIFOSTA
NOT_EMPTY, HALF, FULL, RXOVIF, TXERR, TXLARB, TXABT = 1, 2, 4, 8, 1 << 5, 1 << 6, 1 << 7


class Fifo:
    """One FIFO, or the queue (number 0), which sends the lowest id first."""

    def __init__(self, number):
        self.number = number
        self.con = 0x00600000 | (0x80 if number == 0 else 0) | FRESET
        self.base = 0
        self.reset()

    def reset(self):
        """FRESET: empty, and the indices are zero."""
        self.head = self.tail = self.count = 0
        self.flags = 0
        self.aborting = False
        self.held = []  # of the queue: which places hold a message
        self.con &= ~TXREQ

    @property
    def tx(self):
        return self.con & TXEN != 0

    @property
    def depth(self):
        return (self.con >> 24 & 31) + 1

    @property
    def object_B(self):
        stamp = 4 if self.con & RXTSEN and not self.tx else 0
        return 8 + _PAYLOAD_B[self.con >> 29] + stamp

    @property
    def priority(self):
        return self.con >> 16 & 31

    def address(self, index):
        """Where this object is, in the chip's address space."""
        return RAM + self.base + index * self.object_B

    def user(self):
        """The index that C1FIFOUA points to: where the user writes, or reads, next."""
        if self.number == 0:
            free = [i for i in range(self.depth) if i not in self.held]
            return free[0] if free else 0
        return self.head if self.tx else self.tail

    def increment(self):
        """UINC. It does nothing where there is no room, or nothing to take: False."""
        if self.tx:
            if self.count == self.depth:
                return False
            if self.number == 0:
                self.held.append(self.user())
            self.head = (self.head + 1) % self.depth
            self.count += 1
        else:
            if not self.count:
                return False
            self.tail = (self.tail + 1) % self.depth
            self.count -= 1
        return True

    def status(self):
        """C1FIFOSTA, or C1TXQSTA."""
        n, depth = self.count, self.depth
        if self.tx:
            bits = (NOT_EMPTY if n < depth else 0) | (HALF if n <= depth // 2 else 0) | (FULL if n == 0 else 0)
            index = self.tail
        else:
            bits = (NOT_EMPTY if n else 0) | (HALF if n >= (depth + 1) // 2 else 0) | (FULL if n == depth else 0)
            index = self.head
        return bits | self.flags | index << 8

    def wants(self):
        """Which of its interrupts are there and enabled: the three levels, overflow and attempts."""
        return self.status() & self.con & 0x1F


def read_object(ram, at):
    """The frame of a transmit object at this offset in RAM."""
    head, flags = _word(ram, at), _word(ram, at + 4)
    ext, rtr, dlc = flags >> 4 & 1, flags >> 5 & 1, flags & 15
    sid, eid = head & 0x7FF, head >> 11 & 0x3FFFF
    data = b"" if rtr else bytes(ram[at + 8 : at + 8 + min(dlc, 8)])
    return frame(sid << 18 | eid if ext else sid, data, ext, rtr, dlc)


def write_object(ram, at, f, filter_hit, stamp):
    """A received frame, its time stamp or None."""
    can_id, ext, rtr, dlc, data = f
    _put(ram, at, (can_id >> 18 | (can_id & 0x3FFFF) << 11) if ext else can_id)
    _put(ram, at + 4, dlc | ext << 4 | rtr << 5 | filter_hit << 11)
    at += 8
    if stamp is not None:
        _put(ram, at, stamp)
        at += 4
    ram[at : at + len(data)] = data


def _word(ram, at):
    return ram[at] | ram[at + 1] << 8 | ram[at + 2] << 16 | ram[at + 3] << 24


def _put(ram, at, value):
    for i in range(4):
        ram[at + i] = value >> 8 * i & 255


def next_to_send(fifos, ram):
    """(fifo, index, frame) of the message that leaves next, or None: highest TXPRI; in the queue the lowest id.

    Of equal priorities the higher number goes first here; a driver that relies on it has no source to name.
    """
    best = None
    for fifo in fifos:
        if fifo.tx and fifo.con & TXREQ and fifo.count and (best is None or fifo.priority >= best.priority):
            best = fifo
    if best is None:
        return None
    index = best.tail
    if best.number == 0:
        index = min(best.held, key=lambda i: arbitration(read_object(ram, best.address(i) - RAM)))
    return best, index, read_object(ram, best.address(index) - RAM)


def matches(obj, mask, f):
    """Does C1FLTOBJ under C1MASK let this frame through? EID bits matter in extended frames only (DNCNT is 0)."""
    can_id, ext = f[0], f[1]
    if mask >> 30 & 1 and (obj >> 30 & 1) != ext:
        return False
    sid = can_id >> 18 if ext else can_id
    if (sid ^ obj) & mask & 0x7FF:
        return False
    return not (ext and ((can_id & 0x3FFFF) ^ (obj >> 11)) & (mask >> 11) & 0x3FFFF)
