# Transport protocol of SAE J1939-21 as GB/T 27930 uses it (facts 1.3): the receiving side. One transfer at a time, as
# J1939 has it for a pair of nodes; fixed buffers. The sending side is transport_send.py: no charger message needs it.
#
# Liberal (facts 1.10): any byte 5 in RTS; a repeated RTS starts anew; a repeated packet is nothing; a lost one is
# asked for again when the window ends or T1 has passed; only a complete message counts.
from micropython import const

from firmware.contract import Frame
from firmware.units import TICKS_MASK, UNKNOWN
from firmware.vehicle.gbt27930.frames import BMV, LENGTHS, LONG

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
