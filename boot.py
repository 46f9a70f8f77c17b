# Pins to their safe level before anything else: a soft reset and an exception leave the outputs of an ESP32 as they
# were. Which board this is stands in board.txt, its outputs in firmware/boards/. Where either cannot be read, every pin
# that could drive something becomes an input, as after power-on, and the resistors at the drivers hold them off.
# Nothing here may fail: what raises is told, and main.py says what to do. The bench has no pins of its own.
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


if sys.platform == "esp32":
    safe()
if hasattr(gc, "threshold"):
    # While the station is loaded, collect often: garbage that lies between code until the heap is full leaves it in
    # pieces. main.py takes it back.
    gc.threshold(4096)
switch()
