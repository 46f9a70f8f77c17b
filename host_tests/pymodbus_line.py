"""A serial line whose slaves are pymodbus's own framer and message classes, in virtual time, with noise to be raised.

    line = Line({1: {0x34: 0x42C8, 0x35: 0}}, seed=1)     a slave's registers, or a SimDevice of pymodbus
    master = Master(line, 9600)
    line.now += 10; master.step(line.now)

`line.noise` is the chance of each byte to be hurt (a bit flipped, lost, doubled, one inserted), either way; `strangers`
the chance that another master's traffic stands before or after a reply; `late` that a slave answers too late.
"""

import random

from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU
from pymodbus.simulator import SimDevice
from pymodbus.simulator.simcore import SimCore


class Registers:
    """One slave's registers, {address: value of 16 bits}, as pymodbus asks for them; the same to functions 3 and 4."""

    def __init__(self, values):
        self.values = values

    async def async_getValues(self, device_id, func_code, address, count=1):
        places = range(address, address + count)
        if any(place not in self.values for place in places):
            return ExcCodes.ILLEGAL_ADDRESS
        return [self.values[place] for place in places]

    async def async_setValues(self, device_id, func_code, address, values):
        self.values.update({address + at: value for at, value in enumerate(values)})


def _finish(coroutine):
    """Run one that never waits for anything."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise RuntimeError("it waits")


class Line:
    """readinto, write and txdone of a UART; time is `now` in ms, set from outside."""

    def __init__(self, registers, seed=1, char_ms=1):
        self.now = 0
        self.noise = self.strangers = self.late = 0.0
        self.delay_ms = 20
        self.echo = False
        self.registers = registers
        self._stores = {
            number: SimCore(slave) if isinstance(slave, SimDevice) else Registers(slave)
            for number, slave in registers.items()
        }
        self._char_ms = char_ms
        self._random = random.Random(seed)
        self._ears = FramerRTU(DecodePDU(True))
        self._mouth = FramerRTU(DecodePDU(False))
        self._coming = []
        self._until = {}  # by slave: it is answering until then

    # --- the master's side ---
    def readinto(self, into):
        count = 0
        while self._coming and count < len(into) and self._coming[0][0] <= self.now:
            into[count] = self._coming.pop(0)[1]
            count += 1
        return count or None

    def write(self, data):
        request = bytes(data)
        if self.echo:
            self._say(request, 0)
        reply = self._answer(self._hurt(request))
        before = self._stranger() + (reply or b"") + self._stranger()
        late_ms = self._random.randrange(100, 3000) if self._random.random() < self.late else 0
        # A slave answers one request after the other.
        begin_ms = max(self.now + len(request) * self._char_ms + self.delay_ms + late_ms, self._until.get(data[0], 0))
        self._until[data[0]] = begin_ms + len(before) * self._char_ms
        self._say(self._hurt(before), begin_ms - self.now)

    def txdone(self):
        return True

    # --- the slaves' side ---
    def _answer(self, raw):
        used, slave, _, pdu = self._ears.decode(raw)
        if not used or slave not in self._stores or not pdu:
            return b""
        request = self._ears.decoder.decode(pdu)
        request.dev_id = slave
        response = _finish(request.datastore_update(self._stores[slave], slave))
        response.dev_id = slave
        return self._mouth.buildFrame(response)

    def _stranger(self):
        if self._random.random() >= self.strangers:
            return b""
        return self._mouth.encode(bytes((3, 4, 1, 2, 3, 4)), 9, 0)

    def _hurt(self, data):
        chance, dice = self.noise, self._random
        out = bytearray()
        for byte in data:
            if dice.random() >= chance:
                out.append(byte)
                continue
            kind = dice.randrange(4)
            if kind == 0:
                out.append(byte ^ 1 << dice.randrange(8))
            elif kind == 2:
                out += bytes((byte, byte))
            elif kind == 3:
                out += bytes((dice.randrange(256), byte))
        return bytes(out)

    def _say(self, data, in_ms):
        at_ms = self.now + in_ms
        self._coming += [(at_ms + index * self._char_ms, byte) for index, byte in enumerate(data)]
        self._coming.sort(key=lambda entry: entry[0])
