# What goes over the car's bus. In: long messages, by the transport protocol. Out: a frame a message, each in its time.
#
# Transport protocol of SAE J1939-21 as GB/T 27930 uses it (facts 1.3): the receiving side. One transfer at a time, as
# J1939 has it for a pair of nodes; fixed buffers. The sending side is transport_send.py: no charger message needs it.
#
# Liberal (facts 1.10): any byte 5 in RTS; a repeated RTS starts anew; a repeated packet is nothing; a lost one is
# asked for again when the window ends or T1 has passed; only a complete message counts.
#
# Outbox: periods count from the frame that really left, by the tick's clock; real chargers miss theirs by a third
# (facts 1.6), and cars stand it.
from array import array

from micropython import const

from firmware.contract import Frame
from firmware.units import TICKS_MASK, UNKNOWN
from firmware.vehicle.gbt27930.frames import BMV, LENGTHS, LONG
from firmware.vehicle.gbt27930.settings import CCD_LENGTH, CDC_VERSION, CCD_PERIOD_ms, CDC_PERIOD_ms

_ID = const(0x1CECF456)
_RTS = const(0x10)
_CTS = const(0x11)
_DONE = const(0x13)  # end of message acknowledge
_ABORT = const(0xFF)
_BUSY = const(1)  # reasons of Abort
_RESOURCES = const(2)
_TIMEOUT = const(3)
_ROOM = const(63)  # BRM, the longest that is kept, has 49 bytes; of longer ones (BMV, BMT) the rest is let go
_TR_ms = const(200)  # who is silent so long in mid-transfer may be displaced by another PGN
_T1_ms = const(750)  # between packets
_T2_ms = const(1250)  # from CTS to the first packet
_ASKS = const(2)  # times that a packet is asked for again
_NONE = const(-1)

ANSWER = const(1)  # bits of `due`
REFUSAL = const(2)

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


class Receiver:
    def __init__(self, packets):
        self.data = bytearray(_ROOM)
        self.answer = Frame(_ID, 8)  # CTS, EoMA, Abort of the open transfer
        self.refusal = Frame(_ID, 8)  # Abort to another PGN meanwhile
        self.answer.data[5] = self.answer.data[7] = self.refusal.data[5] = self.refusal.data[7] = 0
        self.due = 0
        self.open = 0
        self.size = 0
        self.cell_low_cV = UNKNOWN  # lowest cell of the last complete BMV
        self._most = packets  # a CTS asks for at most so many,
        self._limit = packets  # or for as few as RTS byte 5 allows
        self._message = _NONE
        self._pf = 0
        self._packets = self._next = self._end = self._asks = 0
        self._wait_ms = 0
        self._at = 0
        self._odd = 0
        self._low_cV = 0

    def close(self):
        self.open = 0
        self.due = 0

    def control(self, d, now):
        if d[5] or d[7]:
            return  # no PGN of this protocol
        if d[0] == _RTS:
            self._request(d, now)
        elif d[0] == _ABORT and self.open and d[6] == self._pf:
            self.open = 0

    def _request(self, d, now):
        pf = d[6]
        if self.open and pf != self._pf and (now - self._at) & TICKS_MASK < _TR_ms:
            return self._abort(self.refusal, REFUSAL, _BUSY, pf)
        message = LONG.get(pf, _NONE)
        self.size = d[1] | d[2] << 8
        self.open = 0
        if message < 0 or self.size < LENGTHS[message] or d[3] != (self.size + 6) // 7:
            return self._abort(self.refusal, REFUSAL, _RESOURCES, pf)
        self._message = message
        self._pf = pf
        self._packets = d[3]
        self._limit = d[4] if 0 < d[4] < self._most else self._most
        self._next = 1
        self._asks = 0
        self._low_cV = UNKNOWN
        self.open = 1
        self._ask(now)

    def _ask(self, now):
        count = self._packets - self._next + 1
        if count > self._limit:
            count = self._limit
        self._end = self._next + count - 1
        self._at = now
        self._wait_ms = _T2_ms
        d = self.answer.data
        d[0] = _CTS
        d[1] = count
        d[2] = self._next
        d[3] = 0xFF
        d[6] = self._pf
        self.due |= ANSWER

    def packet(self, d, now):
        # One DT. The number of the message that it completes, or -1.
        if not self.open:
            return _NONE
        self._at = now
        self._wait_ms = _T1_ms
        sequence = d[0]
        if sequence == self._next:
            self._keep(d, (sequence - 1) * 7)
            self._next = sequence + 1
            if sequence == self._packets:
                return self._complete()
            if sequence == self._end:
                self._asks = 0
                self._ask(now)
        elif sequence == self._end and sequence > self._next:
            self._again(now)  # the window is over and something is missing in it
        return _NONE

    def _keep(self, d, at):
        if self._message == BMV:
            return self._cells(d, at)
        if at >= _ROOM:
            return
        data = self.data
        data[at] = d[1]  # written out: half the cost of a loop
        data[at + 1] = d[2]
        data[at + 2] = d[3]
        data[at + 3] = d[4]
        data[at + 4] = d[5]
        data[at + 5] = d[6]
        data[at + 6] = d[7]

    def _cells(self, d, at):
        # Two bytes a cell, 0.01 V in 12 bits, straddling packets: the lowest so far.
        for i in range(1, len(d)):
            if at >= self.size:
                return
            if at & 1:
                cell = (self._odd | d[i] << 8) & 0xFFF
                if cell and (self._low_cV == UNKNOWN or cell < self._low_cV):
                    self._low_cV = cell
            else:
                self._odd = d[i]
            at += 1

    def _complete(self):
        self.open = 0
        if self._message == BMV:
            self.cell_low_cV = self._low_cV
        d = self.answer.data
        d[0] = _DONE
        d[1] = self.size & 0xFF
        d[2] = self.size >> 8
        d[3] = self._packets
        d[6] = self._pf
        self.due |= ANSWER
        return self._message

    def _again(self, now):
        if self._asks < _ASKS:
            self._asks += 1
            self._ask(now)
        else:
            self.open = 0
            self._abort(self.answer, ANSWER, _TIMEOUT, self._pf)

    def step(self, now):
        # Only while open.
        if (now - self._at) & TICKS_MASK >= self._wait_ms:
            self._again(now)

    def _abort(self, frame, due, reason, pf):
        d = frame.data
        d[0] = _ABORT
        d[1] = reason
        d[2] = d[3] = 0xFF
        d[6] = pf
        self.due |= due


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
