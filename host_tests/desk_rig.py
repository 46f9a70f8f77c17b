"""What the desk's tests share: a small image that judges itself, a board's start without a wire, and a quick desk."""

import io
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from host_tests.desk_board import MODES, ROOT, command
from hw_tests.desk.desk import Desk
from hw_tests.desk.image import Image
from hw_tests.desk.progress import Teller

sys.path.insert(0, str(ROOT / ".ci"))
import rom as rom_images

DEADLINE_s = 120.0  # for what takes well under a second: only a hang gets here
BOOT = (ROOT / "boot.py").read_bytes()
# boot.py as it was before there was a ROM partition: it knows the switch, and leaves mounted what MicroPython mounted.
EARLIER_BOOT = BOOT.replace(b"rom.txt", b"none.txt")
for call in (b"\n    unmount(vfs)\n    try", b"\nplaces()\n"):
    EARLIER_BOOT = EARLIER_BOOT.replace(call, b"\n" + call.split(b"\n")[2])

# The stand-in says `ready` only if every module is of the same version: half of each would be MIXED.
MAIN = b"""
import sys, time, micropython
VERSION = %d
from firmware import a
from firmware.deep import b
import c
def run():
    try:
        micropython.kbd_intr(%d)
        print('from', a.__file__, VERSION, sys.path)
        print('ready' if a.V == b.V == c.V == VERSION else 'MIXED', open('image.txt').read().strip())
        while %d:
            print('state idle %s')
            time.sleep(0.02)
    except KeyboardInterrupt:
        print('interrupted')
if __name__ == '__main__':
    run()
"""


def image(version, *, stays=1, interrupt=3, state="safe", boot=BOOT, more=None):
    """An image of one version. stays: main.py runs on and tells its state; else it ends after `ready`."""
    files = {
        "boot.py": boot,
        "main.py": MAIN % (version, interrupt, stays, state.encode()),
        "firmware/a.py": b"V = %d\n" % version,
        "firmware/deep/b.py": b"V = %d\n" % version + b"# " + b"long " * 1200,
        "firmware/same.py": b"",
        "lib/c.py": b"V = %d\n" % version,
    }
    return Image({**files, **(more or {})})


def with_rom(what):
    """The same image, also as a ROM file system."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in what.files.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return replace(what, rom=rom_images.image_of(Path(folder)))


class Heard(Teller):
    """A teller whose lines a test can read."""

    def __init__(self):
        self.stream = io.StringIO()
        super().__init__(self.stream)

    @property
    def text(self):
        return self.stream.getvalue()


def desk(board, **more):
    """A desk that is quick: the stand-in tells its state every 20 ms."""
    return Desk(board.device, Heard(), **{"listen_s": 1.0, "ready_s": DEADLINE_s, **more})


def boot(flash, blocks=64, rom_blocks=0, fake="{}"):
    """Start what is on a flash, without a wire, until it ends or sits at the prompt; what it said."""
    said, mode = "", "friendly"
    for _ in range(4):  # a switch resets once
        words = command("/dev/null", flash, blocks, mode, "", fake, rom_blocks)
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE_s, cwd="/")
        said += done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
        if done.returncode not in MODES:
            return said
    raise AssertionError(f"it resets for ever:\n{said}")


def wait_for(condition):
    """Until it holds; a hang fails."""
    end = time.monotonic() + DEADLINE_s
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)
