"""The MCP2518FD (and MCP2517FD) CAN controller at register level, in classic CAN, on a virtual bus.

Wired up as board.py says: `exchange(byte)`, `selected(on)`, `int_pin`; `sck_Hz` is the clock of the SPI. Registers and
behaviour: DS20005678 (family), DS20006027 (MCP2518FD) and the errata sheets DS80000789 (MCP2518FD) and DS80000792
(MCP2517FD), the latter two as Linux's mcp251xfd quotes them; what a source leaves open is said where it is.

Errata and faults that a test brings about, each a number of times:
* SCK above 0.85 * SYSCLK / 2 (DS80000789 4, DS80000792 5): words written to RAM and read from it lose a bit;
* bad_read (DS80000789 1, DS80000792 2): the next reads of a register that changes by itself have bit 7 of their first
  byte wrong; the CRC of a READ_CRC is that of the right one;
* bad_index (DS80000789 6): the next reads of C1FIFOSTA of a receive FIFO give a FIFOCI that is too large;
* IOCON (DS80000789 5): a write of more than one byte clears LAT0 and LAT1;
* underflow() (DS80000792 1): the MCP2517FD's CAN side could not read its RAM in time, because a SPI access took longer
  than 5 bit times from one byte to the next or to the rise of CS: SERRIF, MODIF, Restricted Operation;
* flip (noise on the wires): the next transactions have a bit of what the chip answers first inverted;
* ram_error(): a bit of RAM is wrong, ECC tells it if it is enabled;
* miso 0 or 255: MISO is held low or high, the chip hears nothing;
* crystal_stopped: no clock.
"""

# mypy: disable-error-code="attr-defined, has-type, misc, var-annotated"
# (one chip in three parts, which use each other's attributes)

from hw_tests.bench.chips.board import Pin
from hw_tests.bench.chips.mcp2518fd_fifo import (
    FRESET,
    RAM,
    RAM_B,
    RXOVIF,
    RXTSEN,
    TXABT,
    TXERR,
    TXLARB,
    TXREQ,
    Fifo,
    matches,
    next_to_send,
    write_object,
)
from hw_tests.bench.chips.mcp2518fd_regs import (
    CAN20,
    CERRIF,
    CONFIG,
    IVMIF,
    LISTEN,
    LOOPBACK,
    MODIF,
    RESTRICTED,
    SERRIF,
    SLEEP,
    Registers,
)
from hw_tests.bench.chips.mcp2518fd_spi import Spi
from hw_tests.bench.chips.node import Node
from hw_tests.bench.chips.wire import length_bits

_NBTCFG, _OSC, _IOCON, _ECCCON = 4, 0xE00, 0xE04, 0xE0C
_ON_BUS = (CAN20, 0, LISTEN, RESTRICTED)


class IntPin(Pin):
    """INT: what the chip does by itself has happened when its level is looked at."""

    def __init__(self, chip):
        super().__init__(chip.clock)
        self._chip = chip

    def __call__(self):
        self._clock.aside()
        self._chip.advance(self._clock.now)
        self._clock.back()
        return super().__call__()


class Mcp2518fd(Spi, Registers, Node):
    """One controller; `kind` 2518 or 2517. Attach it to a bus, not `on`: its driver brings it there."""

    def __init__(self, clock, crystal_Hz=40000000, kind=2518, name="mcp2518fd"):
        Node.__init__(self, name)
        self.clock = clock
        self.kind = kind
        self.crystal_Hz = crystal_Hz
        self.int_pin = IntPin(self)
        self.underflows = self.overflows = self.resets = 0
        self.crystal_stopped = False
        Spi.__init__(self)
        self.power_on(0)

    def power_on(self, now):
        """Everything as after power came: RAM too."""
        self.ram = bytearray(RAM_B)
        self.resets = 0
        self.reset(now)

    def brown_out(self):
        """A dip of the supply."""
        self.power_on(self.clock.now)
        self.show_int()

    def reset(self, now):
        """The RESET instruction."""
        if self.resets and self.mode == SLEEP and now:
            return  # it is not heard
        self.resets += 1
        self.leave(now)
        self.forget_errors()
        self.con = 0x04980760
        self.mode = CONFIG
        self._mode_due = None
        self.regs = {_NBTCFG: 0x003E0F0F, _OSC: 0x460, _IOCON: 0x03000003}
        self.flags = 0
        self.enabled = 0
        self.crc = self.ecc_status = 0
        self.errors = [0, 0]  # NRERRCNT, NTERRCNT
        self.diagnosis = 0
        self.fifos = [Fifo(n) for n in range(32)]
        self.filters = bytearray(32)  # FLTEN and the FIFO of each
        self.sending = None
        self._loop_end = None
        self._warned = (0, 0, 0)

    # --- clocks and modes ---
    @property
    def sysclk_Hz(self):
        osc = self.regs[_OSC]
        return self.crystal_Hz * (10 if osc & 1 else 1) // (2 if osc >> 4 & 1 else 1)

    @property
    def bitrate(self):
        n = self.regs[_NBTCFG]
        return self.sysclk_Hz // ((n >> 24) + 1) // ((n >> 16 & 255) + (n >> 8 & 127) + 3)

    def advance(self, now):
        """What happens by itself until then: a change of mode that was asked for, and the loop back."""
        if self.bus is not None and self.bus.now < now:
            self.bus.run(now)
        if self._mode_due is not None and now >= self._mode_due and self.sending is None:
            self._enter(now, self.con >> 24 & 7)
        while self._loop_end is not None and now >= self._loop_end:
            end, self._loop_end = self._loop_end, None
            fifo, index, f = self.sending
            self.sent(end, f)
            self.heard(end, f)
            self._loop(end)
        self.show_int()

    def _request(self, now):
        wanted = self.con >> 24 & 7
        if wanted == self.mode:
            self._mode_due = None
        elif self.mode == CONFIG and wanted in _ON_BUS:
            self._layout()
            self.rate = self.bitrate
            self.silent = wanted in (LISTEN, RESTRICTED)
            for fifo in self.fifos:
                fifo.con &= ~FRESET
            self.join(now)
            self._mode_due = now + 11 * 1000000000 // self.rate
        else:
            self._mode_due = now
        self.advance(now)

    def _enter(self, now, mode):
        self._mode_due = None
        if mode == CONFIG or mode == SLEEP:
            self.leave(now)
            self.forget_errors()
            self.sending = None
            for fifo in self.fifos:
                fifo.reset()
                fifo.con |= FRESET
        elif mode == LOOPBACK:
            self._layout()
            self.rate = self.bitrate
            for fifo in self.fifos:
                fifo.con &= ~FRESET
        self.silent = mode in (LISTEN, RESTRICTED)
        self.mode = mode
        self.flags |= MODIF
        self._loop(now)

    def _layout(self):
        """The FIFOs follow each other in RAM; the queue comes first if it is enabled."""
        if self.con >> 19 & 1:
            raise ValueError("the transmit event FIFO is not modelled")
        at = 0
        for fifo in self.fifos:
            if fifo.number or self.con >> 20 & 1:
                fifo.base = at
                if fifo.number == 0 or self._used(fifo):
                    at += fifo.depth * fifo.object_B
        if at > RAM_B:
            raise ValueError("the FIFOs need %d bytes of RAM" % at)

    def _used(self, fifo):
        """Every FIFO has its place, the ones behind the last that is set up do not matter."""
        return any([other.con & ~FRESET != 0x00600000 for other in self.fifos[fifo.number :]])

    # --- the bus asks and tells ---
    def pending(self, now):
        if self.mode not in (CAN20, 0) or self._mode_due is not None:
            return None
        found = next_to_send(self.fifos, self.ram)
        return found[2] if found else None

    def started(self, now, f):
        self.sending = next_to_send(self.fifos, self.ram)

    def lost(self, now, f):
        found = next_to_send(self.fifos, self.ram)
        if found:
            found[0].flags |= TXLARB

    def sent(self, now, f):
        fifo, index, _ = self.sending
        self.sending = None
        if fifo.number == 0:
            fifo.held.remove(index)
        fifo.tail = (fifo.tail + 1) % fifo.depth
        fifo.count -= 1
        if not fifo.count or fifo.aborting:
            self._request_over(fifo)
        self.show_int()

    def failed(self, now, f, why):
        if self.sending is None:
            return
        fifo, self.sending = self.sending[0], None
        fifo.flags |= TXERR
        self.errors[1] = min(self.errors[1] + 1, 255)
        self.diagnosis |= 1 << (18 if why == 1 else 16)
        if fifo.aborting:
            self._request_over(fifo)

    def _request_over(self, fifo):
        if fifo.aborting and fifo.count:
            fifo.flags |= TXABT
        fifo.aborting = False
        fifo.con &= ~TXREQ

    def heard(self, now, f):
        for n in range(32):
            if self.filters[n] & 0x80 and matches(self.reg(0x1F0 + 8 * n), self.reg(0x1F4 + 8 * n), f):
                self._store(now, self.fifos[self.filters[n] & 31], f, n)
                break
        self.show_int()

    def _store(self, now, fifo, f, hit):
        if fifo.tx:
            return
        if fifo.count == fifo.depth:
            fifo.flags |= RXOVIF
            self.overflows += 1
            return
        stamp = now * (self.sysclk_Hz // 1000000) // 1000 & 0xFFFFFFFF if fifo.con & RXTSEN else None
        write_object(self.ram, fifo.address(fifo.head) - RAM, f, hit, stamp)
        fifo.head = (fifo.head + 1) % fifo.depth
        fifo.count += 1

    def counted(self, now):
        level = (self.off, self.tec >= 128 or self.rec >= 128, self.tec >= 96 or self.rec >= 96)
        if level != self._warned:
            self.flags |= CERRIF
        if self.off and not self._warned[0]:
            self.diagnosis |= 1 << 23
            self.sending = None
        self._warned = level
        self.show_int()

    def _loop(self, now):
        """In internal loop back a message takes as long as on the wire."""
        if self.mode == LOOPBACK and self.sending is None:
            self.sending = next_to_send(self.fifos, self.ram)
            if self.sending:
                self._loop_end = now + (length_bits(self.sending[2]) + 3) * 1000000000 // self.rate

    # --- faults ---
    def underflow(self, now):
        """MCP2517FD: its message was not read from RAM in time; the frame on the wire is broken off."""
        self.underflows += 1
        self.flags |= SERRIF | IVMIF
        self.advance(now)
        self._enter(now, RESTRICTED)
        self.con = self.con & ~(7 << 24) | RESTRICTED << 24
        if self.sending is not None:
            self.sending = None
            self.bus.gone(self, now)

    def ram_error(self, at):
        """A bit of this RAM byte has flipped."""
        self.ram[at] ^= 1
        if self.reg(_ECCCON) & 1:
            self.ecc_status = (at & ~3) << 16 | 2
