"""The MCP2515 at register level, as DS20001801J and the errata DS80179G have it. Runs on CPython and on MicroPython.

Modelled: the nine instructions with address roll-over; what may be written in which mode; the buffers with roll-over
(BUKT), filters and masks with the data bytes of standard frames, overflow flags; transmit priorities, locked buffers,
abort of one and of all, one-shot; TEC, REC, EFLG and the interrupts with the INT level; bus-off and its end, after
which TXREQ is still set; erratum 5 (a TXREQ set by a register write repeats the frame while CS stays low).

Not sure, so the harder way was taken: a mode changes only when nothing is pending any more, and from configuration
mode only after 11 recessive bits; filters read 0 outside of configuration mode; ERRIF is set by every change of the
error states and cannot be cleared while an RXnOVR is set. After power-on the buffers hold rubbish.

Not modelled: sleep and wake-up, CLKOUT, the RXnBF and TXnRTS pins, RXM = 11 loading the half of a broken frame, errata
1 to 4 (they concern silicon before B4).
"""

from hw_tests.bench.chips.board import Pin
from hw_tests.bench.chips.bus import DOMINANT, Bus
from hw_tests.bench.chips.mcp2515_spi import (
    ABTF,
    CANCTRL,
    CANINTE,
    CANINTF,
    CNF1,
    CNF2,
    CNF3,
    CONFIG,
    EFLG,
    ERRIF,
    LISTEN,
    LOOPBACK,
    MERRF,
    MLOA,
    NORMAL,
    RX0IF,
    RX1IF,
    SLEEP,
    TX0IF,
    TXERR,
    TXREQ,
    Instructions,
)
from hw_tests.bench.chips.node import IDLE_bits, Node, Peer
from hw_tests.bench.chips.wire import DATA, DLC, EXT, ID, RTR, frame

OSCILLATOR = 128  # periods from a reset to the first instruction


class Mcp2515(Instructions):
    """One chip. `power(False)` takes its supply away, `miso` overrides what it answers, `brown_out()` resets it."""

    def __init__(self, clock, crystal_Hz=16000000, name="mcp2515"):
        super().__init__(clock, name)
        self.crystal_Hz = crystal_Hz
        self.int_pin = Pin(clock)
        self.overflows = 0  # frames lost for want of a buffer
        self.repeats = 0  # by erratum 5
        self._entering = False
        self._loop = None
        self._picked = -1
        self._reset(0)

    # --- supply and reset ---
    def power(self, on):
        """Take the supply away or give it back."""
        self.powered = on
        self._reset(self.clock.now)

    def brown_out(self):
        """A dip of the supply: it comes back in configuration mode with nothing set."""
        self._reset(self.clock.now)

    def _reset(self, now):
        self.leave(now)
        self.silent = False
        r = self.registers
        for address in range(0x0C, 0x80):
            if address < 0x20 or 0x28 <= address < 0x30 or address & 0x0F == 0 or not self.powered:
                if not 0x10 <= address < 0x1C:
                    r[address] = 0
        r[CANCTRL] = 0x87
        self.mode = self._asked = CONFIG
        self._entering = False
        self._aborting = 0
        self._written = 0  # TXREQ set by a register write in this transaction
        self._picked = self._sending = -1
        self._open_loop()
        self._ready = now + OSCILLATOR * 1000000000 // self.crystal_Hz
        self._begin_instruction()
        self.forget_errors()
        self._pin()

    # --- modes ---
    def _sync(self):
        """The clock has run the buses; what is left is a change of mode that was waited for."""
        if self._asked != self.mode or self._entering:
            self._enter()

    def _changed(self):
        self._sync()
        self._pin()

    def _enter(self):
        """Take up the mode that is asked for, if it can be by now."""
        if self._entering:
            since = self.clock.now - self.joined_ns
            if self._silence_ns(since) >= IDLE_bits * self.bus.bit_ns:
                self._take_up()
        if self._asked == self.mode or (self._entering and self._asked != CONFIG):
            return
        if any([self.registers[0x30 + 16 * n] & TXREQ for n in range(3)]) and self.mode != CONFIG:
            return  # not before all that is pending has left
        self._change()

    def _take_up(self):
        if self._entering:
            self._entering = False
            self.mode = self._asked

    def _silence_ns(self, since):
        bus = self.bus
        return -1 if bus.fault == DOMINANT else min(since, bus.now - bus.idle_since)

    def _change(self):
        if self.on:
            self.leave(self.clock.now)
        self._open_loop()
        self._entering = False
        if self._asked in (CONFIG, SLEEP):
            self.mode = self._asked
            self.forget_errors()
            self._error_flags()
        elif self._asked == LOOPBACK:
            self.mode = LOOPBACK
            self._loop = loop = Bus(self._rate(), self.clock.now)
            loop.attach(Peer("mirror"))
            loop.attach(_Inner(self))
            self.clock.buses += (loop,)
        elif self.bus is not None:
            self.rate = self.bus.bitrate if self._fits(self.bus.bitrate) else self._rate()
            self.silent = self._asked == LISTEN
            self._entering = True
            self.join(self.clock.now)

    def _open_loop(self):
        if self._loop is not None:
            self.clock.buses = tuple([bus for bus in self.clock.buses if bus is not self._loop])
            self._loop = None

    def _rate(self):
        r = self.registers
        ps1 = (r[CNF2] >> 3 & 7) + 1
        ps2 = (r[CNF3] & 7) + 1 if r[CNF2] & 0x80 else max(ps1, 2)
        sjw = (r[CNF1] >> 6) + 1
        prop = (r[CNF2] & 7) + 1
        if ps2 < 2 or ps2 <= sjw or prop + ps1 < ps2:
            return 1  # outside of the data sheet's rules: not to be relied on
        return self.crystal_Hz // (2 * ((r[CNF1] & 63) + 1) * (1 + prop + ps1 + ps2))

    def _fits(self, bitrate):
        return abs(self._rate() - bitrate) * 1000 <= 5 * bitrate

    # --- the bus ---
    def pending(self, now):
        self._take_up()  # the bus asks only who may send: 11 recessive bits have passed
        if self.mode not in (NORMAL, LOOPBACK):
            return None
        best = -1
        for n in range(3):
            control = self.registers[0x30 + 16 * n]
            if control & TXREQ and (best < 0 or control & 3 >= self.registers[0x30 + 16 * best] & 3):
                best = n
        self._picked = best
        return None if best < 0 else self._frame(0x30 + 16 * best)

    def _frame(self, base):
        sidh, sidl, eid8, eid0, dlc = self.registers[base + 1 : base + 6]
        can_id = sidh << 3 | sidl >> 5
        ext = sidl >> 3 & 1
        if ext:
            can_id = can_id << 18 | (sidl & 3) << 16 | eid8 << 8 | eid0
        remote = dlc >> 6 & 1
        length = dlc & 15
        data = b"" if remote else bytes(self.registers[base + 6 : base + 6 + min(length, 8)])
        return frame(can_id, data, ext, remote, length)

    def started(self, now, f):
        self._sending = self._picked

    def lost(self, now, f):
        self._ended(self._picked, MLOA)

    def failed(self, now, f, why):
        n, self._sending = self._sending, -1
        self.registers[CANINTF] |= MERRF
        self._ended(n, TXERR)
        self._pin()

    def _ended(self, n, flag):
        """Not sent: it stays pending unless it was aborted or one shot was asked for."""
        if n < 0:
            return
        control = 0x30 + 16 * n
        self.registers[control] |= flag
        if self._aborting >> n & 1:
            self._aborting &= ~(1 << n)
            self.registers[control] = self.registers[control] & ~TXREQ | ABTF
        elif self.registers[CANCTRL] & 0x08:  # OSM
            self.registers[control] &= ~TXREQ

    def sent(self, now, f):
        n, self._sending = self._sending, -1
        self._aborting &= ~(1 << n)
        if self._written >> n & 1:
            self.repeats += 1
        else:
            self.registers[0x30 + 16 * n] &= 3
        self.registers[CANINTF] |= TX0IF << n
        if self.mode == LOOPBACK:
            self.heard(now, f)
        self._pin()

    def counted(self, now):
        self._error_flags()
        self._pin()

    def _error_flags(self):
        old = self.registers[EFLG]
        state = old & 0xC0
        state |= 0x02 if self.rec >= 96 else 0
        state |= 0x04 if self.tec >= 96 else 0
        state |= 0x08 if self.rec >= 128 else 0
        state |= 0x10 if self.tec >= 128 else 0
        state |= 0x20 if self.off else 0
        state |= 0x01 if state & 0x06 else 0
        self.registers[EFLG] = state
        if state != old:
            self.registers[CANINTF] |= ERRIF

    # --- receiving ---
    def heard(self, now, f):
        if self._entering and self.bus.began - self.joined_ns < IDLE_bits * self.bus.bit_ns:
            return
        self._take_up()
        first, second = self._hit(0, f), self._hit(1, f)
        flags = self.registers[CANINTF]
        if first >= 0 and not flags & RX0IF:
            self._load(0, f, first)
        elif first >= 0 and self.registers[0x60] & 4:
            self._load(1, f, first) if not flags & RX1IF else self._overflow(0x80)
        elif first >= 0:
            self._overflow(0x40)
        elif second >= 0:
            self._load(1, f, second) if not flags & RX1IF else self._overflow(0x80)
        self._pin()

    def _hit(self, buffer, f):
        """The number of the first filter that lets it through, or -1."""
        if self.registers[0x60 + 16 * buffer] & 0x60 == 0x60:
            return 0 if buffer == 0 else 2
        for n in (0, 1) if buffer == 0 else (2, 3, 4, 5):
            if self._matches(0x04 * n if n < 3 else 0x10 + 0x04 * (n - 3), 0x20 + 4 * buffer, f):
                return n
        return -1

    def _matches(self, at, mask_at, f):
        r = self.registers
        if (r[at + 1] >> 3 & 1) != f[EXT]:
            return False
        mask = r[mask_at] << 21 | (r[mask_at + 1] >> 5) << 18 | (r[mask_at + 1] & 3) << 16
        mask |= r[mask_at + 2] << 8 | r[mask_at + 3]
        wanted = r[at] << 21 | (r[at + 1] >> 5) << 18 | (r[at + 1] & 3) << 16 | r[at + 2] << 8 | r[at + 3]
        if f[EXT]:
            return (f[ID] ^ wanted) & mask == 0
        if (f[ID] << 18 ^ wanted) & mask & 0x1FFC0000:
            return False
        for i in range(2):  # the first two data bytes, of a data frame that has them
            if i < len(f[DATA]) and (f[DATA][i] ^ wanted >> (8 - 8 * i)) & mask >> (8 - 8 * i) & 255:
                return False
        return True

    def _load(self, buffer, f, hit):
        r, base = self.registers, 0x60 + 16 * buffer
        if f[EXT]:
            head = (f[ID] >> 21, (f[ID] >> 13 & 0xE0) | 8 | (f[ID] >> 16 & 3), f[ID] >> 8 & 255, f[ID] & 255)
        else:
            head = (f[ID] >> 3, f[ID] << 5 & 0xE0 | f[RTR] << 4, 0, 0)
        for i in range(4):
            r[base + 1 + i] = head[i]
        r[base + 5] = f[DLC] | (f[RTR] << 6 if f[EXT] else 0)
        for i in range(len(f[DATA])):
            r[base + 6 + i] = f[DATA][i]
        r[base] = r[base] & (0x66 if buffer == 0 else 0x60) | f[RTR] << 3 | hit & (1 if buffer == 0 else 7)
        r[CANINTF] |= RX1IF if buffer else RX0IF

    def _overflow(self, flag):
        self.overflows += 1
        self.registers[EFLG] |= flag
        self.registers[CANINTF] |= ERRIF

    def _pin(self):
        low = self.powered and self.registers[CANINTE] & self.registers[CANINTF] & 255
        self.int_pin.drive(0 if low else 1)


class _Inner(Node):
    """The chip on its own inner bus in loopback mode."""

    def __init__(self, chip):
        super().__init__("inner")
        self._chip = chip

    def pending(self, now):
        return self._chip.pending(now)

    def started(self, now, f):
        self._chip.started(now, f)

    def sent(self, now, f):
        self._chip.sent(now, f)
