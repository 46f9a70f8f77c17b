# Pins to their safe level before anything else: a soft reset and an exception leave the outputs of an ESP32 as they
# were. Which board this is stands in board.txt, its outputs in firmware/boards/. Where either cannot be read, every pin
# that could drive something becomes an input, as after power-on, and the resistors at the drivers hold them off.
# Nothing here may fail: what raises is told, and main.py says what to do. The bench has no pins of its own. Where the
# image is in a ROM partition, that is mounted first: the board's data lies there.
import gc
import sys

# Neither flash, PSRAM, USB nor the serial port, by chip. On an ESP32 16 and 17 may be PSRAM's: no board drives by them.
_LOOSE = (2, 4, 5, 12, 13, 14, 15, 18, 19, 21, 22, 23, 25, 26, 27, 32, 33)
_LOOSE_S3 = tuple(range(1, 19)) + (21, 38, 39, 40, 41, 42, 47, 48)


def safe():
    from machine import Pin

    try:
        with open("board.txt") as file:
            name = file.read(64).split()[0]
        outputs = __import__("firmware.boards." + name, None, None, ("x",)).OUTPUTS
        for _, pin, on in outputs:
            if pin is not None:
                Pin(pin, Pin.OUT, value=1 - on)  # the level comes before the direction: no glitch (machine_pin.c)
        if outputs:
            return
        print("boot: %s drives no pins: all of them are inputs" % name)
    except Exception as error:
        print("boot: board.txt or its board: %r; all pins are inputs" % error)
    loosen(Pin, _LOOSE_S3 if "S3" in getattr(sys.implementation, "_machine", "") else _LOOSE)


def loosen(Pin, pins):
    for pin in pins:
        try:
            Pin(pin, Pin.IN)
        except Exception:  # no such pin on this one
            pass


def places():
    # Ours before what the build has frozen: ESP32 builds freeze an umqtt.simple that is not the pinned one of lib/.
    if "/lib" in sys.path and ".frozen" in sys.path:
        sys.path.remove("/lib")
        sys.path.insert(sys.path.index(".frozen"), "/lib")


def rom():
    # The slot of the ROM partition that rom.txt names becomes /rom and comes before all else (docs/desk.md). What
    # MicroPython mounted by itself is the partition's start, whoever wrote it and however far: it goes. Without rom.txt
    # the image is in the root. Returns what proven() takes.
    import vfs

    unmount(vfs)
    try:
        with open("rom.txt") as file:
            start, length, digest = file.read(99).split()
        memory = memoryview(vfs.rom_ioctl(2, 0))[int(start) : int(start) + int(length)]  # type: ignore[attr-defined]
        vfs.mount(vfs.VfsRom(memory), "/rom")  # type: ignore[attr-defined]
        sys.path[:0] = ["/rom", "/rom/lib"]
        return memory, digest
    except Exception as error:
        if getattr(error, "errno", 0) != 2:  # ENOENT: there is no rom.txt
            print("boot: no image in ROM (%r): repeat make flash" % error)
    return None, None


def unmount(vfs):
    if not hasattr(vfs, "rom_ioctl"):  # MicroPython mounts none by itself; the bench does
        return
    sys.path[:] = [place for place in sys.path if place[:4] != "/rom"]
    try:
        vfs.umount("/rom")
    except OSError:  # nothing was mounted there
        pass


def proven(memory, digest):
    # After the pins are safe, before anything of it runs the station: is the ROM what the flash verified? Something
    # else may have written the partition since.
    if memory is None:
        return
    import hashlib

    import vfs

    if hashlib.sha256(memory).digest().hex() == digest:
        return
    print("boot: the image in ROM is not what was flashed: repeat make flash")
    unmount(vfs)
    for name in list(sys.modules):
        if name[:8] == "firmware":
            del sys.modules[name]


def switch():
    # The second half of a flash (docs/desk.md): switch.txt is there only after every new file lies verified beside its
    # old one. Each line may be carried out twice, so a cut at any point is finished at the next start. What cannot be
    # done raises: the prompt, and not a station that is half old.
    import os

    try:
        with open("switch.txt") as file:
            lines = file.read().split("\n")
    except OSError:
        return
    for line in lines:
        try:
            if line[:1] == "+":
                os.rename(line[1:] + ".new", line[1:])
            elif line:
                (os.remove if line[0] == "-" else os.rmdir)(line[1:])
        except OSError as error:
            if line[0] != "/" and error.errno != 2:  # a folder that is not empty stays; ENOENT: done before the cut
                raise
    os.remove("switch.txt")
    sys.exit()  # from boot.py a soft reset: what was imported above may have been of the old image


places()
ROM = rom() if sys.implementation.name == "micropython" else (None, None)
if sys.platform == "esp32":
    safe()
proven(*ROM)
if hasattr(gc, "threshold"):
    # While the station is loaded, collect often: garbage that lies between code until the heap is full leaves it in
    # pieces. main.py takes it back.
    gc.threshold(4096)
switch()
