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


def main(driver, what, frames):
    spi = Mcp2515()
    data = bytearray(8)
    if driver != "mcp2515":
        raise ValueError(driver)
    from mcp2515 import CAN

    can = CAN(1, 250000, port=(spi, spi.cs, Pin(), 16000000))
    can.set_filters(((0, 0, 2),))
    spi.status = 1 if what.startswith("receive") else 0
    driven(can, what.split("_")[0], 10, data)
    spi.transactions = spi.octets = 0
    if what.endswith("_stub"):
        plain(spi, what[:-5], frames, 1, data)
    else:
        driven(can, what, frames, data)
    print("transactions", spi.transactions, "bytes", spi.octets, "frames", frames)


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
