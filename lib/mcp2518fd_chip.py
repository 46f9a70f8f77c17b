# The MCP2518FD's registers: how it is set up, looked after and taken off the bus. See mcp2518fd.
#
# Bus-off: the chip would come back by itself after 128 x 11 bits and send what waits. The driver resets it, which drops
# what waits and keeps it off the bus, until restart(). A chip that does not answer or has reset itself is STOPPED,
# `reason` says why. restart() tries again, raises nothing and allocates nothing; the constructor, init() and
# set_filters() raise OSError.
#
# Errata (MCP2518FD DS80000789, MCP2517FD DS80000792):
# * 789-1, 792-2: a READ may give bits 7, 15, 23 and 31 of registers that change wrong. No such bit of a plain READ is
#   used: that is why FIFOs 7 and 15 are not; error counters and received frames come by READ_CRC, again if it does not
#   fit.
# * 789-2, 792-3: ECC corrects wrongly. It is off.
# * 789-4, 792-5: above 0.85 * SYSCLK / 2 of SCK the RAM is written wrongly: the limit above. A pattern is tried at
#   start.
# * 789-5, 792-6: IOCON must be written byte by byte. It is not written.
# * 789-6: FIFOCI may read too large. The smaller of two reads counts, and "not empty" for one frame.
# * 789-7: the wake from sleep may not last. The chip is never put to sleep; one that is found so is woken and reset.
# * 792-1: the MCP2517FD stops sending (Restricted Operation) if CS stays low too long after an access to its RAM, 5 bit
#   times, and Python is slower than that: state() and the interrupt bring it back, the frame is sent late. Take a
#   2518FD.
from array import array

from canbase import ACTIVE, BUS_OFF, EIO, ENODEV, PASSIVE, STOPPED, TX, WARNING, checked_filters, timing
from mcp2518fd_spi import IN, Wired, pack
from micropython import const

LIMITS = (256, 2, 256, 1, 128, 385, 128, 128, 0)  # see canbase.timing()

_SENDERS = const(7)
_CON_OPMOD = const(0x02)
_CON_REQOP = const(0x03)
_NBTCFG = const(0x04)
_INT = const(0x1C)
_INT_IE = const(0x1E)
_TXREQ_8 = const(0x31)  # FIFOs 8 to 15
_TREC = const(0x34)
_FIFO1 = const(0x5C)
_FIFO8 = const(0xB0)
_FLTCON = const(0x1D0)
_FLTOBJ = const(0x1F0)
_RAM_8 = const(0x660)
_OSC = const(0xE00)
_CONFIG = const(4)
_LISTEN = const(3)
_ABAT = const(8)
_MODES = {0: 6, 3: _LISTEN, 4: 2}  # NORMAL: CAN 2.0; SILENT; SILENT_LOOPBACK: internal

_RESET = b"\x00\x00"
_PATTERN = b"\x55\xaa\x0f\xf0"
_RECEIVER = b"\x01\x00\x60\x1f"  # not empty: interrupt; 32 deep
_SENDER = b"\x80\x00\x60\x00"
_ENABLED = b"\x81\x81\x81\x81\x00\x00\x00\x00"  # filters that lead to FIFO 1, and that are off
_WATCH = b"\x30\x00" + bytes(56)  # READ from CON to TREC
_IN58 = bytearray(58)


class Chip(Wired):
    TX_QUEUE_LEN = _SENDERS
    FILTERS_MAX = 32

    def _prepare_chip(self):
        self._pll = 1 if self._clock_Hz <= 4000000 else 0
        if self._pll:
            self._clock_Hz *= 10
        self._wanted = bytearray()  # the registers of the filters, as they are written
        self._keys = array("i", [0] * _SENDERS)  # of what is pending: the lower ones first
        self._rank = bytearray(_SENDERS)  # TXPRI: the higher leaves first
        self._low = self._high = 0
        self._most = self._lowest = 0  # of those that wait: the last key, where it is
        self._shifted = False  # FIFOs are not just filled from the top, or one has another priority than at first
        self._busy = 0  # FIFOs that are pending, as far as we know
        self._tail = 0  # of FIFO 1: where the next frame is

    # --- starting ---
    def init(self, bitrate, mode=0, sample_point=80, sjw=None, tseg1=None, tseg2=None):
        if mode not in _MODES:
            raise ValueError("mode: MODE_NORMAL, MODE_SILENT or MODE_SILENT_LOOPBACK")
        brp, tseg1, tseg2, sjw = timing(self._clock_Hz, bitrate, LIMITS, sample_point, sjw, tseg1, tseg2)
        self._timing = [self._clock_Hz // brp // (1 + tseg1 + tseg2), sjw, tseg1, tseg2, None, [brp]]
        self._bits = bytes((sjw - 1, tseg2 - 1, tseg1 - 1, brp - 1))
        self._mode = _MODES[mode]
        self._first = self._next
        self._begin(1000)
        if self._state == STOPPED:
            raise OSError(ENODEV, self.reason)

    def restart(self):
        self._begin(30)

    def _begin(self, tries):
        # From a reset to its mode; `tries` bounds how long a chip may need for it.
        self._lock()
        try:
            for i in range(3):
                self._counts[i] = 0
            self._sent = self._failed = self._worse = 0
            self._state = STOPPED
            self._off()
            self.reason = self._configure(tries)
            if not self.reason:
                self._state = ACTIVE
        except OSError:
            self._cs(1)
            self.reason = "the SPI failed"
        finally:
            self._unlock()

    def _off(self):
        # Off the bus with everything dropped. A sleeping chip hears no RESET: its oscillator first.
        self._set(_OSC, 0x60)
        self._set(_CON_REQOP, _ABAT | _CONFIG)
        self._put(_RESET)
        self._busy = self._tail = 0

    def _configure(self, tries):
        # "" or what is wrong.
        if not self._clock(tries):
            return self._silence()
        self._word(_NBTCFG, self._bits)
        self._word(_RAM_8, _PATTERN)
        if not (self._same(_NBTCFG, self._bits) and self._same(_RAM_8, _PATTERN)):
            return "what was written to the MCP2518FD reads back otherwise: check wiring and speed of the SPI"
        self._word(_FIFO1, _RECEIVER)
        for n in range(_SENDERS):
            self._word(_FIFO8 + 12 * n, _SENDER)
            self._move(n, 12 + n)
        if not self._write_filters():
            return "the filters read back otherwise: check wiring and speed of the SPI"
        self._set(_CON_OPMOD, 0)  # no transmit queue, no event FIFO; errors of the RAM lead to Restricted Operation
        self._listen_to()
        self._set(_CON_REQOP, self._mode)
        for _ in range(20):  # waits for 11 recessive bits: if they do not come now, state() sees it later
            if self._checked(0, 1) and IN[5] >> 5 == self._mode:
                break
        return ""

    def _clock(self, tries):
        self._set(_OSC, 0x68 | self._pll)  # LPMEN, which changes only what sleep would be, and reads 0 on a MCP2517FD
        for _ in range(tries):
            if self._checked(_OSC, 1) and IN[3] & 0xF6 == 0x60 and IN[4] & 5 == 4 | self._pll and not IN[5] | IN[6]:
                return True
        return False

    def _silence(self):
        low, high = IN[3], IN[4]
        if low == high == 0:  # whole texts: restart() allocates nothing
            return "no MCP2518FD answers: MISO is low; check power, CS and SPI"
        if low == high == 255:
            return "no MCP2518FD answers: MISO is high; check power, CS and SPI"
        return "no MCP2518FD, or its oscillator does not start (OSC %02x%02x): check it and the SPI" % (high, low)

    # --- filters ---
    def set_filters(self, filters):
        if self._state == STOPPED:
            raise OSError(EIO, self.reason)
        wanted = checked_filters([] if filters is None else filters, self.FILTERS_MAX)
        into = bytearray(8 if filters is None else 8 * len(wanted))  # None: one that compares nothing
        for n in range(len(wanted)):
            can_id, mask, ext = wanted[n]
            pack(into, 8 * n, can_id, ext)
            pack(into, 8 * n + 4, mask, ext)
            into[8 * n + 3] |= ext << 6  # EXIDE
            into[8 * n + 7] |= 0x40  # MIDE: the kind must be that
        self._wanted = into
        if self._state == BUS_OFF:
            return  # restart() writes them
        self._lock()
        try:
            if not self._write_filters():
                raise OSError(EIO, "filters read back otherwise: check wiring and speed of the SPI")
        except OSError:
            self._lose()
            raise
        finally:
            self._unlock()

    def _write_filters(self):
        # One that is enabled cannot be written: off, written, read back, on.
        wanted = self._wanted
        count = len(wanted) // 8
        for n in range(0, 32, 4):
            self._word(_FLTCON + n, _ENABLED, 4)
        same = True
        for at in range(0, 8 * count, 4):
            self._word(_FLTOBJ + at, wanted, at)
            same = same and self._same(_FLTOBJ + at, wanted, at)
        for n in range(0, count, 4):
            self._word(_FLTCON + n, _ENABLED, max(n + 4 - count, 0))
        return same

    # --- errors ---
    def _errors(self):
        # INT is low and no frame is there. False: there is no reason for it, and nothing to wait for.
        if not self._look():
            return False
        told = _IN58[30] & 1 | (_IN58[31] & 0x30)  # TXIF, CERRIF, SERRIF
        if _IN58[31] & 0x30:
            self._set2(_INT, 0xF7, 0x4F)  # what is to be cleared is written 0: MODIF, IVMIF, CERRIF, SERRIF
        if told & 1:
            busy = self._busy
            self._note()
            if self._busy == busy:
                self._calm()
        return told != 0 and self._state != BUS_OFF

    def _bus_off(self):
        self._failed |= self._busy
        self._off()
        self._became(BUS_OFF)

    def _look(self):
        # One READ from CON to TREC: is it still there, as it was set up, in its mode? False if it is not.
        for _ in range(3):
            self._exchange(_WATCH, _IN58)
            if self._as_set_up():
                break
        else:
            self._byte = _IN58[7]
            if 0 < self._byte < 255:
                self._byte = 1 if _IN58[33] & 0x7F and _IN58[5] & 7 != _CONFIG else 256
            self._lose()
            return False
        if _IN58[4] >> 5 & 3 == 3 and self._mode != _LISTEN:
            self._set(_CON_REQOP, self._mode)  # Restricted Operation, without the bit that may be wrong: back (792-1)
        state = _IN58[56]
        if state & 0x20:
            self._bus_off()
        else:
            self._became(PASSIVE if state & 0x18 else WARNING if state & 0x01 else ACTIVE)
        return True

    def _as_set_up(self):
        # The bit timing, the mode asked for, which interrupts are enabled: after a reset none, and the timing is that
        # of 500 kbit/s from 40 MHz.
        for i in range(4):
            if _IN58[6 + i] != self._bits[i]:
                return False
        return _IN58[33] & 0x7F == 0x30 and _IN58[5] & 7 != _CONFIG

    def cause(self):
        # Why it is down, as a number for a record: 1 bus-off, 2 the chip is silent, 3 it has reset itself, 4 it is
        # misread; 0 it is up. `reason` says it in words, of which this goes by. Allocates nothing.
        if self._state:
            return 1 if self._state == BUS_OFF else 0
        if "reset itself" in self.reason:
            return 3
        return 2 if "silent" in self.reason or "answers" in self.reason or "SPI failed" in self.reason else 4

    def _lose(self):
        self._cs(1)  # it stayed low if the SPI raised: the next chip on it, and the reset, want it high
        if self._byte == 0 or self._byte == 255:
            self.reason = "the MCP2518FD is silent: check its power and the SPI"
        elif self._byte == 256:
            self.reason = "the MCP2518FD has reset itself: check its power"
        else:
            self.reason = "the MCP2518FD cannot be understood: check wiring and speed of the SPI"
        self._byte = 1
        self._failed |= self._busy
        self._busy = 0
        self._worse = 1
        self._state = STOPPED

    # --- what it says ---
    def _note(self):
        # TXREQ of the senders: what was pending and is not any more has left.
        pending = self._get(_TXREQ_8) & 0x7F
        done = self._busy & ~pending
        self._busy = pending & self._busy
        if self._trigger & TX and done:
            self._sent |= done
            for n in range(_SENDERS):
                if done >> n & 1:
                    self._set(_FIFO8 + 12 * n, 0x80)  # it stays empty: no interrupt for that

    def _calm(self):
        # An empty FIFO that is to tell when it has sent, and went empty unseen, would hold INT low for good.
        for n in range(_SENDERS):
            if not self._busy >> n & 1:
                self._set(_FIFO8 + 12 * n, 0x80)

    def _pending(self):
        # And the error counters, which a plain READ may give wrong.
        if self._up():
            self._note()
            if self._checked(_TREC, 1):
                self._rec = IN[3]
                self._tec = IN[4]
        count = 0
        for n in range(_SENDERS):
            count += self._busy >> n & 1
        return count

    def _move(self, n, rank):
        self._set(_FIFO8 + 2 + 12 * n, 0x60 | rank)
        self._rank[n] = rank

    def _listen_to(self):
        self._set2(_INT_IE, 3 if self._trigger & TX else 2, 0x30)  # TX, RX; CERR, SERR

    def _listen(self):
        if not self._up():
            return
        self._lock()
        try:
            self._note()
            self._sent = self._failed = 0  # what was sent before is nobody's event
            self._calm()
            self._listen_to()
        except OSError:
            self._lose()
        finally:
            self._unlock()
