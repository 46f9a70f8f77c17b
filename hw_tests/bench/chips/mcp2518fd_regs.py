"""The registers of the MCP2518FD as they read and what writing them does."""

# mypy: disable-error-code="attr-defined, has-type, misc, var-annotated"
# (one chip in three parts, which use each other's attributes)

from hw_tests.bench.chips.mcp2518fd_fifo import FRESET, RAM, RXOVIF, TXABT, TXERR, TXLARB, TXREQ, UINC

CONFIG, CAN20, LISTEN, LOOPBACK, SLEEP, RESTRICTED = 4, 6, 3, 2, 1, 7
IVMIF, CERRIF, SERRIF, RXOV, MODIF, RXIF, TXIF = 1 << 15, 1 << 13, 1 << 12, 1 << 11, 1 << 3, 1 << 1, 1
SPICRCIF, ECCIF = 1 << 9, 1 << 8
_CLEARABLE = IVMIF | 1 << 14 | CERRIF | SERRIF | MODIF | 1 << 2
_CON, _NBTCFG, _INT, _TREC, _OSC, _CRC, _ECCCON, _ECCSTAT = 0, 4, 0x1C, 0x34, 0xE00, 0xE08, 0xE0C, 0xE10
_READ_ONLY = (0x18, 0x20, 0x24, 0x28, 0x2C, 0x30, _TREC, 0xE14)


class Registers:
    """Mixed into the chip, which has mode, con, flags, enabled, fifos, filters, regs and the counters."""

    def reg(self, address):
        """A register that is only remembered."""
        return self.regs.get(address, 0)

    def int_flags(self):
        """C1INT, the lower half."""
        bits = self.flags
        for fifo in self.fifos:
            if fifo.con & 0x1F:
                wants = fifo.wants()
                if wants & 7:
                    bits |= TXIF if fifo.tx else RXIF
                if wants & RXOVIF and not fifo.tx:
                    bits |= RXOV
        if self.crc >> 16 & self.crc >> 24 & 3:
            bits |= SPICRCIF
        if self.ecc_status & self.reg(_ECCCON) & 6:
            bits |= ECCIF
        return bits

    def show_int(self):
        """Drive the INT pin: low while the chip wants something."""
        wants = self.miso is None and self.int_flags() & self.enabled
        if bool(wants) == bool(self.int_pin.level):
            self.int_pin.drive(0 if wants else 1)

    def each(self, wanted):
        """A register with a bit for each FIFO."""
        bits = 0
        for fifo in self.fifos:
            if wanted(fifo):
                bits |= 1 << fifo.number
        return bits

    def load(self, address):
        """What a word of the registers reads now."""
        simple = {
            _CON: lambda: self.con & 0xFF1FF7FF | self.mode << 21 | (1 << 11 if self.sending else 0),
            _INT: lambda: self.int_flags() | self.enabled << 16,
            0x18: self._vector,
            0x20: lambda: self.each(lambda fifo: not fifo.tx and fifo.wants() & 7),
            0x24: lambda: self.each(lambda fifo: fifo.tx and fifo.wants() & 7),
            0x28: lambda: self.each(lambda fifo: not fifo.tx and fifo.flags & RXOVIF),
            0x30: lambda: self.each(lambda fifo: fifo.con & TXREQ),
            _TREC: self._error_state,
            0x38: lambda: self.errors[0] | self.errors[1] << 8,
            0x3C: lambda: self.diagnosis,
            _OSC: lambda: self._osc() & (0x7F if self.crystal_stopped else 0x157F),
            _CRC: lambda: self.crc,
            _ECCSTAT: lambda: self.ecc_status,
            0xE14: lambda: 0x14,  # the same in both kinds
        }
        if address in simple:
            return simple[address]()
        if 0x50 <= address < 0x1D0:
            fifo, part = self.fifos[(address - 0x50) // 12], (address - 0x50) % 12
            return (fifo.con, fifo.status(), fifo.address(fifo.user()) - RAM)[part // 4]
        if 0x1D0 <= address < 0x1F0:
            n = address - 0x1D0
            return self.filters[n] | self.filters[n + 1] << 8 | self.filters[n + 2] << 16 | self.filters[n + 3] << 24
        return self.reg(address)

    def _osc(self):
        if self.mode == SLEEP:
            return self.regs[_OSC] & 0x7B | 4
        osc = self.regs[_OSC] & 0x7F
        if self.kind == 2517:
            osc &= ~8  # no LPMEN: how the two are told apart
        return osc | 1 << 10 | (osc & 1) << 8 | (osc >> 4 & 1) << 12

    def _vector(self):
        rx = self.load(0x20)
        code = 0
        while rx and not rx >> code & 1:
            code += 1
        return (code if rx else 0x40) << 24 | 0x40 << 16 | (code if rx else 0x40)

    def _error_state(self):
        off, tec, rec = self.off, min(self.tec, 255), self.rec
        bits = (off << 21) | (tec >= 128) << 20 | (rec >= 128) << 19 | (tec >= 96) << 18 | (rec >= 96) << 17
        return bits | (tec >= 96 or rec >= 96) << 16 | tec << 8 | rec

    def store(self, now, address, value, mask):
        """Bytes of one register word arrive: `mask` says which."""
        old = self.load(address)
        new = old & ~mask | value & mask
        config = self.mode == CONFIG
        if address == _CON:
            self._control(now, new, config)
        elif address == _INT:
            self.flags &= ~(_CLEARABLE & mask & ~value)
            self.enabled = new >> 16 & 0xFF1F
        elif 0x50 <= address < 0x1D0:
            self._fifo_write(now, address, value, mask, config)
        elif 0x1D0 <= address < 0x1F0:
            for i in range(4):
                self.filters[address - 0x1D0 + i] = new >> 8 * i & 0x9F
        elif 0x1F0 <= address < 0x2F0:
            if not self.filters[(address - 0x1F0) // 8] & 0x80:  # one that is in use cannot be changed
                self.regs[address] = new & 0x7FFFFFFF
        elif address >= _OSC:
            self._store_special(address, value, new, mask)
        elif address == _NBTCFG:
            if config:
                self.regs[address] = new
        elif address not in _READ_ONLY:
            self.regs[address] = new

    def _store_special(self, address, value, new, mask):
        """Oscillator, pins, CRC and ECC."""
        if address == _CRC:
            self.crc = self.crc & (0xFFFF | ~mask | value) & 0x3FFFF | new & 0x03000000
        elif address == _ECCSTAT:
            self.ecc_status &= ~mask | value
        elif address == _OSC and self.mode == SLEEP:
            if not new & 4:
                self.mode = CONFIG  # nothing but the oscillator comes back
        elif address == _OSC:
            if self.mode == CONFIG:
                self.regs[address] = new
        elif address not in _READ_ONLY:
            self.regs[address] = new

    def _control(self, now, new, config):
        settable = 0xFF1F1FFF if config else 0xFF000000
        self.con = self.con & ~settable | new & settable
        if new >> 27 & 1:  # ABAT
            for fifo in self.fifos:
                self._abort(fifo)
        self._request(now)

    def _fifo_write(self, now, address, value, mask, config):
        fifo, part = self.fifos[(address - 0x50) // 12], (address - 0x50) % 12
        if part == 4:
            if mask & ~value & RXOVIF:
                fifo.flags &= ~RXOVIF
            return
        if part != 0:
            return
        settable = 0xFF7F00FF if config else 0x007F005F
        fifo.con = fifo.con & ~(settable & mask) | value & settable & mask
        if not mask & 0xFF00:
            return
        if value & FRESET:
            fifo.reset()
        elif not config:
            if value & UINC:
                fifo.increment()
            if fifo.tx:
                if value & TXREQ:
                    fifo.con |= TXREQ
                    fifo.flags &= ~(TXABT | TXLARB | TXERR)
                else:
                    self._abort(fifo)
        if self.bus is not None:
            self.bus.run(now)
        self._loop(now)

    def _abort(self, fifo):
        if not fifo.con & TXREQ:
            return
        fifo.aborting = True
        if self.sending is None or self.sending[0] is not fifo:
            self._request_over(fifo)
