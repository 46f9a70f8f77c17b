# The ESP32's partition for a ROM file system (ports/esp32/esp32_partition.c), on the file that stands for the flash: a
# block device that is also memory. Erase sets bits, program only clears them: what was not erased shows.
import sys

import vfs

BLOCK = 4096
PAGE = 1024  # of a program that is cut: the chip's own are of 256 bytes, which only makes more of the same cuts


def mapped(path, start, count):
    # PROT_READ | PROT_WRITE is 3, MAP_SHARED 1: what is written is in the file.
    import ffi
    import uctypes

    libc = ffi.open(None)
    fd = libc.func("i", "open", "si")(path, 2)
    return uctypes.bytearray_at(libc.func("P", "mmap", "PIiiii")(None, count, 3, 1, fd, start), count)


class Partition(memoryview):
    # memoryview(partition) is the memory itself, as the port gives it; hence the base class.
    def set(self, flash, memory, start):
        self.flash, self.memory, self.start = flash, memory, start
        return self

    def readblocks(self, number, into, offset=0):
        at = number * BLOCK + offset
        into[:] = self.memory[at : at + len(into)]

    def writeblocks(self, number, data, offset=None):
        if offset is None:
            for block in range(number, number + (len(data) + BLOCK - 1) // BLOCK):
                self.ioctl(6, block)
        first = number * BLOCK + (offset or 0)
        for at in range(0, len(data), PAGE):
            self.program(first + at, bytes(data[at : at + PAGE]))

    def program(self, at, data):
        data = bytes([old & new for old, new in zip(self.memory[at : at + len(data)], data)])
        self.change(at, data)

    def change(self, at, data):
        if at + len(data) > len(self.memory):
            raise OSError(-260)  # ESP_ERR_INVALID_SIZE
        self.flash.note(self.start + at, data)
        self.memory[at : at + len(data)] = data

    def ioctl(self, what, value):
        if what == 6:
            self.change(value * BLOCK, b"\xff" * BLOCK)
        return {4: len(self.memory) // BLOCK, 5: BLOCK}.get(what, 0)


def attach(flash, path, blocks, shim):
    # Makes vfs.rom_ioctl, and does what mp_init does with it before boot.py runs (extmod/vfs.c).
    start = flash.count * BLOCK
    memory = mapped(path, start, blocks * BLOCK)
    partition = Partition(memory).set(flash, memory, start)
    answers = {1: 1, 2: partition}
    sys.modules["vfs"] = shim(vfs, {"rom_ioctl": lambda what, *rest: answers.get(what, -22)})
    try:
        vfs.mount(vfs.VfsRom(partition), "/rom")
    except OSError:  # no file system there
        return
    sys.path[:] = ["", ".frozen", "/rom", "/rom/lib", "/lib"]
