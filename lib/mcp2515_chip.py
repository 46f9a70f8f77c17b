# The MCP2515's registers: how it is set up, made to change mode, looked after and taken off the bus. See mcp2515.
#
# Bus-off: the chip would come back by itself after 128 x 11 bits and send what waits. The driver resets it, which drops
# what waits and keeps it off the bus, until restart(): an old frame leaves late by no more than the interpreter was
# held. A chip that does not answer or has reset itself is STOPPED, `reason` says why. restart() tries again, raises
# nothing and allocates nothing; the constructor, init() and set_filters() raise OSError.
from canbase import (
    ACTIVE,
    BUS_OFF,
    EIO,
    ENODEV,
    OVERRUN,
    PASSIVE,
    STOPPED,
    TX,
    WARNING,
    Controller,
    checked_filters,
    timing,
)
from mcp2515_filters import arrange
from micropython import const

LIMITS = (64, 3, 16, 2, 8, 25, 4, 2, 1)  # see canbase.timing(); PS2 must be longer than SJW

_CANSTAT = const(0x0E)
_CANCTRL = const(0x0F)
_CANINTE = const(0x2B)
_CANINTF = const(0x2C)
_EFLG = const(0x2D)
_CONFIG = const(0x80)
_RX_ERR = const(0x23)  # CANINTE: RX0, RX1, ERR
_TX_ALL = const(0x1C)
_MODES = {0: 0x00, 3: 0x60, 4: 0x40}

# What goes out and comes in; used under the lock, so one for all controllers.
_RESET = b"\xc0"
STATUS = b"\xa0\x00"
IN2 = bytearray(2)
_OUT4 = bytearray(4)
_IN4 = bytearray(4)
_WATCH = b"\x03\x1c" + bytes(18)  # READ from TEC to EFLG
_IN20 = bytearray(20)


class Chip(Controller):
    TX_QUEUE_LEN = 3
    FILTERS_MAX = 16

    def _prepare_chip(self):
        # What sets the chip up, as it leaves: CNF3 to CNF1, filters, masks; and where it is read back.
        self._setup = (bytearray(b"\x02\x28\x00\x00\x00"), bytearray(14), bytearray(14), bytearray(10))
        self._back = (bytearray(5), bytearray(14), bytearray(14), bytearray(10))
        self._wanted = []  # type: list
        self._exact = True  # the chip's filters let through just what is wanted
        self._filter([])
        self._rank = bytearray(3)  # 3 x TXP + number: the higher leaves first
        self._busy = 0  # buffers that are pending, as far as we know
        self._alone = False  # RXB0 was emptied alone

    # --- starting ---
    def init(self, bitrate, mode=0, sample_point=80, sjw=None, tseg1=None, tseg2=None):
        if mode not in _MODES:
            raise ValueError("mode: MODE_NORMAL, MODE_SILENT or MODE_SILENT_LOOPBACK")
        clock_Hz = self._clock_Hz // 2
        brp, tseg1, tseg2, sjw = timing(clock_Hz, bitrate, LIMITS, sample_point, sjw, tseg1, tseg2)
        self._timing = [clock_Hz // brp // (1 + tseg1 + tseg2), sjw, tseg1, tseg2, None, [brp]]
        cnf = self._setup[0]
        cnf[2] = tseg2 - 1
        cnf[3] = 0x80 | (tseg1 // 2 - 1) << 3 | ((tseg1 + 1) // 2 - 1)  # BTLMODE, one sample, PS1, PROP
        cnf[4] = (sjw - 1) << 6 | (brp - 1)
        self._mode = _MODES[mode]
        self._first = self._next
        self._begin(1000)
        if self._state == STOPPED:
            raise OSError(ENODEV, self.reason)

    def restart(self):
        self._begin(50)

    def _begin(self, tries):
        # From a reset to its mode; `tries` bounds how long the chip may need for it (each at least 5 us).
        for i in range(3):
            self._counts[i] = 0
        self._sent = self._failed = self._worse = 0
        self._state = STOPPED
        self._lock()
        try:
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
        self._put(_RESET)
        self._busy = 0
        self._alone = False

    def _configure(self, tries):
        # "" or what is wrong.
        if not self._reaches(_CONFIG, tries):
            return self._no_chip()
        self._put(self._setup[0])
        same = self._same(0) and self._write_filters()
        self._set(0x60, 0x04)  # RXB0CTRL: by the filters, BUKT
        for n in range(3):
            self._rank[n] = 4 * n
            self._set(0x30 + 16 * n, n)  # TXP, so that they are filled from the top with room between them
        if not same:
            return "what was written to the MCP2515 reads back otherwise: check wiring and speed of the SPI"
        self._set(_CANINTE, _RX_ERR | (_TX_ALL if self._trigger & TX else 0))
        self._set(_CANCTRL, self._mode)
        self._reaches(self._mode, 20)  # it waits for 11 recessive bits; if they do not come now it is there later
        return ""

    def _reaches(self, mode, tries):
        for _ in range(tries):
            if self._get(_CANSTAT) & 0xE0 == mode:
                return True
        return False

    def _no_chip(self):
        byte = _IN4[2]
        if byte == 0:  # whole texts: restart() allocates nothing
            return "no MCP2515 answers, MISO is low: check power, CS and SPI"
        if byte == 255:
            return "no MCP2515 answers, MISO is high: check power, CS and SPI"
        return "the MCP2515 does not leave its reset, CANSTAT is %02x: check its crystal" % byte

    # --- filters ---
    def set_filters(self, filters):
        if self._state == STOPPED:
            raise OSError(EIO, self.reason)
        self._filter([(0, 0, 0), (0, 0, 1)] if filters is None else checked_filters(filters, self.FILTERS_MAX))
        if self._state == BUS_OFF:
            return  # restart() writes them
        self._lock()
        try:
            self._change_filters()
        except OSError:
            self._lose()
            raise
        finally:
            self._unlock()

    def _filter(self, wanted):
        registers, exact = arrange(wanted)
        self._wanted = wanted
        self._exact = exact and bool(wanted)
        at = 0
        for block, address in ((1, 0x00), (2, 0x10), (3, 0x20)):
            into = self._setup[block]
            into[0] = 2
            into[1] = address
            for i in range(2, len(into)):
                into[i] = registers[at]
                at += 1

    def _change_filters(self):
        # They can be written in configuration mode only, which the chip enters when nothing is pending any more: what
        # has not left after 200 looks is given up.
        self._set(_CANCTRL, _CONFIG)
        if not self._reaches(_CONFIG, 200):
            self._set(_CANCTRL, _CONFIG | 0x10)  # ABAT
            self._reaches(_CONFIG, 200)
        self._note(self._status())
        same = self._write_filters()
        self._set(_CANCTRL, self._mode)
        self._reaches(self._mode, 20)
        if not same:
            raise OSError(EIO, "the MCP2515's filters read back otherwise: check wiring and speed of the SPI")

    def _write_filters(self):
        for block in range(1, 4):
            self._put(self._setup[block])
        return self._same(1) and self._same(2) and self._same(3)

    def _same(self, block):
        # Does it read back as written?
        out = self._setup[block]
        into = self._back[block]
        out[0] = 3
        self._exchange(out, into)
        out[0] = 2
        for i in range(2, len(out)):
            if into[i] != out[i]:
                return False
        return True

    def _accepted(self, can_id, ext):
        for wanted in self._wanted:
            if wanted[2] == ext and can_id & wanted[1] == wanted[0]:
                return True
        return False

    # --- what it says ---
    def _note(self, status):
        # READ STATUS: TXREQ in bits 2, 4 and 6, TXnIF in 3, 5 and 7. What was pending and is not any more has left if
        # its flag is set, else it was given up.
        busy = (status >> 2 & 1) | (status >> 3 & 2) | (status >> 4 & 4)
        if self._trigger & TX:
            sent = (status >> 3 & 1) | (status >> 4 & 2) | (status >> 5 & 4)
            self._failed |= self._busy & ~busy & ~sent
            if sent:
                self._sent |= sent
                self._modify(_CANINTF, sent << 2, 0)
        self._busy = busy

    def _pending(self):
        if self._up():
            self._note(self._status())
        return (self._busy & 1) + (self._busy >> 1 & 1) + (self._busy >> 2)

    def _errors(self):
        # INT is low and there is no frame. False: nothing says why.
        _OUT4[0] = 3
        _OUT4[1] = _CANINTF
        self._exchange(_OUT4, _IN4)
        flags = _IN4[2] & 0xE0  # ERR, WAK, MERR
        state = _IN4[3]
        if not flags:
            return self._look() and _IN4[2] != 0
        if state & 0xC0:
            self._lost |= OVERRUN
            self._counts[3] += (state >> 6 & 1) + (state >> 7)
            self._modify(_EFLG, 0xC0, 0)
        if self._now(state):
            self._modify(_CANINTF, flags, 0)
        return True

    def _now(self, state):
        # EFLG. False: it was off the bus, and now is for good.
        if state & 0x20:
            self._failed |= self._busy
            self._off()
            self._became(BUS_OFF)
            return False
        self._became(PASSIVE if state & 0x18 else WARNING if state & 0x01 else ACTIVE)
        return True

    def _look(self):
        # One READ from TEC to EFLG: is it still as it was set up?
        self._exchange(_WATCH, _IN20)
        cnf = self._setup[0]
        if _IN20[14] != cnf[2] or _IN20[15] != cnf[3] or _IN20[16] != cnf[4] or _IN20[17] & _RX_ERR != _RX_ERR:
            self._lose()
            return False
        self._tec = _IN20[2]
        self._rec = _IN20[3]
        return self._now(_IN20[19])

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
        if _IN20[16] == 0 and _IN20[4] & 0xE0 == _CONFIG:
            self.reason = "the MCP2515 has reset itself: check its power"
        else:
            self.reason = "the MCP2515 is silent: check its power and the SPI"
        self._failed |= self._busy
        self._busy = 0
        self._worse = 1
        self._state = STOPPED

    def _listen(self):
        if not self._up():
            return
        self._lock()
        try:
            self._modify(_CANINTF, _TX_ALL, 0)
            self._note(self._status())
            self._sent = self._failed = 0  # what was sent before is nobody's event
            self._set(_CANINTE, _RX_ERR | (_TX_ALL if self._trigger & TX else 0))
        except OSError:
            self._lose()
        finally:
            self._unlock()

    # --- registers ---
    def _status(self):
        self._exchange(STATUS, IN2)
        return IN2[1]

    def _get(self, register):
        _OUT4[0] = 3
        _OUT4[1] = register
        self._exchange(_OUT4, _IN4)
        return _IN4[2]

    def _set(self, register, value):
        self._modify(register, 255, value)

    def _modify(self, register, mask, value):
        _OUT4[0] = 5
        _OUT4[1] = register
        _OUT4[2] = mask
        _OUT4[3] = value
        self._put(_OUT4)
