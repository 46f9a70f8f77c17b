"""The SPI side of the MCP2518FD: instructions, CRC, and what the wires do to them. Byte by byte, as on the wire."""

# mypy: disable-error-code="attr-defined, has-type, misc, var-annotated"
# (one chip in three parts, which use each other's attributes)

from hw_tests.bench.chips.mcp2518fd_fifo import RAM, RAM_B

_RESET, _WRITE, _READ, _WRITE_CRC, _READ_CRC, _WRITE_SAFE = 0, 2, 3, 10, 11, 12
_RAM_END = RAM + RAM_B
_OSC, _IOCON = 0xE00, 0xE04
_SLEEP = 1
# Registers, beside those of the FIFOs' states, whose top bits a read may give wrong (DS80000789 1).
_VOLATILE = (0x00, 0x10, 0x1C, 0x20, 0x24, 0x28, 0x2C, 0x30, 0x34, 0x38, 0x3C)
SAFE_permille = 850  # of SYSCLK / 2, for SCK


def crc16(data, crc=0xFFFF):
    """CRC-16, polynomial 0x8005, not reflected."""
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x8005 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


class Spi:
    """Mixed into the chip, which has load(), store(), ram, advance(), reset(), clock."""

    def __init__(self):
        self.sck_Hz = 10000000
        self.cs_late_ns = 0  # more than the code under test takes from the last byte to the rise of CS
        self.miso = None  # 0 or 255: it is held there, and the chip hears nothing
        self.bad_read = self.bad_index = self.flip = 0
        self._chosen = False
        self._in = bytearray()  # the bytes of this transaction

    # --- one transaction ---
    def selected(self, on):
        """CS falls or rises."""
        if on:
            self.advance(self.clock.now)
            self._select()
        else:
            self.clock.pass_ns(self.cs_late_ns)
            self._deselect(self.clock.now)
        self.advance(self.clock.now)

    def exchange(self, out):
        """One byte each way."""
        if self.miso is not None:
            return self.miso
        if not self._chosen:
            return 255  # MISO floats
        self._byte_ns = self.clock.now
        answer = self._byte(self.clock.now, out)
        if len(self._in) > 2 and self._op in (_WRITE, _WRITE_CRC):
            self.show_int()
        return answer

    def _select(self):
        self._chosen = True
        self._in = bytearray()
        self._read = bytearray()  # what a READ_CRC has given
        self._word = 0
        self._spoil = self.flip > 0
        self._touched_ram = False
        self._byte_ns = self.clock.now
        if self._spoil:
            self.flip -= 1

    def _byte(self, now, out):
        at = len(self._in)
        self._in.append(out)
        if at == 1:
            self._op = self._in[0] >> 4
            self._address = (self._in[0] & 15) << 8 | out
            self._where = self._address
            self._touched_ram = RAM <= self._address < _RAM_END
        if at < 2:
            return 0
        if self._op == _READ:
            return self._noise(at - 2, self._wrong(at - 2, self._give()))
        if self._op == _READ_CRC:
            return self._noise(at - 3, self._give_crc(at))
        if self._op in (_WRITE, _WRITE_CRC):
            self._take(now, at, out)
        return 0

    def _deselect(self, now):
        if not self._chosen:
            return
        said, self._chosen = self._in, False
        if self.miso is not None or len(said) < 2:
            return
        if self._op == _RESET and self._address == 0:
            self.reset(now)
        elif self._op == _WRITE_CRC:
            self._check_write(said)
        elif self._op == _WRITE_SAFE:
            self._write_safe(now, said)
        if self._touched_ram and self.kind == 2517 and self.sending is not None and self.bus is not None:
            if now - self._byte_ns > 5 * self.bus.bit_ns:
                self.underflow(now)  # DS80000792 1

    # --- reading ---
    def _in_ram(self, address):
        return RAM <= address < _RAM_END

    def _give(self):
        address = self._where
        self._where = RAM if address + 1 == _RAM_END else address + 1 & 0xFFF
        if self._in_ram(address):
            value = self.ram[address - RAM]
            return value ^ 1 if self._too_fast() and address & 3 == 0 else value
        if address & 3 == 0 or address == self._address:
            self._word = self._register(address & ~3)
        return self._word >> 8 * (address & 3) & 255

    def _register(self, address):
        word = self.load(address)
        if self.bad_index and 0x5C <= address < 0x1D0 and (address - 0x50) % 12 == 4:
            fifo = self.fifos[(address - 0x50) // 12]
            if not fifo.tx:
                self.bad_index -= 1
                word = word & ~0x1F00 | (fifo.head + 3) % fifo.depth << 8
        return word

    def _give_crc(self, at):
        if at == 2:
            self._left = self._in[2] * (4 if self._in_ram(self._address) else 1)
            self._crc_bytes = None
            return 0
        if self._left:
            self._left -= 1
            value = self._give()
            self._read.append(value)
            return self._wrong(len(self._read) - 1, value)
        if self._crc_bytes is None:
            crc = crc16(self._read, crc16(self._in[:3]))
            self._crc_bytes = [crc >> 8, crc & 255]
        return self._crc_bytes.pop(0) if self._crc_bytes else 0

    def _wrong(self, n, value):
        word = self._address & ~3
        changes = word in _VOLATILE or 0x50 <= word < 0x1D0 and (word - 0x50) % 12 == 4
        if n == 0 and self.bad_read and changes:
            self.bad_read -= 1
            return value ^ 0x80
        return value

    def _noise(self, n, value):
        return value ^ 0x10 if self._spoil and n == 0 else value

    # --- writing ---
    def _too_fast(self):
        return self.sck_Hz * 1000 > self.sysclk_Hz // 2 * SAFE_permille

    def _take(self, now, at, out):
        first = 3 if self._op == _WRITE_CRC else 2
        if self._op == _WRITE_CRC and at >= 3 + self._in[2] * (4 if self._in_ram(self._address) else 1):
            return
        if at >= first:
            self._put_byte(now, self._address + at - first, out)

    def _put_byte(self, now, address, value):
        if address >= _RAM_END and self._in_ram(self._address):
            address -= RAM_B
        if self._in_ram(address):
            # A word is written when its last byte has come.
            self._word = (self._word if address & 3 else 0) | value << 8 * (address & 3)
            if address & 3 == 3:
                if self._too_fast():
                    self._word ^= 1 << 9
                for i in range(4):
                    self.ram[address - 3 - RAM + i] = self._word >> 8 * i & 255
            return
        if self.mode == _SLEEP and address & ~3 != _OSC:
            return  # there is no clock
        if address & ~3 == _IOCON and len(self._in) > 3:
            self.regs[_IOCON] &= ~0x300  # LAT0 and LAT1
        self.store(now, address & ~3, value << 8 * (address & 3), 255 << 8 * (address & 3))

    def _check_write(self, said):
        count = said[2] * (4 if self._in_ram(self._address) else 1) if len(said) > 2 else 0
        if len(said) < 5 + count or not count:
            self.crc |= 1 << 17  # FERRIF
            return
        crc = crc16(said[: 3 + count])
        if said[3 + count] << 8 | said[4 + count] != crc:
            self.crc |= 1 << 16  # CRCERRIF

    def _write_safe(self, now, said):
        count = 4 if self._in_ram(self._address) else 1
        if len(said) < 4 + count:
            self.crc |= 1 << 17
            return
        crc = crc16(said[: 2 + count])
        if said[2 + count] << 8 | said[3 + count] != crc:
            self.crc |= 1 << 16
            return
        for i in range(count):
            self._in = said[:3]  # one byte: what it does to IOCON is none of the erratum's
            self._put_byte(now, self._address + i, said[2 + i])
