# The pins of a real board, with the surface of lib/remoteio.py: inputs, sample(), write(mask). Which pin is which comes
# as data (firmware/boards/), in the order of inputs[] and of the bits of the mask:
#
#     outputs  (name, GPIO or None, level that energises) ...
#     inputs   (name, "adc", channel)                     the raw count
#              (name, "adc", channel, from, level)        a switch on an analog channel: `level` from that count on
#              (name, "pin", GPIO or None, level for 1)   None: always 0
#              (name, "expander", bit, level for 1)
#
# The ESP32's own converter has an offset of its own, bends at both ends and changes from chip to chip: a voltage that
# decides about contactors is read by an ADC128S102. Its 8 channels come in one SPI transaction, as do 8 digital inputs
# by an MCP23S17. Outputs hang on the ESP32 alone, which a reset lets go: an expander would keep them.
#
# A converter that does not answer gives -1 or 0, outside of every range that a board declares; an expander that does
# not answer makes the sample none. After construction nothing here allocates.
from array import array

from micropython import const

_CHANNELS = const(8)
_ADC_B = const(18)  # 9 frames of 16 bits: each brings what the one before it asked for
_READ_PORT = b"\x41\x12\x00"  # MCP23S17, address 0: read GPIOA. All pins are inputs after its reset
_TIED = const(0xC0)  # bit 7 is tied high and bit 6 low: a dead line shows neither
_TIED_RIGHT = const(0x80)


class ADC128S102:
    # read() fills counts[8]; -1 where no converter answered. `spi`: 8 to 16 MHz, mode 3 or 0; `cs`: a Pin, high.
    def __init__(self, spi, cs):
        self._spi = spi
        self._cs = cs
        self._ask = bytearray(_ADC_B)
        for channel in range(_CHANNELS):
            self._ask[2 * channel] = channel << 3
        self._answer = bytearray(_ADC_B)
        self.counts = array("i", [-1] * _CHANNELS)

    def read(self):
        self._cs(0)
        try:
            self._spi.write_readinto(self._ask, self._answer)
        finally:
            self._cs(1)  # or the way out would speak to two chips at once
        answer, counts = self._answer, self.counts
        for channel in range(_CHANNELS):
            high = answer[2 * channel + 2]
            # Four zeros lead each answer: a line that hangs high is no number.
            counts[channel] = -1 if high & 0xF0 else high << 8 | answer[2 * channel + 3]


class MCP23S17:
    # read(): True if it answered; then `bits` holds port A.
    def __init__(self, spi, cs):
        self._spi = spi
        self._cs = cs
        self._answer = bytearray(3)
        self.bits = 0

    def read(self):
        self._cs(0)
        try:
            self._spi.write_readinto(_READ_PORT, self._answer)
        finally:
            self._cs(1)
        self.bits = self._answer[2]
        return self.bits & _TIED == _TIED_RIGHT


class LocalIO:
    # `Pin`: machine.Pin. lock() and unlock(): of the CAN driver that shares the SPI bus, whose interrupt may come at
    # any time and on either thread.
    closed = 0
    flags = 0

    def __init__(self, Pin, outputs, inputs, adc=None, expander=None, lock=None, unlock=None):
        self.inputs = array("i", [0] * len(inputs))
        self.outputs = 0
        self._adc = adc
        self._expander = expander
        self._lock = lock or _nothing
        self._unlock = unlock or _nothing
        self._pins = [None if pin is None else _output(Pin, pin, 1 - on) for _, pin, on in outputs]
        self._on = bytes([on for _, _, on in outputs])
        self._analog = []  # type: list
        self._switches = []  # type: list
        self._digital = []  # type: list
        self._far = []  # type: list
        for at in range(len(inputs)):
            self._wire(Pin, at, inputs[at])

    def _wire(self, Pin, at, row):
        if row[1] == "expander":
            self._far.append((at, row[2], 1 - row[3]))
        elif row[1] == "pin":
            if row[2] is not None:
                self._digital.append((at, Pin(row[2], Pin.IN), 1 - row[3]))
        elif len(row) == 3:
            self._analog.append((at, row[2]))
        else:
            self._switches.append((at, row[2], row[3], row[4]))

    def sample(self):
        # True if it is a whole sample.
        inputs = self.inputs
        self._lock()
        try:
            if self._adc is not None:
                self._adc.read()
            whole = self._expander is None or self._expander.read()
        finally:
            self._unlock()
        for row in self._digital:
            inputs[row[0]] = row[1]() ^ row[2]
        if self._adc is not None:
            self._sort(inputs, self._adc.counts)
        if whole and self._far:
            bits = self._expander.bits
            for row in self._far:
                inputs[row[0]] = bits >> row[1] & 1 ^ row[2]
        return whole

    def _sort(self, inputs, counts):
        for row in self._analog:
            inputs[row[0]] = counts[row[1]]
        for row in self._switches:
            inputs[row[0]] = row[3] if counts[row[1]] >= row[2] else 1 - row[3]

    def write(self, mask):
        changed = mask ^ self.outputs
        self.outputs = mask
        at = 0
        while changed:
            if changed & 1 and self._pins[at] is not None:
                self._pins[at](self._on[at] if mask >> at & 1 else 1 - self._on[at])
            changed >>= 1
            at += 1


def _nothing():
    pass


def _output(Pin, pin, level):
    # The level comes before the direction: an output that was an input begins at `level` (machine_pin.c).
    return Pin(pin, Pin.OUT, value=level)


class RtcMemory:
    # What survives a reset but not the loss of power: 256 bytes, all zero when nothing was kept. save() allocates
    # nothing: the bytes are copied by the chip.
    def __init__(self, rtc, size_B=256):
        self.image = bytearray(size_B)
        self._memory = rtc.memory
        kept = rtc.memory()
        if len(kept) == size_B:
            self.image[:] = kept

    def save(self):
        self._memory(self.image)
