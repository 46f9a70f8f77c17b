"""A board on a pseudo-terminal for the tests of hw_tests/desk: MicroPython on this PC, its flash a file, and the wire
between. host_tests/board/desk_repl.py is its inside."""

import os
import pty
import select
import signal
import struct
import subprocess
import threading
import tty
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MICROPYTHON = ROOT / "build/bin/micropython"
PROGRAM = ROOT / "host_tests/board/desk_repl.py"
BLOCK_B = 4096
MODES = {10: "raw", 11: "friendly"}


def command(keys, flash, blocks, mode, log="", fake="{}", rom_blocks=0):
    """The words that start the inside of a board."""
    words = [keys, flash, blocks, mode, log, fake, rom_blocks]
    return [str(MICROPYTHON), "-X", "heapsize=160k", str(PROGRAM), *map(str, words)]


class Wire:
    """A pseudo-terminal, and what came over it from the tool."""

    def __init__(self):
        self.master, self._slave = pty.openpty()  # the slave stays open: the tool may come and go
        tty.setraw(self._slave)
        os.set_blocking(self.master, False)
        self.device = os.ttyname(self._slave)
        self.received = bytearray()
        self._threads, self._pipes, self._closed = [], [], False
        self._stop_read, self._stop_write = os.pipe()

    def _read(self, descriptor):
        """What comes next, or nothing once the plug is pulled. A plain read would hold the terminal open."""
        ready, _, _ = select.select([descriptor, self._stop_read], [], [])
        return b"" if self._stop_read in ready else os.read(descriptor, 4096)

    def _start(self, *functions):
        for function in functions:
            thread = threading.Thread(target=self._quietly, args=(function,), daemon=True)
            thread.start()
            self._threads.append(thread)

    @staticmethod
    def _quietly(function):
        try:
            function()
        except OSError:  # the other end is gone
            pass

    def say(self, data):
        """The board's side of the wire says something. What nobody takes is lost, as on a serial line."""
        while data and select.select([], [self.master], [], 0.2)[1]:
            try:
                data = data[os.write(self.master, data) :]
            except BlockingIOError:
                pass

    def close(self):
        """Pull the plug: whoever has the port open is told at once. Twice is once."""
        if self._closed:
            return
        self._closed = True
        os.close(self._stop_write)
        self._end()
        for thread in self._threads:
            thread.join()
        for descriptor in (self.master, self._slave, self._stop_read, *self._pipes):
            os.close(descriptor)

    def _end(self):
        """End what is on the other side."""

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.close()


class Stranger(Wire):
    """Something that is no MicroPython: it answers with `answer(data)`."""

    def __init__(self, answer=lambda data: b""):
        super().__init__()
        self._answer = answer
        self._start(self._talk)

    def _talk(self):
        while data := self._read(self.master):
            self.received += data
            self.say(self._answer(data))


class DeskBoard(Wire):
    """MicroPython with littlefs.

    Args:
        flash: the file that is its flash; made if it is not there.
        blocks: of 4 KB.
        log: file that every change of the flash is appended to.
        fake: what `sys` is to claim, as text of a dict.
        rom_blocks: of 4 KB, of a partition for a ROM file system, behind the others in the same file.
    """

    def __init__(self, flash, blocks=64, log=None, fake="{}", rom_blocks=0):
        super().__init__()
        self.flash, self.blocks, self.log, self.fake, self.rom_blocks = Path(flash), blocks, log, fake, rom_blocks
        if not self.flash.exists():
            self.flash.write_bytes(b"\xff" * BLOCK_B * (blocks + rom_blocks))
        self._keys_in, self._keys_out = os.pipe()
        self._in_read, self._in_write = os.pipe()
        self._out_read, self._out_write = os.pipe()
        self._pipes = [self._keys_in, self._keys_out, self._in_read, self._in_write, self._out_read, self._out_write]
        self._interrupts = False
        self.starts = 0
        self._child = None
        self._lock = threading.Lock()
        os.set_blocking(self._keys_in, False)
        self._start(self._live, self._from_tool, self._to_tool)

    def _live(self):
        """Start it, and start it again after each soft reset."""
        mode = "friendly"
        while mode and not self._closed:
            with self._lock:
                if self._closed:
                    return
                self._child = child = self._spawn(mode)
            mode = MODES.get(child.wait())

    def _spawn(self, mode):
        self.starts += 1
        keys = f"/proc/self/fd/{self._keys_out}"
        words = command(keys, self.flash, self.blocks, mode, self.log or "", self.fake, self.rom_blocks)
        return subprocess.Popen(words, stdin=self._in_read, stdout=self._out_write, pass_fds=[self._keys_out], cwd="/")

    def _from_tool(self):
        while data := self._read(self.master):
            self.received += data
            for number in range(len(data)):
                self._one(data[number : number + 1])

    def _one(self, byte):
        try:
            while told := os.read(self._keys_in, 256):
                self._interrupts = told[-1:] == b"i"
        except BlockingIOError:
            pass
        if byte == b"\x03" and self._interrupts:
            self._child.send_signal(signal.SIGINT)
        else:
            os.write(self._in_write, byte)

    def _to_tool(self):
        while data := self._read(self._out_read):
            self.say(data)

    def _end(self):
        with self._lock:
            if self._child:
                self._child.kill()
                self._child.wait()


def changes(log):
    """Each change of the flash in a log, in order: (address, bytes)."""
    data, at, found = Path(log).read_bytes(), 0, []
    while at < len(data):
        address, count = struct.unpack_from("<II", data, at)
        found.append((address, data[at + 8 : at + 8 + count]))
        at += 8 + count
    return found
