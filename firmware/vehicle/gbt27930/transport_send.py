# Transport protocol, the sending side (facts 1.3). GB/T 27930-2015 has no charger message longer than 8 bytes, so the
# session does not load this; it is here for one that might come (a longer CDC of the trial) and mirrors wire.py.
from micropython import const

from firmware.contract import Frame
from firmware.units import TICKS_MASK

_RTS = const(0x10)
_CTS = const(0x11)
_DONE = const(0x13)
_ABORT = const(0xFF)
_TIMEOUT = const(3)
_T3_ms = const(1250)  # from our last frame to CTS or EoMA
_T4_ms = const(1050)  # a CTS of zero packets holds us; without another one after it we give up

IDLE = const(0)
ASKING = const(1)  # RTS out, or all asked packets: the other side speaks next
SENDING = const(2)
SENT = const(3)  # acknowledged
FAILED = const(4)  # aborted or timed out; `reason` says why


class Sender:
    def __init__(self):
        self.frame = Frame(0x1CECF456, 8)
        self.packet = Frame(0x1CEBF456, 8)
        self.state = IDLE
        self.reason = 0
        self._data = None
        self._size = self._pf = self._next = self._end = self._packets = 0
        self._due = 0  # 1: a control frame is ready
        self._at = 0
        self._wait_ms = _T3_ms

    def start(self, pf, data, size, now):
        # `data` stays the caller's and unchanged until SENT or FAILED.
        self._data = data
        self._size = size
        self._pf = pf
        self._packets = (size + 6) // 7
        self.reason = 0
        self._say(_RTS, size & 0xFF, size >> 8, self._packets, 0xFF)
        self._wait(_T3_ms, now)

    def control(self, d, now):
        if d[6] != self._pf or not ASKING <= self.state <= SENDING:
            return
        if d[0] == _CTS:
            self._cleared(d[1], d[2], now)
        elif d[0] == _DONE:
            self.state = SENT
        elif d[0] == _ABORT:
            self.state = FAILED
            self.reason = d[1]

    def _cleared(self, count, first, now):
        if count == 0:
            return self._wait(_T4_ms, now)
        if not 1 <= first <= self._packets:
            return
        self._next = first
        self._end = min(first + count - 1, self._packets)
        self.state = SENDING

    def _wait(self, ms, now):
        self.state = ASKING
        self._at = now
        self._wait_ms = ms

    def step(self, now):
        if self.state == ASKING and (now - self._at) & TICKS_MASK >= self._wait_ms:
            self.state = FAILED
            self.reason = _TIMEOUT
            self._say(_ABORT, _TIMEOUT, 0xFF, 0xFF, 0xFF)

    def poll(self):
        # The frame to send next: a control frame, or one packet a tick (10 ms apart, as cars do it).
        if self._due:
            return self.frame
        if self.state != SENDING:
            return None
        d = self.packet.data
        at = (self._next - 1) * 7
        d[0] = self._next
        for i in range(7):
            d[i + 1] = self._data[at + i] if at + i < self._size else 0xFF
        return self.packet

    def sent(self, frame, now):
        if frame is self.frame:
            self._due = 0
            self._at = now
            return
        self._next += 1
        if self._next > self._end:
            self._wait(_T3_ms, now)

    def _say(self, kind, b2, b3, b4, b5):
        d = self.frame.data
        d[0] = kind
        d[1] = b2
        d[2] = b3
        d[3] = b4
        d[4] = b5
        d[5] = 0
        d[6] = self._pf
        d[7] = 0
        self._due = 1
