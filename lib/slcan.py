# CAN over a stream that speaks slcan, with the whole surface of machine.CAN (MicroPython 1.28):
#
#   from slcan import CAN, PORTS
#   PORTS[1] = stream
#   can = CAN(1, 500_000)         # from here on as with `from machine import CAN`; or CAN(stream, 500_000)
#
# slcan_core.py has the frames and what is to be known of the stream; this file has what a station needs in no session,
# so that the bench need not load it.
#
# What slcan cannot do: an adapter's S command names a bit rate alone, so it chooses the sample point (sample_point and
# sjw are checked and left to it, tseg1 and tseg2 are refused). It tells no error counters: None. The queue is one line,
# not to be taken back once a part of it has left. There is no interrupt: poll(), recv() and send() call the handler;
# call poll() where a program would only wait.
from slcan_core import CAN as _Core

PORTS = {}  # type: dict


class _IRQ:
    def __init__(self, can):
        self._can = can
        self.handler = None
        self.wanted = self.events = 0

    def flags(self):
        # What has happened since the last call; a frame that waits is told each time.
        bits = self.events
        self.events = 0
        if self._can._count:
            bits |= 2  # IRQ_RX
        return bits & self.wanted

    def trigger(self):
        return self.wanted


class CAN(_Core):
    MODE_NORMAL = 0
    MODE_SLEEP = 1
    MODE_LOOPBACK = 2
    MODE_SILENT = 3
    MODE_SILENT_LOOPBACK = 4
    STATE_STOPPED = 0
    STATE_ACTIVE = 1
    STATE_WARNING = 2
    STATE_PASSIVE = 3
    STATE_BUS_OFF = 4
    FLAG_RTR = 1
    FLAG_EXT_ID = 2
    FLAG_UNORDERED = 16
    RECV_ERR_FULL = 1
    RECV_ERR_OVERRUN = 2
    IRQ_TX = 1
    IRQ_RX = 2
    IRQ_TX_FAILED = 4
    IRQ_STATE = 8
    IRQ_TX_IDX_SHIFT = 16
    IRQ_TX_IDX_MASK = 255
    TX_QUEUE_LEN = 1

    def __init__(self, id, *args, **kwargs):
        if isinstance(id, int) and id not in PORTS:
            raise ValueError("CAN(%s): give a stream or set slcan.PORTS[%s]" % (id, id))
        self._irq = _IRQ(self)
        self._stream = PORTS[id] if isinstance(id, int) else id
        self._entered = [0, 0, 0]  # times that warning, passive and bus-off were entered
        self._filters = ()
        self.init(*args, **kwargs)

    def init(self, bitrate, mode=0, sample_point=75, sjw=1, tseg1=None, tseg2=None):
        # The filters stay, as those of the C driver do.
        if mode != self.MODE_NORMAL and mode != self.MODE_SILENT:
            raise ValueError("mode")
        if not 0 < sample_point < 100 or not 1 <= sjw <= 4 or tseg1 is not None or tseg2 is not None:
            raise ValueError("timing: an slcan adapter chooses it")
        filters = self._filters
        self._busy = self._calling = False
        self._silent = mode == self.MODE_SILENT
        _Core.__init__(self, self._stream, bitrate)
        self._filters = filters
        self.bitrate = bitrate

    def deinit(self):
        # The adapter leaves the bus; what waits in either direction is dropped, and no handler is called for it.
        self._irq = _IRQ(self)
        self._count = 0
        self._at = self._end = 0
        self._busy = False
        if self._state != self.STATE_STOPPED:
            try:
                self._stream.write(b"\rC\r")
            except OSError:
                pass
        self._state = self.STATE_STOPPED

    def restart(self):
        self._busy = False
        self._entered[0] = self._entered[1] = self._entered[2] = 0
        if self._silent:
            self._open = self._open[:-2] + b"L\r"  # listen only
        _Core.restart(self)

    def set_filters(self, filters):
        if filters is None:
            self._filters = None
            return
        kept = []
        for item in filters:
            can_id, mask, flags = item
            for value in (can_id, mask):
                if value < 0 or value >> (29 if flags & 2 else 11):
                    raise ValueError("invalid id")
            kept.append((can_id & mask, mask, flags & 3))
        if len(kept) > self.FILTERS_MAX:
            raise ValueError("too many filters")
        self._filters = tuple(kept)

    # --- sending ---
    def send(self, id, data, flags=0):
        index = _Core.send(self, id, data, flags)
        if index is not None:
            self._busy = True
            self._happened()
        return index

    # --- what has happened ---
    def irq(self, handler=0, trigger=0, hard=False):
        irq = self._irq
        if handler != 0:
            if trigger & ~11:
                raise ValueError("trigger")
            irq.handler = handler
            irq.wanted = trigger
            irq.events = 0
        return irq

    def poll(self):
        _Core.poll(self)
        self._happened()

    def recv(self, into=None):
        made = into is None
        into = _Core.recv(self, [0, None, 0, 0] if made else into)
        if into is None:
            return None
        data = into[1]
        if into[2] & self.FLAG_RTR:
            for i in range(len(data)):
                data[i] = 0
        if made:
            own = memoryview(bytearray(8))
            own[: len(data)] = data
            into[1] = own[: len(data)]
        return into

    def _happened(self):
        # Calls the handler while it takes something: one that reads a single frame is called again for the next.
        irq = self._irq
        if self._busy and self._at == self._end:
            self._busy = False
            irq.events |= self.IRQ_TX
        if irq.handler is None or self._calling:
            return
        self._calling = True
        try:
            left = -1
            while irq.events & irq.wanted or (irq.wanted & 2 and self._count and self._count != left):
                left = self._count
                irq.handler(self)
                irq.events = 0
        finally:
            self._calling = False

    def _told(self, bits):
        before = self._state
        _Core._told(self, bits)
        if self._state > before:
            for step in range(max(before, self.STATE_ACTIVE), self._state):
                self._entered[step - 1] += 1
            self._irq.events |= self.IRQ_STATE

    def get_counters(self, into=None):
        if into is None:
            into = [None] * 8
        into[0] = into[1] = None  # slcan does not tell them
        for i in range(3):
            into[2 + i] = self._entered[i]
        into[5] = 1 if self._at < self._end else 0
        into[6] = self._count
        into[7] = self.overruns
        return into

    def get_timings(self, into=None):
        if into is None:
            into = [None] * 6
        into[0] = self.bitrate
        for i in range(1, 6):
            into[i] = None
        return into
