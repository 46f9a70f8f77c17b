# What the charger sends: one frame a message, and when each is due again. Periods count from the frame that really
# left, by the tick's clock; real chargers miss theirs by a third (facts 1.6), and cars stand it.
from array import array

from micropython import const

from firmware.contract import Frame
from firmware.units import TICKS_MASK
from firmware.vehicle.gbt27930.settings import CCD_LENGTH, CDC_VERSION, CCD_PERIOD_ms, CDC_PERIOD_ms

# Slots in the order in which they leave.
O_ANSWER = const(0)  # transport: CTS, EoMA, Abort
O_REFUSAL = const(1)
O_CST = const(2)
O_CEM = const(3)
O_CCS = const(4)
O_CCD = const(5)
O_CRO = const(6)
O_CRM = const(7)
O_CML = const(8)
O_CMLP = const(9)
O_CTS = const(10)
O_CHM = const(11)
O_CDC = const(12)
O_CSD = const(13)
_SLOTS = const(14)
_CYCLIC = const(2)
_HALF = const(0x20000000)
_LONG_ms = const(1000)

CST = const(1 << 2)
CEM = const(1 << 3)
CCS = const(1 << 4)
CCD = const(1 << 5)
CRO = const(1 << 6)
CRM = const(1 << 7)
CML = const(1 << 8)
CMLP = const(1 << 9)
CTS = const(1 << 10)
CHM = const(1 << 11)
CDC = const(1 << 12)
CSD = const(1 << 13)


class Outbox:
    def __init__(self, receiver, settings):
        self._receiver = receiver
        self.frames = (
            receiver.answer, receiver.refusal,
            Frame(0x101AF456, 4), Frame(0x081FF456, 4), Frame(0x1812F456, settings.ccs_length),
            Frame(0x1832F456, CCD_LENGTH), Frame(0x100AF456, 1), Frame(0x1801F456, 8), Frame(0x1808F456, 8),
            Frame(0x1831F456, 8), Frame(0x1807F456, 7), Frame(0x1826F456, 3), Frame(0x1828F456, len(CDC_VERSION)),
            Frame(0x181DF456, 8),
        )  # fmt: skip
        # CTS stays FF: "not provided" (facts 1.4). The tick knows no wall time.
        for i in range(3):
            self.frames[O_CHM].data[i] = b"\x01\x01\x00"[i]  # V1.1
        for i in range(len(CDC_VERSION)):
            self.frames[O_CDC].data[i] = CDC_VERSION[i]
        self._period = array("H", (0, 0, 10, 250, 50, CCD_PERIOD_ms, 250, 250, 250, 250, 500, 250,
                                   CDC_PERIOD_ms, 250))  # fmt: skip
        self._next = array("i", [0] * _SLOTS)
        self._on = bytearray(_SLOTS)  # slots that are cyclic now
        self._count = 0
        self._queue = bytearray(_SLOTS)  # due in this tick
        self._due = 0
        self._at = 0
        self.ccs_due = 0  # 1: CCS leaves in this tick and wants its content
        self.mask = 0
        self.wake = 0  # before this moment nothing is due, but for answers of the transport

    def only(self, mask, now):
        # From now on exactly these; what was not sent before is due at once.
        fresh = mask & ~self.mask
        count = 0
        for slot in range(_SLOTS - 1, _CYCLIC - 1, -1):  # step() takes them from the end
            bit = 1 << slot
            if mask & bit:
                if fresh & bit:
                    self._next[slot] = now
                self._on[count] = slot
                count += 1
        self._count = count
        self.mask = mask
        self.wake = now
        self._due = self._at = 0

    def hurry(self, slot, now):
        self._next[slot] = self.wake = now

    # MicroPython takes the locals of a call from the heap when they and its stack are more than 11 words, which costs
    # as much as twenty statements: hence the attributes.
    def step(self, now):
        # What is due in this tick. Too dear for every tick: asked when `wake` has come or an answer waits.
        self._due = self._at = self.ccs_due = 0
        if self._receiver.due:
            self._answers()
        least_ms = _LONG_ms
        i = self._count
        while i > 0:
            i -= 1
            slot = self._on[i]
            ms = (self._next[slot] - now) & TICKS_MASK
            if ms == 0 or ms >= _HALF:
                self._put(slot)
                ms = 0  # until it has left
            if ms < least_ms:
                least_ms = ms
        self.wake = (now + least_ms) & TICKS_MASK

    def _put(self, slot):
        self._queue[self._due] = slot
        self._due += 1
        if slot == O_CCS:
            self.ccs_due = 1

    def _answers(self):
        for slot in range(_CYCLIC):
            if self._receiver.due >> slot & 1:
                self._put(slot)

    def poll(self, now):
        at = self._at
        if at >= self._due:
            return None
        self._at = at + 1
        return self.frames[self._queue[at]]

    def sent(self, frame, now):
        slot = self._queue[self._at - 1]
        if slot < _CYCLIC:
            self._receiver.due &= ~(1 << slot)
            return
        self._next[slot] = at = (now + self._period[slot]) & TICKS_MASK
        if self._count == 1:
            self.wake = at
