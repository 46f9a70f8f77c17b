# Runs a CAN driver over a stub of the SPI, for host_tests/perf_can.py: `can_bench.py driver what frames`.
# `what`: receive, send; with _stub the same calls of the stub alone, to be subtracted.
import sys

sys.path[:] = ["", ".frozen", "lib"]


class Pin:
    IRQ_FALLING = 2
    level = 1

    def __call__(self):
        return Pin.level

    def irq(self, handler, trigger):
        pass


class Mcp2515:
    # Answers a driver that sets it up, then has one frame after the other. Nothing is checked.
    transactions = octets = 0
    registers = bytearray(128)
    frame = bytes((0, 0xC0, 0xEB, 0x56, 0xF4, 8, 1, 2, 3, 4, 5, 6, 7, 8))

    def cs(self, level):
        pass

    def write(self, out):
        self.transactions += 1
        self.octets += len(out)
        if len(out) == 4:
            self.registers[out[1]] = out[3]
            if out[1] == 0x0F:
                self.registers[0x0E] = out[3] & 0xE0
        elif out[0] == 2:
            self.registers[out[1] : out[1] + len(out) - 2] = out[2:]
        elif out[0] == 0xC0:
            self.registers[0x0E] = 0x80

    def write_readinto(self, out, into):
        self.transactions += 1
        self.octets += len(out)
        if len(out) == 2:
            into[1] = self.status
        elif out[0] == 3:
            into[2:] = self.registers[out[1] : out[1] + len(out) - 2]
        else:
            into[:] = self.frame
            Pin.level = 1

    status = 1


class Mcp2518fd:
    # The same for the other: memory that remembers, a receive FIFO with one more frame each time, all is sent at once.
    transactions = octets = tail = status = 0
    memory = bytearray(4096)
    answers = {}  # type: dict  # checked reads by address and length: their CRC takes long
    frame = b"\xbd\xa1\x81\x06\x18\x00\x00\x00\x01\x02\x03\x04\x05\x06\x07\x08"

    def cs(self, level):
        pass

    def write(self, out):
        self.transactions += 1
        self.octets += len(out)
        at = (out[0] & 15) << 8 | out[1]
        if at == 0x5D:
            self.tail = self.tail + 1 & 31
            Pin.level = 1
        elif out[0] >> 4 == 2:
            self.memory[at : at + len(out) - 2] = out[2:]
            if at == 0xE00:
                self.memory[0xE01] = 4  # OSCRDY
            if at == 3:
                self.memory[2] = out[2] << 5

    def write_readinto(self, out, into):
        self.transactions += 1
        self.octets += len(out)
        at = (out[0] & 15) << 8 | out[1]
        if at == 0x60:
            into[2] = 1
            into[3] = self.tail + 1 & 31
        elif out[0] >> 4 == 11:
            into[:] = self.checked(at, out)
        else:
            into[2:] = self.memory[at : at + len(out) - 2]

    def checked(self, at, out):
        if at < 0x400 or at >= 0x600:
            return self.with_crc(out, self.memory[at : at + len(out) - 5])
        if at not in self.answers:
            self.answers[at] = self.with_crc(out, self.frame)
        return self.answers[at]

    def with_crc(self, out, data):
        from hw_tests.bench.chips.mcp2518fd_spi import crc16

        crc = crc16(data, crc16(out[:3]))
        return bytes(3) + data + bytes((crc >> 8, crc & 255))


def plain_2518fd(spi, what, frames):
    into3, into4, into18, into21 = bytearray(3), bytearray(4), bytearray(18), bytearray(21)
    for n in range(frames):
        if what == "receive":
            Pin.level = 0
            spi.cs(0)
            spi.write_readinto(b"\x30\x60\x00\x00", into4)
            spi.cs(1)
            spi.cs(0)
            into21[0], into21[1] = 0xB4, 16 * (n & 15)
            spi.write_readinto(into21, into21)
            spi.cs(1)
            spi.cs(0)
            spi.write(b"\x20\x5d\x01")
            spi.cs(1)
        else:
            if n % 7 == 0:
                spi.cs(0)
                spi.write_readinto(b"\x30\x31\x00", into3)
                spi.cs(1)
            into18[0], into18[1] = 0x26, 0x60
            spi.cs(0)
            spi.write(into18)
            spi.cs(1)
            spi.cs(0)
            spi.write(b"\x20\xb1\x03")
            spi.cs(1)


def plain(spi, what, frames, status, data):
    # What the driver does with the SPI, without the driver.
    into2, into14 = bytearray(2), bytearray(14)
    for _ in range(frames):
        if what == "receive":
            Pin.level = 0
            spi.cs(0)
            spi.write_readinto(b"\xa0\x00", into2)
            spi.cs(1)
            spi.cs(0)
            spi.write_readinto(b"\x90" + bytes(13), into14)
            spi.cs(1)
        else:
            spi.cs(0)
            spi.write(into14)
            spi.cs(1)
            spi.cs(0)
            spi.write(b"\x81")
            spi.cs(1)


def driven(can, what, frames, data):
    held = [0, memoryview(bytearray(8)), 0, 0]
    for _ in range(frames):
        if what == "receive":
            Pin.level = 0
            if can.recv(held) is None:
                raise RuntimeError("no frame")
        elif can.send(0x181056F4, data, 2) is None:
            raise RuntimeError("full")


def made(driver):
    # (stub, driver on it)
    if driver == "mcp2515":
        from mcp2515 import CAN

        spi, crystal_Hz = Mcp2515(), 16000000
    elif driver == "mcp2518fd":
        from mcp2518fd import CAN

        spi, crystal_Hz = Mcp2518fd(), 40000000
    else:
        raise ValueError(driver)
    return spi, CAN(1, 250000, port=(spi, spi.cs, Pin(), crystal_Hz))


def main(driver, what, frames):
    data = bytearray(8)
    spi, can = made(driver)
    can.set_filters(((0, 0, 2),))
    spi.status = 1 if what.startswith("receive") else 0
    driven(can, what.split("_")[0], 40, data)
    spi.transactions = spi.octets = 0
    if not what.endswith("_stub"):
        driven(can, what, frames, data)
    elif driver == "mcp2515":
        plain(spi, what[:-5], frames, 1, data)
    else:
        plain_2518fd(spi, what[:-5], frames)
    print("transactions", spi.transactions, "bytes", spi.octets, "frames", frames)


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
