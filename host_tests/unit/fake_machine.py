# An ESP32's `machine` for tests, as impolite as the chip: pads keep level and direction through a soft reset and an
# exception, an output without a value drives what the latch holds, an input-only pin refuses, the watchdog cannot be
# stopped, the SPI gives nonsense unless one chip is selected. `Chip` is the silicon; install() puts its module in the
# place of `machine`.
import sys

INPUT_ONLY = {"esp32": (34, 35, 36, 37, 38, 39), "esp32s3": ()}
NONE_SUCH = {"esp32": (20, 24, 28, 29, 30, 31), "esp32s3": (22, 23, 24, 25)}
FLASH = {"esp32": (6, 7, 8, 9, 10, 11), "esp32s3": (26, 27, 28, 29, 30, 31, 32)}


class Died(Exception):
    # The chip crashed: somebody took a pin from its flash.
    pass


class Chip:
    def __init__(self, kind="esp32"):
        self.kind = kind
        self.latch = [0] * 49
        self.outputs = [False] * 49
        self.outside = [0] * 49  # what an input pin sees
        self.pulls = [None] * 49
        self.driven = []  # (pin, level) each time that a pad is driven to another level
        self.rtc = b""
        self.clock = None  # as set
        self.cause = 1
        self.spi = {}  # id: [(chip select pin, device)], or an SPI of hw_tests/bench/chips
        self.watch = {}  # pin: called with each new level, a chip's select input
        self.lines = {}  # pin: what drives it, a pin of hw_tests/bench/chips
        self.timeouts_ms = []  # of the watchdog, as constructed
        self.fed = 0
        self.uarts = []

    def soft_reset(self):
        self.cause = 5

    def hard_reset(self, cause=2):
        self.latch = [0] * 49
        self.outputs = [False] * 49
        self.cause = cause

    def level(self, pin):
        # What a driver with a pull-down sees.
        return self.latch[pin] if self.outputs[pin] else 0

    def drive(self, pin, output, level):
        before = self.level(pin) if self.outputs[pin] else None
        self.outputs[pin], self.latch[pin] = output, level
        if output and before != level and len(self.driven) < 500:  # of a long life the begin
            self.driven.append((pin, level))
        if output and before != level and pin in self.watch:
            self.watch[pin](level)


class _Pin:
    IN, OUT, PULL_DOWN, PULL_UP = 1, 3, 1, 2
    IRQ_RISING, IRQ_FALLING = 1, 2
    chip = None

    def __init__(self, id, mode=None, pull=-1, value=None):
        kind = self.chip.kind
        if id in NONE_SUCH[kind] or not 0 <= id < 49:
            raise ValueError("invalid pin")
        if id in FLASH[kind]:
            raise Died(id)
        self.id = id
        if mode == self.OUT and id in INPUT_ONLY[kind]:
            raise ValueError("pin can only be input")
        if pull != -1:
            self.chip.pulls[id] = pull
        if mode is not None:
            self.chip.drive(id, mode == self.OUT, self.chip.latch[id] if value is None else value)

    def __call__(self, *level):
        return self.value(*level)

    def value(self, *level):
        chip = self.chip
        if level:
            chip.drive(self.id, chip.outputs[self.id], 1 if level[0] else 0)
            return None
        if self.id in chip.lines:
            return chip.lines[self.id]()
        return chip.latch[self.id] if chip.outputs[self.id] else chip.outside[self.id]

    def irq(self, handler=None, trigger=0, hard=False):
        if self.id in self.chip.lines:
            self.chip.lines[self.id].irq(handler, trigger, hard)


class _SPI:
    chip = None

    def __init__(self, id, **given):
        self.id, self.given = id, given
        model = self.chip.spi.get(id)
        if hasattr(model, "choose"):
            self.write_readinto, self.write, self.readinto = model.write_readinto, model.write, model.readinto

    def write_readinto(self, out, into):
        selected = [each for pin, each in self.chip.spi.get(self.id, ()) if not self.chip.level(pin)]
        if len(selected) == 1:
            selected[0].transfer(out, into)
        else:
            for at in range(len(into)):
                into[at] = 0xFF if not selected else 0x55  # nobody drives MISO, or two do

    def write(self, out):
        self.write_readinto(out, bytearray(len(out)))

    def readinto(self, into, byte=0):
        self.write_readinto(bytes([byte]) * len(into), into)


class Converter:
    # An ADC128S102: each frame of 16 bits brings the channel that the one before asked for. Noise of one count, always.
    def __init__(self):
        self.volts = [0] * 8  # as counts
        self.dead = None  # 0 or 0xFF: what its line gives instead
        self.asked = 0
        self.turn = 0
        self.transfers = 0

    def transfer(self, out, into):
        self.transfers += 1
        for at in range(0, len(out), 2):
            self.turn ^= 1
            value = min(4095, max(0, self.volts[self.asked] + (1 if self.turn else -1)))
            into[at], into[at + 1] = value >> 8, value & 0xFF
            self.asked = out[at] >> 3 & 7
        if self.dead is not None:
            for at in range(len(into)):
                into[at] = self.dead


class Expander:
    # An MCP23S17 at address 0, just reset: all pins inputs.
    def __init__(self):
        self.port = 0x80
        self.dead = None

    def transfer(self, out, into):
        good = len(out) == 3 and out[0] == 0x41 and out[1] == 0x12
        for at in range(len(into)):
            into[at] = 0 if self.dead is None else self.dead
        if good and self.dead is None:
            into[2] = self.port


class _WDT:
    chip = None

    def __init__(self, id=0, timeout=5000):
        self.chip.timeouts_ms.append(timeout)

    def feed(self):
        self.chip.fed += 1


class _RTC:
    chip = None

    def memory(self, *data):
        if not data:
            return self.chip.rtc
        if len(data[0]) > 2048:
            raise ValueError("buffer too long")
        self.chip.rtc = bytes(data[0])
        return None

    def datetime(self, when):
        self.chip.clock = when


class _UART:
    chip = None

    def __init__(self, id, **given):
        self.id, self.given = id, given
        self.chip.uarts.append(self)


class _Module:
    PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5
    Pin, SPI, WDT, RTC, UART = _Pin, _SPI, _WDT, _RTC, _UART


def install(chip):
    module = _Module()
    module.reset_cause = lambda: chip.cause
    for kind in (_Pin, _SPI, _WDT, _RTC, _UART):
        kind.chip = chip
    sys.modules["machine"] = module
    return chip


def uninstall():
    sys.modules.pop("machine", None)
