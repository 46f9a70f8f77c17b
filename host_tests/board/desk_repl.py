# A board for the desk's tools, run by MicroPython on a PC: littlefs on a file that stands for the flash, boot.py and
# main.py as the ESP32 starts them, and MicroPython's raw REPL (with raw paste) on standard input and output.
#
#   micropython desk_repl.py KEYS FLASH BLOCKS MODE LOG [FAKE [ROM_BLOCKS]]
#
# MODE: raw or friendly, as it was before the reset. LOG: every change of the flash is appended to it ("" for none).
# FAKE: a dict of what sys.implementation is to claim. ROM_BLOCKS: of a partition for a ROM file system, behind those of
# the file system (desk_rom.py). Exit status 10: a soft reset (raw), 11: the same (friendly).
# KEYS: the path where the wire is told whether a Ctrl-C is an interrupt now ("i") or a byte as any other ("n").
import io
import os
import struct
import sys

import desk_rom
import micropython
import vfs

BLOCK = 4096
RAW, FRIENDLY = 10, 11


class Flash:
    # Erase to ones, program by overwriting: what littlefs does with it is what it does on a board.
    def __init__(self, path, blocks, log):
        self.file = open(path, "r+b")
        self.count = blocks
        self.log = open(log, "ab") if log else None

    def readblocks(self, number, into, offset=0):
        self.file.seek(number * BLOCK + offset)
        self.file.readinto(into)

    def writeblocks(self, number, data, offset=0):
        self.note(number * BLOCK + offset, data)
        self.file.seek(number * BLOCK + offset)
        self.file.write(data)

    def note(self, at, data):
        if self.log:
            self.log.write(struct.pack("<II", at, len(data)))
            self.log.write(data)

    def ioctl(self, what, value):
        if what == 4:
            return self.count
        if what == 5:
            return BLOCK
        if what == 6:
            self.writeblocks(value, b"\xff" * BLOCK)
        return 0


class Shim:
    # A module with some of its names replaced.
    def __init__(self, real, others):
        self.real = real
        self.others = others

    def __getattr__(self, name):
        return self.others[name] if name in self.others else getattr(self.real, name)


class Keys:
    # kbd_intr as a port has it: the character that interrupts, while code runs.
    def __init__(self, path):
        self.tell = open(path, "wb")

    def kbd_intr(self, char):
        self.tell.write(b"i" if char == 3 else b"n")


def out(data):
    sys.stdout.buffer.write(data)


def byte():
    got = sys.stdin.buffer.read(1)
    if not got:
        sys.exit(0)
    return got


def reset(mode):
    out(b"MPY: soft reboot\r\n")
    sys.exit(mode)


class Ended(Exception):
    pass


def execute(text, name, names):
    # Run it as pyexec does; returns the trace, or "". SystemExit is a soft reset.
    trace = ""
    keys.kbd_intr(3)
    try:
        exec(compile(text, name, "exec"), names)
    except SystemExit:
        raise Ended() from None
    except BaseException as error:
        said = io.StringIO()
        sys.print_exception(error, said)
        trace = said.getvalue()
    keys.kbd_intr(-1)
    return trace


def start(name, names):
    try:
        with open(name) as file:
            text = file.read()
    except OSError:
        return True
    trace = execute(text, name, names)
    out(trace.encode())
    return not trace


def friendly(names):
    out(b'MicroPython on the desk\r\nType "help()" for more information.\r\n>>> ')
    while True:
        got = byte()
        if got == b"\x01":
            return raw
        if got == b"\x04":
            reset(FRIENDLY)
        out(b"\r\n>>> " if got == b"\r" else b"")


def raw(names):
    out(b"raw REPL; CTRL-B to exit\r\n>")
    line = bytearray()
    while True:
        got = byte()
        if got == b"\x01":
            if line == b"\x05A":
                answer(pasted(), names)
            else:
                out(b"raw REPL; CTRL-B to exit\r\n>")
            line = bytearray()
        elif got == b"\x02":
            return friendly
        elif got == b"\x03":
            line = bytearray()
        elif got == b"\x04":
            out(b"OK")
            if not line:
                out(b"\r\n")
                reset(RAW)
            answer(line, names)
            line = bytearray()
        else:
            line += got


def pasted():
    # The window is half of the 256 bytes that a port buffers; each time it is used up the sender may go on.
    out(b"R\x01\x80\x00\x01")
    text, left = bytearray(), 128
    while True:
        got = byte()
        if got == b"\x04":
            out(b"\x04")
            return text
        text += got
        left -= 1
        if not left:
            out(b"\x01")
            left = 128


def answer(text, names):
    trace = execute(str(text, "utf8"), "<stdin>", names)
    out(b"\x04" + trace.encode() + b"\x04>")


def mount(flash):
    try:
        disk = vfs.VfsLfs2(flash)
    except OSError:
        vfs.VfsLfs2.mkfs(flash)
        disk = vfs.VfsLfs2(flash)
    vfs.umount("/")
    vfs.mount(disk, "/")
    os.chdir("/")
    sys.path[:] = ["", ".frozen", "/lib"]


def main(path, blocks, mode, log, fake="{}", rom_blocks="0"):
    flash = Flash(path, int(blocks), log)
    mount(flash)
    if int(rom_blocks):
        desk_rom.attach(flash, path, int(rom_blocks), Shim)
    sys.modules["micropython"] = Shim(micropython, {"kbd_intr": keys.kbd_intr})
    fake = eval(fake)
    if fake:
        sys.modules["sys"] = Shim(sys, fake)
    names = {"__name__": "__main__"}
    now = raw if mode == "raw" else friendly
    try:
        if start("boot.py", names) and now is friendly:
            start("main.py", names)
        while True:
            try:
                now = now(names)
            except KeyboardInterrupt:  # it came between two lines: the prompt has it, as on a board
                pass
    except Ended:
        reset(RAW if now is raw else FRIENDLY)


keys = Keys(sys.argv[1])
main(*sys.argv[2:])
