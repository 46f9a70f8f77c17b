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
# A converter that does not answer gives 0 or more than 4095, outside of every range that a board declares; an expander
# that does not answer makes the sample none. The first four analog inputs are sorted in at every sample, the others in
# turn: each by its own look would cost a third of a millisecond. After construction nothing here allocates.
from array import array

from micropython import const

_CHANNELS = const(8)
_ADC_B = const(18)  # 9 frames of 16 bits: each brings what the one before it asked for
_FAST = const(4)  # link, inlet, current, cc1: what protects
_FULL = const(4095)
_READ_PORT = b"\x41\x12\x00"  # MCP23S17, address 0: read GPIOA. All pins are inputs after its reset
_TIED = const(0xC0)  # bit 7 is tied high and bit 6 low: a dead line shows neither
_TIED_RIGHT = const(0x80)


class ADC128S102:
    # read() asks all channels; count() tells one. `spi`: 8 to 16 MHz, mode 0; `cs`: a Pin, high.
    def __init__(self, spi, cs):
        self._spi = spi
        self._cs = cs
        self._ask = bytearray(_ADC_B)
        for channel in range(_CHANNELS):
            self._ask[2 * channel] = channel << 3
        self.answer = bytearray(_ADC_B)

    def read(self):
        self._cs(0)
        try:
            self._spi.write_readinto(self._ask, self.answer)
        finally:
            self._cs(1)  # or the way out would speak to two chips at once

    def count(self, channel):
        # Four zeros lead each answer: a line that hangs high gives more than 4095.
        return self.answer[2 * channel + 2] << 8 | self.answer[2 * channel + 3]


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
        self._lock = lock
        self._unlock = unlock
        self._pins = [None if pin is None else _output(Pin, pin, 1 - on) for _, pin, on in outputs]
        self._on = bytes([on for _, _, on in outputs])
        self._fast = []  # type: list  # (input, where its count begins in the converter's answer)
        self._slow = []  # type: list
        self._digital = []  # type: list
        self._far = []  # type: list
        self._bits = -1  # of the expander, as sorted in last
        self._turn = 0
        for at in range(len(inputs)):
            self._wire(Pin, at, inputs[at])

    def _wire(self, Pin, at, row):
        if row[1] == "expander":
            self._far.append((at, row[2], 1 - row[3]))
        elif row[1] == "pin":
            if row[2] is not None:
                self._digital.append((at, Pin(row[2], Pin.IN), 1 - row[3]))
        elif len(row) == 3 and len(self._fast) < _FAST:
            self._fast.append((at, 2 * row[2] + 2))
        else:
            self._slow.append((at, row[2]) + tuple(row[3:]))

    def sample(self):
        # True if it is a whole sample.
        if self._lock is not None:
            self._lock()
        try:
            if self._adc is not None:
                self._adc.read()
            whole = self._expander is None or self._expander.read()
        finally:
            if self._unlock is not None:
                self._unlock()
        inputs = self.inputs
        for row in self._digital:
            inputs[row[0]] = row[1]() ^ row[2]
        if self._adc is not None:
            answer = self._adc.answer
            for row in self._fast:
                at = row[1]
                inputs[row[0]] = answer[at] << 8 | answer[at + 1]
            if self._slow:
                self._slowly()
        if whole and self._far and self._expander.bits != self._bits:
            self._sort(self._expander.bits)
        return whole

    def _slowly(self):
        # One of the others.
        row = self._slow[self._turn]
        self._turn = self._turn + 1 if self._turn + 1 < len(self._slow) else 0
        count = self._adc.count(row[1])
        if len(row) == 2:
            self.inputs[row[0]] = count
        else:  # a switch: `level` from that count on
            self.inputs[row[0]] = row[3] if row[2] <= count <= _FULL else 1 - row[3]

    def _sort(self, bits):
        self._bits = bits
        for row in self._far:
            self.inputs[row[0]] = bits >> row[1] & 1 ^ row[2]

    def write(self, mask):
        changed = mask ^ self.outputs
        self.outputs = mask
        at = 0
        while changed:
            if changed & 1 and self._pins[at] is not None:
                self._pins[at](self._on[at] if mask >> at & 1 else 1 - self._on[at])
            changed >>= 1
            at += 1


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
