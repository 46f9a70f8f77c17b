# The MCP2518FD CAN controller on SPI (MCP251863 alike; MCP2517FD: not for long) in classic CAN, with the surface of
# machine.CAN (MicroPython 1.28): see canbase.
#
#   from mcp2518fd import CAN, PORTS
#   PORTS[1] = SPI(1, 10_000_000), Pin(5, Pin.OUT, value=1), Pin(4, Pin.IN, Pin.PULL_UP), 40_000_000
#   can = CAN(1, 500_000)         # from here on as with `from machine import CAN`
#
# A port is (SPI, CS, INT, crystal in Hz); CAN(1, 500_000, port=...) says the same. SPI mode 0 and, by an erratum, at
# most 17 MHz with a crystal of 40 MHz (or 4, by the PLL) and 8.5 MHz with one of 20. More than machine.CAN:
# sample_point is 80 percent by default and sjw as wide as fits; rx_frames= is what the ring holds; poll(); reason;
# retried. Less: the modes are NORMAL, SILENT and SILENT_LOOPBACK (in the chip's other loopback it does not hear the
# bus).
#
# Memory: FIFO 1 receives, 32 deep; FIFOs 8 to 14 send, one frame each, so each can be cancelled and has a priority of
# its own. The one that is chosen stands after all of lower or equal id and before the others, as machine.CAN has it;
# equal ids stay in order. send() gives None if there is no such place.
#
# SPI transactions: n frames that wait n + 2, from two on n + 3 (status; once more, see erratum 6; up to 8 frames in one
# read; an increment each). A sent frame 2, and each seventh one more that reads what has left. On the ESP32 transfers
# of up to 4 bytes (status, increment, request) are short, a longer one lets the other thread run.
from canbase import EXT, OVERRUN, RTR, SLICE_DATA, TX, UNORDERED, _Key
from mcp2518fd_chip import Chip
from mcp2518fd_spi import IN, pack
from micropython import const

PORTS = {}  # type: dict

_DEPTH = const(32)  # of FIFO 1
_BURST = const(8)  # frames a read
_SENDERS = const(7)
_FRAMES_AT_ONCE = const(16)  # bounds one interrupt
_TXREQ_8 = const(0x31)  # FIFOs 8 to 15
_FIFO1STA = const(0x60)
_FIFO1UA = const(0x64)
_FIFO8 = const(0xB0)
_RAM = const(0x400)

# What goes out; used under the lock, so one for all controllers.
_INCREMENT = b"\x20\x5d\x01"  # UINC of FIFO 1
_STATUS = b"\x30\x60\x00\x00"
_IN4 = bytearray(4)
_FRAME = bytearray(18)
_DATA = [memoryview(IN)[11 + 16 * n : 19 + 16 * n] for n in range(_BURST)]
_TO_FRAME = [_Key()[10 : 10 + n] for n in range(9)]


class CAN(Chip):
    def __init__(self, id, *args, port=None, rx_frames=32, **kwargs):
        if port is None and id not in PORTS:
            raise ValueError("CAN(%s): say port=(spi, cs, int, crystal_Hz) or set mcp2518fd.PORTS[%s]" % (id, id))
        self._prepare(port or PORTS[id], rx_frames, 8, 0)
        self._prepare_chip()
        self.init(*args, **kwargs)
        self._int.irq(self._again, self._int.IRQ_FALLING)

    # --- sending ---
    def send(self, id, data, flags=0):
        self._check(id, data, flags)
        self._lock()
        try:
            n = self._place(id << 1 | 1 if flags & EXT else id << 19, flags)
            if n < 0:
                return None
            self._fill(n, id, data, flags)
            self._put(_FRAME)
            if self._trigger & TX:
                self._set2(_FIFO8 + 12 * n, 0x84, 3)  # an interrupt when it has left; TXREQ, UINC
            else:
                self._set(_FIFO8 + 1 + 12 * n, 3)
            self._busy |= 1 << n
            return n
        finally:
            self._unlock()

    def _fill(self, n, id, data, flags):
        _FRAME[0] = 0x26
        _FRAME[1] = 0x60 + 16 * n  # WRITE of the object of FIFO 8 + n: after 32 of FIFO 1 and one each of 2 to 7
        pack(_FRAME, 2, id, flags & EXT)
        n = len(data)
        _FRAME[6] = n | (flags & EXT) << 3 | (flags & RTR) << 5  # DLC, IDE, RTR
        _FRAME[_TO_FRAME[n]] = data

    def _place(self, key, flags):
        # The FIFO from which this frame leaves in its turn, or -1.
        n = self._free(key, flags)
        if n < 0:
            self._note()
            n = self._free(key, flags)
            if n < 0:
                n = self._moved()
        if n >= 0:
            self._keys[n] = key
        elif self._busy == 0x7F:
            self._look()  # nothing leaves: is it still in its mode?
        return n

    def _free(self, key, flags):
        # A FIFO that does as it stands, with room for those to come: from the top, or next to what must come after.
        busy = self._busy
        if not busy:
            return self._settled()
        self._between(key, flags)
        for n in range(_SENDERS):
            if self._low < 0:
                n = _SENDERS - 1 - n
            if not busy >> n & 1 and self._low < self._rank[n] < self._high:
                return n
        return -1

    def _settled(self):
        # Nothing waits: those that were moved go back. The top one.
        if self._shifted:
            self._shifted = False
            for n in range(_SENDERS):
                if self._rank[n] != 12 + n:
                    self._move(n, 12 + n)
        return _SENDERS - 1

    def _between(self, key, flags):
        # Above which priority of those that wait, and below which, this one belongs.
        self._low, self._high = -1, 32
        n = 0
        busy = self._busy
        while busy:
            if busy & 1:
                if self._keys[n] > key:
                    self._low = max(self._low, self._rank[n])
                elif self._keys[n] < key or not flags & UNORDERED:
                    self._high = min(self._high, self._rank[n])
            busy >>= 1
            n += 1

    def _moved(self):
        # A free FIFO that gets another priority.
        rank = (self._low + self._high) // 2
        if self._low < rank < self._high:
            for n in range(_SENDERS):
                if not self._busy >> n & 1:
                    self._move(n, rank)
                    self._shifted = True
                    return n
        return -1

    def cancel_send(self, index):
        if not 0 <= index < _SENDERS:
            raise IndexError
        if not self._up() or not self._busy >> index & 1:
            return False
        self._lock()
        try:
            self._note()
            return self._busy >> index & 1 == 1 and self._cancel(1 << index, _FIFO8 + 12 * index)
        except OSError:
            self._lose()
            return False
        finally:
            self._unlock()

    def _cancel(self, bit, con):
        self._set(con + 1, 0)  # no TXREQ any more: a frame that is on the wire goes on, this once
        for _ in range(100):
            if not self._get(_TXREQ_8) & bit:
                break
        if self._get(con + 4) & 4:  # it is empty
            self._note()
            return False
        self._set2(con, 0x80, 4)  # FRESET
        self._busy &= ~bit
        if self._trigger & TX:
            self._failed |= bit
        return True

    # --- receiving ---
    def _drain(self):
        left = _FRAMES_AT_ONCE
        while self._up() and not self._int():
            room = self._room()
            if not room:
                return  # the ring is full: recv() goes on
            if left <= 0:
                self._later()
                return
            count = self._arrived()
            if count:
                count = min(count, room, _BURST, _DEPTH - self._tail)
                self._take(count)
                left -= count
            elif not self._errors():
                return
            else:
                left -= 1

    def _arrived(self):
        # Frames that wait in FIFO 1.
        self._exchange(_STATUS, _IN4)
        status = _IN4[2]
        if status & 8:
            self._lost |= OVERRUN
            self._counts[3] += 1
            self._set(_FIFO1STA, 0)
        if not status & 1:
            return 0
        if status & 4:
            return _DEPTH
        count = (_IN4[3] & 31) - self._tail & 31
        if count > 1:
            self._exchange(_STATUS, _IN4)  # erratum 789-6
            count = min(count, (_IN4[3] & 31) - self._tail & 31)
        return count if count else self._resync()

    def _resync(self):
        # Not empty, but nothing is to come: the index is wrong, or an increment was not heard.
        self._sure(_FIFO1UA, 1)
        behind = self._tail - (IN[3] | IN[4] << 8) // 16 & 31
        for _ in range(behind):
            self._put(_INCREMENT)
        return 0 if behind else 1

    def _take(self, count):
        self._sure(_RAM + 16 * self._tail, 4 * count)
        n = 0
        while n < count:
            self._one(3 + 16 * n, _DATA[n])
            n += 1
        self._tail = self._tail + count & 31
        while count:
            self._put(_INCREMENT)
            count -= 1

    def _one(self, at, data):
        self._data[self._next][SLICE_DATA] = data
        kind = IN[at + 4]
        data = IN[at] | (IN[at + 1] & 7) << 8  # the id
        if kind & 0x10:
            data = data << 18 | (IN[at + 3] & 31) << 13 | IN[at + 2] << 5 | IN[at + 1] >> 3
        at = kind & 15
        self._keep(data, at if at < 8 else 8, (kind >> 5 & RTR) | (kind >> 3 & EXT))

    def _room(self):
        return len(self._slots) - 1 - self._waiting()
