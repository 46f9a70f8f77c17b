# What the CAN controllers on SPI have in common: the surface of machine.CAN (MicroPython 1.28) with its constants, the
# bit timing, the preallocated receive ring, the events and the one lock of the SPI.
#
# A driver derives from Controller, calls _prepare() once and fills in
#   _drain()    INT is low: until it is high, moves frames into the ring (_slots, _ids, _kinds, _next; one place stays
#               free), notes what was sent. May raise OSError
#   _look()     one read of the chip: its counters and state; _lose() if it is not as it was set up. May raise OSError
#   _lose()     the chip does not answer: state STOPPED until restart()
#   _off()      off the bus at once, with everything dropped
#   _listen()   _trigger has changed
#   _pending()  how many frames wait to be sent; under the lock
# and _timing.
#
# Receiving: the soft interrupt of INT drains the chip into the ring; recv() takes from the ring and looks at the level
# of INT when the ring is empty, as an edge is lost when MicroPython's schedule queue is full. One lock for all
# controllers, as two may share an SPI: an interrupt in a transaction is made up for after it. On the ESP32 a soft
# interrupt may run on either thread; a test and a store with no jump between them are one step to its interpreter lock.
#
# recv(list) copies the data into the buffer of the caller's memoryview and puts a view of the right length, kept from
# the first call on, into list[1]: Python cannot resize the caller's. Call it in the handler or in the program: one that
# comes in the midst of the other may give the same frame. irq() gives the controller itself, so
# can.irq().flags() works; `hard` is accepted, the interrupt stays a soft one, and a handler is called from it only.
from array import array
from time import sleep

import micropython
from micropython import const

EIO = const(5)
ENODEV = const(19)
RTR = const(1)
EXT = const(2)
UNORDERED = const(16)
STOPPED = const(0)
ACTIVE = const(1)
WARNING = const(2)
PASSIVE = const(3)
BUS_OFF = const(4)
TX = const(1)
RX = const(2)
TX_FAILED = const(4)
STATE = const(8)
FULL = const(1)
OVERRUN = const(2)
_RATE_permille_MAX = const(1)  # of the bit rate asked for; the rest of the tolerance belongs to the crystals
_QUIET_EVERY = const(31)  # empty polls between two looks at a silent chip ; a third of a second at 10 ms


class _Key:  # slices made once: `a[slice] = b` allocates nothing then
    def __getitem__(self, key):
        return key


SLICE_DATA = _Key()[0:8]

_LOCK = bytearray(2)  # held, an interrupt came meanwhile
_ALL = []  # type: list
_ADOPTED = []  # type: list  # views of callers' buffers, by length


def timing(clock_Hz, bitrate, limits, sample_point=80, sjw=None, tseg1=None, tseg2=None):
    # (brp, tseg1, tseg2, sjw) nearest to the sample point (percent), with the most quanta a bit; ValueError if the rate
    # cannot be had. clock_Hz / brp is one quantum. limits: (brp most, tseg1 least and most, tseg2 least and most, most
    # quanta a bit, sjw most, sjw by default, by how many quanta tseg2 must be longer than sjw).
    brp_max, a_min, a_max, b_min, b_max, total_max, sjw_max, sjw_own, gap = limits
    if not 0 < sample_point < 100 or bitrate <= 0 or (tseg1 is None) != (tseg2 is None):
        raise ValueError("sample_point 1 to 99 percent, or both tseg1 and tseg2")
    if tseg1 is not None and not (a_min <= tseg1 <= a_max and b_min <= tseg2 <= b_max):
        raise ValueError("tseg1 %d to %d, tseg2 %d to %d" % (a_min, a_max, b_min, b_max))
    best = None
    for brp in range(1, brp_max + 1):
        total = (2 * clock_Hz // (brp * bitrate) + 1) // 2
        if not a_min + b_min < total <= total_max:
            continue
        off = abs(clock_Hz - total * brp * bitrate)
        if off * 1000 > total * brp * bitrate * _RATE_permille_MAX:
            continue
        if tseg1 is None:
            b = min(max((total * (100 - sample_point) + 50) // 100, b_min, total - 1 - a_max), b_max, total - 1 - a_min)
            a = total - 1 - b
        else:
            a, b = tseg1, tseg2
        if a + b + 1 != total or not (a_min <= a <= a_max and b_min <= b <= b_max):
            continue
        wrong = off, abs((a + 1) * 10000 // total - sample_point * 100) if tseg1 is None else 0
        if best is None or wrong < best[0]:
            best = wrong, brp, a, b
    if best is None:
        raise ValueError("no bit timing for %d bit/s from a clock of %d Hz" % (bitrate, clock_Hz))
    if sjw is None:
        sjw = max(min(sjw_own, best[3] - gap), 1)
    if not 1 <= sjw <= sjw_max or sjw > best[3] - gap:
        raise ValueError("sjw 1 to %d here" % min(sjw_max, best[3] - gap))
    return best[1], best[2], best[3], sjw


def checked_filters(filters, most):
    out = []
    for can_id, mask, flags in filters:  # what set_filters() was given
        if flags & ~(EXT | UNORDERED):
            raise ValueError("a filter can ask for FLAG_EXT_ID only")
        if (can_id | mask) >> (29 if flags & EXT else 11):
            raise ValueError("invalid id")
        out.append((can_id & mask, mask, 1 if flags & EXT else 0))
    if len(out) > most:
        raise ValueError("more than %d filters" % most)
    return out


def _of(view):
    # The views that this one is among, or new ones.
    for views in _ADOPTED:
        if len(view) <= 8 and views[len(view)] is view:
            return views
    return _adopt(view)


def _adopt(view):
    # Views of every length on a caller's buffer; a function of its own, as a captured name is a new cell at every call.
    if len(view) < 8:
        raise ValueError("recv() needs a memoryview of 8 bytes")
    if len(_ADOPTED) >= 4:
        _ADOPTED.pop(0)
    _ADOPTED.append([view[:n] for n in range(8)] + [view if len(view) == 8 else view[:8]])
    return _ADOPTED[-1]


class Controller:
    MODE_NORMAL, MODE_SLEEP, MODE_LOOPBACK, MODE_SILENT, MODE_SILENT_LOOPBACK = range(5)
    STATE_STOPPED, STATE_ACTIVE, STATE_WARNING, STATE_PASSIVE, STATE_BUS_OFF = range(5)
    FLAG_RTR, FLAG_EXT_ID, FLAG_UNORDERED = RTR, EXT, UNORDERED
    RECV_ERR_FULL, RECV_ERR_OVERRUN = FULL, OVERRUN
    IRQ_TX, IRQ_RX, IRQ_TX_FAILED, IRQ_STATE = TX, RX, TX_FAILED, STATE
    IRQ_TX_IDX_SHIFT, IRQ_TX_IDX_MASK = 16, 0xFF

    def _prepare(self, port, frames, slot_B, data_at):
        # port: SPI, CS, INT, clock in Hz. The ring: `frames` that can wait, each a slot of slot_B bytes as the chip
        # gives them, the data at data_at.
        spi, self._cs, self._int, self._clock_Hz = port
        self._transfer = spi.write_readinto
        self._write = spi.write
        self._slots = [bytearray(slot_B) for _ in range(frames + 1)]
        self._data = [memoryview(slot)[data_at : data_at + 8] for slot in self._slots]
        self._size = frames + 1
        self._ids = array("i", [0] * (frames + 1))
        self._kinds = bytearray(frames + 1)  # length << 4 | flags
        self._first = self._next = 0  # written by the reader alone, by the interrupt alone
        self._state = STOPPED
        self._counts = [0] * 5  # times warning, passive, bus-off; frames lost; frames that were none
        self._lost = 0  # RECV_ERR_ flags for the next recv()
        self._handler = None
        self._trigger = self._sent = self._failed = self._worse = 0
        self._idle = self._tec = self._rec = 0
        self._timing = []  # type: list
        self.reason = "not initialised"  # why it is STOPPED
        self._again = self._on_int  # bound once: binding allocates
        self._views = [None] * 9  # type: list  # of the caller's buffer that came last
        _ALL.append(self)

    # --- the lock ---
    def _lock(self):
        while True:
            held = _LOCK[0]
            _LOCK[0] = 1
            if not held:
                return
            sleep(0)  # the other thread is in a transaction

    def _unlock(self):
        _LOCK[0] = 0
        if _LOCK[1]:
            _LOCK[1] = 0
            for controller in _ALL:
                controller._on_int(None)

    def _on_int(self, _pin):
        # The soft interrupt of INT, and what is made up for.
        held = _LOCK[0]
        _LOCK[0] = 1
        if held:
            _LOCK[1] = 1
            return
        if self._int() or not self._state & 3:  # STOPPED, BUS_OFF: what a lost chip holds is old
            self._unlock()
        else:
            self._drain_locked()
        if self._handler is not None:
            self._tell()

    def _drain_locked(self):
        try:
            self._drain()  # type: ignore[attr-defined]
        except OSError:
            self._lose()  # type: ignore[attr-defined]
        finally:
            _LOCK[0] = 0
            if _LOCK[1]:
                self._unlock()

    def _later(self):
        # There is more than one interrupt may take: go on after what waits.
        try:
            micropython.schedule(self._again, None)
        except RuntimeError:
            pass  # the queue is full: the next recv() goes on

    # --- the SPI ---
    def _exchange(self, out, into):
        cs = self._cs
        cs(0)
        self._transfer(out, into)
        cs(1)

    def _put(self, out):
        cs = self._cs
        cs(0)
        self._write(out)
        cs(1)

    # --- receiving ---
    # What every frame passes is written out, here and in _drain(): to MicroPython a call is dearer than what it does.
    def recv(self, arg=None):
        at = self._first
        if at == self._next:
            self.poll()
            at = self._first  # a handler may have taken some
            if at == self._next:
                if self._views[0] is None and arg is not None:
                    self._views = _of(arg[1])  # in the first pass of a loop, not with its first frame
                return None
        if arg is None:
            arg = [0, memoryview(bytearray(8)), 0, 0]
        view = arg[1]
        if len(view) > 8 or self._views[len(view)] is not view:
            self._views = _of(view)
        view = self._views
        kind = self._kinds[at]
        if kind & RTR:
            for i in range(8):
                view[8][i] = 0
        else:
            view[8][SLICE_DATA] = self._data[at]
        arg[0] = self._ids[at]
        arg[1] = view[kind >> 4]
        arg[2] = kind & 3  # RTR, EXT
        kind = self._next + 1
        arg[3] = self._lost | (FULL if (kind if kind < self._size else 0) == at else 0)
        self._lost = 0
        at += 1
        self._first = at if at < self._size else 0
        return arg

    def poll(self):
        # Looks at the level of INT: an edge may have been missed. recv() does it; call it in a longer wait too.
        if self._state == STOPPED or self._state == BUS_OFF:
            return
        if self._int():
            self._idle += 1
            if self._idle > _QUIET_EVERY:
                self._idle = 0
                self._quiet()
            return
        self._idle = 0
        held = _LOCK[0]
        _LOCK[0] = 1
        if held:
            self._lock()
        self._drain_locked()

    def _waiting(self):
        return (self._next - self._first) % self._size

    # --- events ---
    def irq(self, handler=0, trigger=0, hard=False):
        if handler == 0 and trigger == 0:
            return self
        if handler is not None and not callable(handler):
            raise ValueError("handler must be None or callable")
        self._handler = None
        self.trigger(trigger)
        self._handler = handler
        return self

    def trigger(self, trigger=None):
        if trigger is not None:
            if trigger & ~(RX | TX | STATE):
                raise ValueError("trigger is made of IRQ_RX, IRQ_TX and IRQ_STATE")
            self._sent = self._failed = self._worse = 0
            self._trigger = trigger
            self._listen()  # type: ignore[attr-defined]
        return self._trigger

    def flags(self):
        # What has happened, one sent frame at a time; 0 when all was told.
        trigger = self._trigger
        told = RX if trigger & RX and self._first != self._next else 0
        if trigger & STATE and self._worse:
            self._worse = 0
            told |= STATE
        done = self._sent | self._failed
        if trigger & TX and done:
            index = 0
            while not done >> index & 1:
                index += 1
            told |= TX | index << 16
            if self._failed >> index & 1:
                told |= TX_FAILED
            self._sent &= ~(1 << index)
            self._failed &= ~(1 << index)
        return told

    def _tell(self):  # calls the handler as long as there is something and it takes something
        before = self._mark()
        while before and self._handler is not None:
            self._handler(self)
            after = self._mark()
            if after == before:
                return
            before = after

    def _mark(self):
        # 0: nothing to tell; else a number that changes when something is taken.
        trigger = self._trigger
        mark = self._waiting() if trigger & RX else 0
        if trigger & TX:
            mark |= (self._sent | self._failed) << 12
        return mark | 1 << 11 if trigger & STATE and self._worse else mark

    # --- states ---
    def _became(self, state):
        # What the chip says of its error counters: counts each threshold that was passed upwards.
        old = self._state
        if state > old >= ACTIVE:
            self._worse = 1
            for level in range(old, state):
                self._counts[level - 1] += 1
        self._state = state

    def _up(self):
        return ACTIVE <= self._state < BUS_OFF

    def _quiet(self):
        self._lock()
        try:
            self._look()  # type: ignore[attr-defined]
        except OSError:
            self._lose()  # type: ignore[attr-defined]
        finally:
            self._unlock()

    def state(self):
        if self._up():
            self._quiet()
        return self._state

    def get_counters(self, list=None):
        out = [None] * 8 if list is None else list
        self.state()
        self._lock()
        try:
            out[5] = self._pending()  # type: ignore[attr-defined]
        except OSError:
            self._lose()  # type: ignore[attr-defined]
        finally:
            self._unlock()
        out[0] = 256 if self._state == BUS_OFF else self._tec
        out[1] = self._rec
        for i in range(3):
            out[2 + i] = self._counts[i]
        out[6] = self._waiting()
        out[7] = self._counts[3]
        return out

    def get_timings(self, list=None):
        out = [None] * 6 if list is None else list
        out[:6] = self._timing
        return out

    def deinit(self):
        self._handler = None
        self._trigger = 0
        self._lock()
        try:
            self._off()  # type: ignore[attr-defined]
        except OSError:
            self._cs(1)  # a chip that cannot be reached is as good as off
        finally:
            self._unlock()
        self._state = STOPPED
        self.reason = "deinit() was called"
        self._first = self._next

    def _check(self, can_id, data, flags):
        # What send() was given.
        if self._state == STOPPED or self._state == BUS_OFF:
            raise OSError(EIO)
        if len(data) > 8:
            raise OverflowError("data too long")
        if can_id >> (29 if flags & EXT else 11):
            raise ValueError("invalid id")
