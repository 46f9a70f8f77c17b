# The MCP2515 (and MCP25625) CAN controller on SPI, with the surface of machine.CAN (MicroPython 1.28): see canbase.
#
#   from mcp2515 import CAN, PORTS
#   PORTS[1] = SPI(1, 10_000_000), Pin(5, Pin.OUT, value=1), Pin(4, Pin.IN, Pin.PULL_UP), 16_000_000
#   can = CAN(1, 500_000)         # from here on as with `from machine import CAN`
#
# A port is (SPI, CS, INT, crystal in Hz); CAN(1, 500_000, port=...) says the same. SPI mode 0, 10 MHz at most. More
# than machine.CAN: sample_point is 80 percent by default and sjw 2 where it fits; rx_frames= is what the ring holds; 16
# filters, what the chip cannot compare is compared here; poll(); reason. Less: the modes are NORMAL, SILENT and
# SILENT_LOOPBACK (the chip's loopback never drives the bus).
#
# SPI transactions: a received frame 2 (READ STATUS; READ RX BUFFER, which frees the buffer when CS rises), two that
# wait together 3; a sent one 2 (LOAD TX BUFFER; RTS). Which of the three buffers is free comes with the status that
# receiving reads; if it is not known to be, one READ STATUS more. On the ESP32 a transfer of up to 4 bytes holds the
# interpreter (status, RTS, flags), a longer one goes by DMA and lets the other thread run: the 14 bytes of a frame go
# in one piece, as four short ones would cost the overhead four times.
#
# Errata (DS80179G): 5, a frame is repeated if CS stays low until it has left: TXREQ is set by RTS in SPI mode 0, which
# is not affected, never by a register write. 2 (before silicon B2: an RTS may spoil TXB1 and TXB2) and 3 (before B4: a
# wrong id) are not worked round.
#
# Order: the chip sends the pending buffer with the highest TXP, then number. A frame goes where it comes after all of a
# lower or equal id and before the others; send() gives None if there is no such place. Of two full receive buffers
# RXB0 is the older, except after RXB0 was emptied alone: then RXB1 had filled before. (If the interpreter is held for
# longer than a frame between emptying it and the next status, two frames of one id can change places.)
#
from array import array

from canbase import _LOCK, _Key
from mcp2515_chip import IN2, STATUS, Chip
from micropython import const

PORTS = {}  # type: dict
_RTR = const(1)
_EXT = const(2)
_UNORDERED = const(16)
_TX = const(1)
_FRAMES_AT_ONCE = const(8)  # bounds one interrupt: about 3 ms

# What goes out; used under the lock, so one for all controllers.
_READ_RX = (b"\x90" + bytes(13), b"\x94" + bytes(13))
_RTS = (b"\x81", b"\x82", b"\x84")
_FRAME = bytearray(14)
_TO_FRAME = [_Key()[6 : 6 + n] for n in range(9)]


class CAN(Chip):
    def __init__(self, id, *args, port=None, rx_frames=32, **kwargs):
        if port is None and id not in PORTS:
            raise ValueError("CAN(%s): say port=(spi, cs, int, crystal_Hz) or set mcp2515.PORTS[%s]" % (id, id))
        self._prepare(port or PORTS[id], rx_frames, 14, 6)
        self._prepare_chip()
        self._keys = array("i", [0] * 3)  # of what is pending: the lower ones first
        self._low = self._high = 0
        self._most = self._lowest = 0  # of those that wait: the last key, where it is
        self._shifted = True  # buffers are not just filled from the top
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
        if flags & _EXT:
            frame[1] = id >> 21
            frame[2] = (id >> 13 & 0xE0) | 8 | (id >> 16 & 3)
            frame[3] = id >> 8 & 255
            frame[4] = id & 255
        else:
            frame[1] = id >> 3
            frame[2] = id << 5 & 0xE0
        id = len(data)
        if flags & _RTR:
            frame[5] = id | 0x40
        else:
            frame[5] = id
            frame[_TO_FRAME[id]] = data

    def _send(self, key, flags):
        # Whoever comes after all that wait takes the buffer below theirs.
        if self._busy and key >= self._most and self._lowest and not self._shifted:
            n = self._lowest - 1
        else:
            n = self._place(key, flags)
            if n < 0:
                return None
        self._keys[n] = self._most = key
        self._lowest = n
        _FRAME[0] = 0x40 | n << 1  # LOAD TX BUFFER
        cs = self._cs
        cs(0)
        self._write(_FRAME)
        cs(1)
        cs(0)
        self._write(_RTS[n])
        cs(1)
        self._busy |= 1 << n
        return n

    def _place(self, key, flags):
        # The buffer from which this frame leaves in its turn, or -1.
        n = self._free(key, flags)
        if n < 0:
            self._note(self._status())
            n = self._free(key, flags)
            if n < 0:
                n = self._move()
        return n

    def _free(self, key, flags):
        # A free buffer that is right as it stands. From the top, so that others still fit below.
        busy = self._busy
        if not busy:
            return self._alone_in(2)
        self._shifted = True  # some are not below those that wait
        self._low, self._high = -1, 12
        for n in range(3):
            if busy >> n & 1:
                if self._keys[n] > key:
                    self._low = max(self._low, self._rank[n])
                elif self._keys[n] < key or not flags & _UNORDERED:
                    self._high = min(self._high, self._rank[n])
        for n in range(3):
            if not busy >> (2 - n) & 1 and self._low < self._rank[2 - n] < self._high:
                return 2 - n
        return -1

    def _alone_in(self, n):
        # Nothing waits: they may be filled from the top again, if none has another TXP than at first.
        if self._rank[n] != 8:
            self._rank[n] = 8
            self._set(0x30 + 16 * n, 2)
        self._shifted = self._rank[0] != 0 or self._rank[1] != 4
        return n

    def _move(self):
        # A free buffer that becomes right by another TXP.
        for rank in range(self._low + 1, self._high):
            if not self._busy >> rank % 3 & 1:
                self._set(0x30 + 16 * (rank % 3), rank // 3)
                self._rank[rank % 3] = rank
                return rank % 3
        return -1

    def cancel_send(self, index):
        if not 0 <= index < 3:
            raise IndexError
        if not self._up() or not self._busy >> index & 1:
            return False
        self._lock()
        try:
            self._note(self._status())
            return self._busy >> index & 1 == 1 and self._cancel(0x30 + 16 * index)
        except OSError:
            self._lose()
            return False
        finally:
            self._unlock()

    def _cancel(self, control):
        # One that is on the wire goes on, and is given up if that attempt fails.
        self._modify(control, 8, 0)
        cancelled = self._get(control) & 0x48 == 0x40  # ABTF without TXREQ
        self._note(self._status())
        return cancelled

    # --- receiving ---
    def _drain(self):
        left = _FRAMES_AT_ONCE
        cs = self._cs
        while True:
            at = self._next + 1
            if (at if at < self._size else 0) == self._first or not left:
                if not left:
                    self._later()
                return  # or the ring is full, and recv() goes on
            left -= 1
            cs(0)
            self._transfer(STATUS, IN2)
            cs(1)
            at = IN2[1]
            if self._busy or self._trigger & _TX:
                self._note(at)
            if at & 3 == 3:
                self._read_both(1 if self._alone else 0)
            elif at & 3:
                self._alone = at & 1 == 1
                self._read(0 if at & 1 else 1)
            elif not self._errors():
                return
            if self._int():
                self._alone = False  # both are empty
                return
            if not self._up():
                return

    def _read_both(self, older):
        self._read(older)
        at = self._next + 1
        if (at if at < self._size else 0) != self._first:
            self._read(1 - older)
        else:
            self._alone = older == 0  # the ring is full: the other one is the older from now on

    def _read(self, n):
        at = self._next
        slot = self._slots[at]
        self._cs(0)
        self._transfer(_READ_RX[n], slot)
        self._cs(1)
        length = slot[5]
        if length & 0x80:  # not implemented, reads 0: this is no frame
            self._counts[4] += 1
            self._look()
            return
        n = slot[2]
        if n & 8:
            kind = 3 if length & 0x40 else _EXT
            n = slot[1] << 21 | n << 13 & 0x1C0000 | (n & 3) << 16 | slot[3] << 8 | slot[4]
        else:
            kind = n >> 4 & _RTR
            n = slot[1] << 3 | n >> 5
        if self._exact or self._accepted(n, kind >> 1):
            self._ids[at] = n
            length &= 15
            self._kinds[at] = (length if length < 8 else 8) << 4 | kind
            at += 1
            self._next = at if at < self._size else 0
