"""The MCP2515's instructions and registers as SPI sees them: see mcp2515.py, which has the rest of the chip."""

from hw_tests.bench.chips.node import Node

NORMAL, SLEEP, LOOPBACK, LISTEN, CONFIG = range(5)
BFPCTRL, TXRTSCTRL, CANSTAT, CANCTRL, TEC, REC = 0x0C, 0x0D, 0x0E, 0x0F, 0x1C, 0x1D
CNF3, CNF2, CNF1, CANINTE, CANINTF, EFLG = 0x28, 0x29, 0x2A, 0x2B, 0x2C, 0x2D
RX0IF, RX1IF, TX0IF, ERRIF, MERRF = 0x01, 0x02, 0x04, 0x20, 0x80
ABTF, MLOA, TXERR, TXREQ = 0x40, 0x20, 0x10, 0x08
_MODIFIABLE = (BFPCTRL, TXRTSCTRL, CNF3, CNF2, CNF1, CANINTE, CANINTF, EFLG, 0x30, 0x40, 0x50, 0x60, 0x70)
_RESET, _READ, _WRITE, _MODIFY, _READ_STATUS, _RX_STATUS = 0xC0, 0x03, 0x02, 0x05, 0xA0, 0xB0


class Instructions(Node):
    """The part of the chip that the SPI reaches."""

    def __init__(self, clock, name):
        super().__init__(name)
        self.clock = clock
        self.registers = bytearray([(37 * i + 11) & 255 for i in range(128)])
        self.mode = self._asked = CONFIG
        self.powered = True
        self.miso = None  # a byte: MISO is held there
        self._ready = 0
        self._sending = -1
        self._aborting = self._written = 0  # buffers: give up after this attempt; TXREQ by a write in this transaction
        self._begin_instruction()

    def _reset(self, now):
        pass

    def _sync(self):
        pass

    def _changed(self):
        pass

    # --- SPI ---
    def selected(self, on):
        """CS falls or rises."""
        self.clock.pass_ns(500)
        if on:
            self._begin_instruction()
            return
        self._sync()
        if self._command & 0xF9 == 0x90:
            self.registers[CANINTF] &= ~(RX1IF if self._command & 4 else RX0IF)
        self._written = 0
        self._changed()

    def _begin_instruction(self):
        self._command = -1
        self._count = self._at = self._mask = 0

    def exchange(self, byte):
        """One byte out, one in."""
        if not self.powered:
            return 0 if self.miso is None else self.miso
        self._sync()
        if self._command < 0:
            self._command = byte
            answer = 255  # high impedance, a pull-up
            self._instruction(byte)
        else:
            answer = self._go_on(byte)
            self._count += 1
        self._changed()
        return answer if self.miso is None else self.miso

    def _instruction(self, command):
        if self.clock.now < self._ready:
            self._command = 0xFF  # still in reset: it hears nothing
        elif command == _RESET:
            self._reset(self.clock.now)
            self._command = _RESET
        elif command & 0xF9 == 0x90:  # READ RX BUFFER
            self._at = (0x71 if command & 4 else 0x61) + (5 if command & 2 else 0)
        elif command & 0xF8 == 0x40 and command & 7 < 6:  # LOAD TX BUFFER
            self._at = 0x31 + 0x10 * (command >> 1 & 3) + (5 if command & 1 else 0)
        elif command & 0xF8 == 0x80:  # RTS
            for n in range(3):
                if command >> n & 1:
                    self._request(n)

    def _go_on(self, byte):
        command = self._command
        if command & 0xF9 == 0x90:
            return self._next_register()
        if command & 0xF8 == 0x40:
            self._write(self._at, byte, 255)
            self._at = (self._at + 1) & 127
        elif command == _READ_STATUS:
            return self._read_status()
        elif command == _RX_STATUS:
            return self._rx_status()
        elif command in (_READ, _WRITE, _MODIFY):
            return self._addressed(command, byte)
        return 255

    def _addressed(self, command, byte):
        if self._count == 0:
            self._at = byte & 127
        elif command == _READ:
            return self._next_register()
        elif command == _WRITE:
            self._write(self._at, byte, 255)
            self._at = (self._at + 1) & 127
        elif self._count == 1:
            self._mask = byte
        elif self._count == 2:
            may = self._at in _MODIFIABLE or self._at & 0x0F == CANCTRL
            self._write(self._at, byte, self._mask if may else 255)
        return 255

    def _next_register(self):
        value = self.read(self._at)
        self._at = (self._at + 1) & 127
        return value

    def read(self, address):
        """What READ gives."""
        low = address & 0x0F
        if low == CANSTAT:
            return self.mode << 5 | self._interrupt_code() << 1
        if low == CANCTRL:
            return self.registers[CANCTRL]
        if self._is_filter(address) and self.mode != CONFIG:
            return 0
        if address == TEC:
            return min(self.tec, 255)
        return min(self.rec, 255) if address == REC else self.registers[address]

    def _interrupt_code(self):
        active = self.registers[CANINTE] & self.registers[CANINTF]
        for code, bit in ((1, ERRIF), (2, 0x40), (3, 0x04), (4, 0x08), (5, 0x10), (6, RX0IF), (7, RX1IF)):
            if active & bit:
                return code
        return 0

    def _is_filter(self, address):
        return address < 0x28 and address & 0x0F < 0x0C and address != TEC and address != REC

    def _read_status(self):
        flags = self.registers[CANINTF]
        status = flags & 3
        for n in range(3):
            status |= (self.registers[0x30 + 16 * n] >> 3 & 1) << (2 + 2 * n) | (flags >> (2 + n) & 1) << (3 + 2 * n)
        return status

    def _rx_status(self):
        flags = self.registers[CANINTF] & 3
        if not flags:
            return 0
        base = 0x60 if flags & 1 else 0x70
        sidl, dlc = self.registers[base + 2], self.registers[base + 5]
        ext = sidl >> 3 & 1
        remote = dlc >> 6 & 1 if ext else sidl >> 4 & 1
        hit = self.registers[base] & (1 if base == 0x60 else 7)
        return flags << 6 | ext << 4 | remote << 3 | (hit + 6 if base == 0x70 and hit < 2 else hit)

    # --- registers that are written ---
    def _write(self, address, value, mask):
        low = address & 0x0F
        old = self.registers[CANCTRL if low == CANCTRL else address]
        value = old & ~mask | value & mask
        if low == CANSTAT or address in (TEC, REC):
            return
        if low == CANCTRL:
            self._control(value)
        elif self._is_filter(address) or CNF3 <= address <= CNF1 or address == TXRTSCTRL:
            if self.mode == CONFIG:
                masked = 0xE3 if 0x20 <= address < 0x28 else 0xEB
                self.registers[address] = value & (masked if self._is_filter(address) and address & 3 == 1 else 255)
        elif address in (0x30, 0x40, 0x50):
            self._transmit_control(address, value, old)
        elif 0x30 < address < 0x5E:
            if not self.registers[address & 0x70] & TXREQ:
                self.registers[address] = value & (0xEB if low == 2 else 0x4F if low == 5 else 255)
        elif address in (0x60, 0x70):
            may = 0x64 if address == 0x60 else 0x60
            value = old & ~may | value & may
            self.registers[address] = value & ~2 | value >> 1 & 2 if address == 0x60 else value
        elif address == EFLG:
            self.registers[address] = old & (value | 0x3F)
        elif address == CANINTF:
            overflowed = self.registers[EFLG] & 0xC0
            self.registers[address] = value | ERRIF & old if overflowed else value
        elif address in (CANINTE, BFPCTRL):
            self.registers[address] = value

    def _transmit_control(self, address, value, old):
        n = (address >> 4) - 3
        self.registers[address] = old & ~3 | value & 3
        if value & TXREQ and not old & TXREQ:
            self._written |= 1 << n
            self._request(n)
        elif old & TXREQ and not value & TXREQ:
            self._abort(n)

    def _request(self, n):
        control = 0x30 + 16 * n
        if not self.registers[control] & TXREQ:
            self.registers[control] = self.registers[control] & 3 | TXREQ
            self._aborting &= ~(1 << n)

    def _abort(self, n):
        if self._sending == n:
            self._aborting |= 1 << n  # it may still go through
        else:
            self.registers[0x30 + 16 * n] = self.registers[0x30 + 16 * n] & 3 | ABTF

    def _control(self, value):
        if value & 0x10:  # ABAT
            for n in range(3):
                if self.registers[0x30 + 16 * n] & TXREQ:
                    self._abort(n)
        self.registers[CANCTRL] = value
        self._asked = min(value >> 5, CONFIG)
