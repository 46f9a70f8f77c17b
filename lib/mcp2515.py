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

from canbase import BUS_OFF, EXT, RTR, STOPPED, UNORDERED, _Key
from mcp2515_chip import Chip
from micropython import const

PORTS = {}  # type: dict
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
        self._low = self._high = self._flags = 0
        self.init(*args, **kwargs)
        self._int.irq(self._again, self._int.IRQ_FALLING)

    # --- sending ---
    def send(self, id, data, flags=0):
        self._check(id, data, flags)
        self._lock()
        try:
            self._flags = flags
            return self._send(id, data)
        finally:
            self._unlock()

    def _send(self, id, data):
        flags = self._flags
        n = self._place(id << 1 | 1 if flags & EXT else id << 19, flags)
        if n < 0:
            return None
        self._fill(n, id, data, flags)
        self._put(_FRAME)
        self._put(_RTS[n])
        self._busy |= 1 << n
        return n

    def _fill(self, n, id, data, flags):
        frame = _FRAME
        frame[0] = 0x40 | n << 1  # LOAD TX BUFFER
        if flags & EXT:
            frame[1] = id >> 21
            frame[2] = (id >> 13 & 0xE0) | 8 | (id >> 16 & 3)
            frame[3] = id >> 8 & 255
            frame[4] = id & 255
        else:
            frame[1] = id >> 3
            frame[2] = id << 5 & 0xE0
        n = len(data)
        if flags & RTR:
            frame[5] = n | 0x40
        else:
            frame[5] = n
            frame[_TO_FRAME[n]] = data

    def _place(self, key, flags):
        # The buffer from which this frame leaves in its turn, or -1.
        n = self._free(key, flags)
        if n < 0:
            self._note(self._status())
            n = self._free(key, flags)
            if n < 0:
                n = self._move()
        if n >= 0:
            self._keys[n] = key
        return n

    def _free(self, key, flags):
        # A free buffer that is right as it stands. From the top, so that others still fit below.
        busy = self._busy
        if not busy:
            return 2 if self._rank[2] == 8 else self._alone_in(2)
        self._low, self._high = -1, 12
        for n in range(3):
            if busy >> n & 1:
                if self._keys[n] > key:
                    self._low = max(self._low, self._rank[n])
                elif self._keys[n] < key or not flags & UNORDERED:
                    self._high = min(self._high, self._rank[n])
        for n in range(3):
            if not busy >> (2 - n) & 1 and self._low < self._rank[2 - n] < self._high:
                return 2 - n
        return -1

    def _alone_in(self, n):
        self._rank[n] = 8
        self._set(0x30 + 16 * n, 2)
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
        int_pin = self._int
        while not int_pin():
            if self._state == STOPPED or self._state == BUS_OFF or self._slot() < 0:
                return  # gone; or the ring is full, and recv() goes on
            if not left:
                self._later()
                return
            left -= 1
            status = self._status()
            if status & 0xFC or self._busy:
                self._note(status)
            if status & 3 == 3:
                self._read_both(1 if self._alone else 0)
            elif status & 3:
                self._alone = status & 1 == 1
                self._read(0 if self._alone else 1)
            elif not self._errors():
                return
        self._alone = False  # INT is high: both are empty

    def _read_both(self, older):
        self._read(older)
        if self._slot() >= 0:
            self._read(1 - older)
        else:
            self._alone = older == 0  # the ring is full: the other one is the older from now on

    def _read(self, n):
        at = self._slot()
        self._exchange(_READ_RX[n], self._slots[at])
        slot = self._slots[at]
        if slot[5] & 0x80:  # not implemented, reads 0: this is no frame
            self._counts[4] += 1
            self._look()
            return
        n = slot[2]
        if n & 8:
            at = (slot[1] << 3 | n >> 5) << 18 | (n & 3) << 16 | slot[3] << 8 | slot[4]
            n = EXT | RTR if slot[5] & 0x40 else EXT
        else:
            at = slot[1] << 3 | n >> 5
            n = RTR if n & 0x10 else 0
        if self._exact or self._accepted(at, n >> 1):
            self._keep(at, min(slot[5] & 15, 8), n)

