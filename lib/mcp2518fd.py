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
from canbase import _LOCK, OVERRUN, SLICE_DATA, TX, UNORDERED, _Key
from mcp2518fd_chip import Chip
from mcp2518fd_spi import IN, INS, OUT, OUTS, fits
from micropython import const

PORTS = {}  # type: dict

_RTR = const(1)
_EXT = const(2)
_TX = const(1)
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
_REQUEST = [bytes((0x20, 0xB1 + 12 * n, 3)) for n in range(7)]  # TXREQ, UINC of FIFO 8 + n
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
        held = _LOCK[0]
        _LOCK[0] = 1
        if held:
            self._lock()
        try:
            self._fill(id, data, flags)
            return self._send(id << 1 | 1 if flags & _EXT else id << 19, flags)
        except OSError:
            self._lose()
            raise
        finally:
            _LOCK[0] = 0
            if _LOCK[1]:
                self._unlock()

    def _fill(self, id, data, flags):
        frame = _FRAME
        if flags & _EXT:  # as pack() has it
            frame[2] = id >> 18 & 255
            frame[3] = (id & 31) << 3 | id >> 26
            frame[4] = id >> 5 & 255
            frame[5] = id >> 13 & 31
        else:
            frame[2] = id & 255
            frame[3] = id >> 8
            frame[4] = frame[5] = 0
        id = len(data)
        frame[6] = id | (flags & _EXT) << 3 | (flags & _RTR) << 5  # DLC, IDE, RTR
        frame[_TO_FRAME[id]] = data

    def _send(self, key, flags):
        # Whoever comes after all that wait takes the FIFO below theirs.
        if self._busy and key >= self._most and self._lowest and not self._shifted:
            n = self._lowest - 1
        else:
            n = self._place(key, flags)
            if n < 0:
                return None
        self._keys[n] = self._most = key
        self._lowest = n
        _FRAME[0] = 0x26
        _FRAME[1] = 0x60 + 16 * n  # WRITE of the object of FIFO 8 + n: after 32 of FIFO 1 and one each of 2 to 7
        cs = self._cs
        cs(0)
        self._write(_FRAME)
        cs(1)
        if self._trigger & _TX:
            self._set2(_FIFO8 + 12 * n, 0x84, 3)  # an interrupt when it has left; TXREQ, UINC
        else:
            cs(0)
            self._write(_REQUEST[n])
            cs(1)
        self._busy |= 1 << n
        return n

    def _place(self, key, flags):
        # The FIFO from which this frame leaves in its turn, or -1.
        n = self._free(key, flags)
        if n < 0:
            self._note()
            n = self._free(key, flags)
            if n < 0:
                n = self._moved()
        if n < 0 and self._busy == 0x7F:
            self._look()  # nothing leaves: is it still in its mode?
        return n

    def _free(self, key, flags):
        # A FIFO that does as it stands, with room for those to come: from the top, or next to what must come after.
        busy = self._busy
        if not busy:
            return self._settled()
        self._shifted = True  # some are not just below those that wait
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
        while left > 0:
            room = self._first - self._next - 1
            if room < 0:
                room += self._size
            if not room:
                return  # the ring is full: recv() goes on
            count = self._arrived()
            if count == 1:
                self._take(1)
                left -= 1
            elif count:
                count = min(count, room, _BURST, _DEPTH - self._tail)
                self._take(count)
                left -= count
            elif not self._errors():
                return
            else:
                left -= 1
            if self._int() or not self._up():
                return
        self._later()

    def _arrived(self):
        # Frames that wait in FIFO 1.
        cs = self._cs
        cs(0)
        self._transfer(_STATUS, _IN4)
        cs(1)
        count = _IN4[2]
        if count & 8:
            self._lost |= OVERRUN
            self._counts[3] += 1
            self._set(_FIFO1STA, 0)
        if not count & 1:
            return 0
        if count & 4:
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
        # READ_CRC of so many objects, which lie in a row.
        cs = self._cs
        n = 16 * self._tail
        OUT[0] = 0xB4 | n >> 8
        OUT[1] = n & 255
        OUT[2] = n = 4 * count
        cs(0)
        self._transfer(OUTS[n], INS[n])
        cs(1)
        if not fits(n):
            self.retried += 1
            self._sure(_RAM + 16 * self._tail, n)
        self._tail = self._tail + count & 31
        n = 0
        while n < count:
            self._one(3 + 16 * n, _DATA[n])
            n += 1
            cs(0)
            self._write(_INCREMENT)
            cs(1)

    def _one(self, at, data):
        n = self._next
        self._data[n][SLICE_DATA] = data
        kind = IN[at + 4]
        data = IN[at] | (IN[at + 1] & 7) << 8  # the id
        if kind & 0x10:
            data = data << 18 | (IN[at + 3] & 31) << 13 | IN[at + 2] << 5 | IN[at + 1] >> 3
        self._ids[n] = data
        at = kind & 15
        self._kinds[n] = (at if at < 8 else 8) << 4 | kind >> 5 & _RTR | kind >> 3 & _EXT
        n += 1
        self._next = n if n < self._size else 0
