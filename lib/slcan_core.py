# Frames over a stream that speaks slcan (LAWICEL ASCII): a USB adapter on a UART, the bench's wire on a socket. It has
# what a station uses of machine.CAN and every session on the bench loads; slcan.py adds the rest of that class. The
# stream does not block: readinto() and write(buffer, offset, length) give None when there is nothing to do, as
# MicroPython's sockets do after setblocking(False).
#
# After construction send() and recv(list) allocate nothing. Differences from the C driver, harmless to a caller that
# reads its list before the next recv() of any bus: recv(list) puts a memoryview of the driver's own into list[1], as
# Python cannot resize the caller's, and send() returns 0 always: one line may wait half written, that is the queue. A
# stream that has ended stops the controller: send() raises OSError, recv() gives what is left. Whoever made the stream
# makes a new one.
from array import array

from micropython import const

_BITRATES = (10000, 20000, 50000, 100000, 125000, 250000, 500000, 800000, 1000000)  # S0 to S8
_SLOTS = const(32)
_CHUNK_B = const(128)
_LINE_B = const(32)  # T, 8 digits of id, length, 16 digits of data, 4 of a time stamp
_OUT_B = const(27)
_EIO = const(5)
_BAD = const(16)  # not a hexadecimal digit
_END = const(13)  # carriage return
_BELL = const(7)

_FLAG_RTR = const(1)
_FLAG_EXT_ID = const(2)
_STATE_STOPPED = const(0)
_STATE_ACTIVE = const(1)
_STATE_WARNING = const(2)
_STATE_PASSIVE = const(3)
_STATE_BUS_OFF = const(4)
_RECV_ERR_BOTH = const(3)  # full, and one or more were lost

_NIBBLE = bytearray(256)
for _byte in range(256):
    _NIBBLE[_byte] = _BAD
for _byte in range(16):
    _NIBBLE[b"0123456789ABCDEF"[_byte]] = _NIBBLE[b"0123456789abcdef"[_byte]] = _byte
_DIGITS = b"0123456789ABCDEF"

# For all buses of one thread: what was read a moment ago, and the data of the frame received last.
_CHUNK = bytearray(_CHUNK_B)
_DATA = bytearray(8)
_VIEWS = [memoryview(_DATA)[:n] for n in range(9)]


class CAN:
    FILTERS_MAX = 32

    def __init__(self, stream, bitrate):
        self._stream = stream
        # The leading CR ends whatever half line the adapter may hold.
        self._open = b"\rC\rS%d\rO\r" % _BITRATES.index(bitrate)  # ValueError: slcan has no such bit rate
        self._ids = array("i", [0] * _SLOTS)
        self._flags = bytearray(_SLOTS)
        self._lengths = bytearray(_SLOTS)
        self._bytes = bytearray(8 * _SLOTS)
        self._first = self._count = 0
        self._line = bytearray(_LINE_B)
        self._fill = 0
        self._out = bytearray(_OUT_B)
        self._at = self._end = 0  # what of _out the stream has not taken yet
        self._filters: tuple = ()  # nothing is received until set_filters() is called
        self._lost = 0
        self.overruns = 0
        self.bad_lines = 0
        self.restart()

    # --- machine.CAN ---
    def send(self, id, data, flags=0):
        if self._state == _STATE_BUS_OFF or self._state == _STATE_STOPPED:
            raise OSError(_EIO)
        if self._at < self._end and not self._flush():
            return None
        length = len(data)
        at = 9 if flags & _FLAG_EXT_ID else 4
        if length > 8 or id >> (29 if at == 9 else 11):
            raise ValueError("no CAN frame")
        out = self._out
        out[0] = (84 if at == 9 else 116) - 2 * (flags & _FLAG_RTR)  # T t, R r
        out[at] = 48 + length
        for i in range(at - 1, 0, -1):
            out[i] = _DIGITS[id & 15]
            id >>= 4
        at += 1
        if not flags & _FLAG_RTR:
            for i in range(length):
                out[at] = _DIGITS[data[i] >> 4]
                out[at + 1] = _DIGITS[data[i] & 15]
                at += 2
        out[at] = _END
        self._at = 0
        self._end = at + 1
        self._flush()
        if self._at:
            return 0
        self._end = 0  # nothing of it has left: it is the caller's again
        if self._state == _STATE_STOPPED:
            raise OSError(_EIO)
        return None

    def cancel_send(self, index):
        # A line of which nothing has left is never queued; one that has begun cannot be taken back.
        if index:
            raise IndexError("index")
        return False

    def recv(self, into):
        if self._at < self._end:
            self._flush()
        if not self._count:
            self.poll()
            if not self._count:
                return None
        first = self._first
        length = self._lengths[first]
        at = first * 8
        for i in range(length):
            _DATA[i] = self._bytes[at + i]
        into[0] = self._ids[first]
        into[1] = _VIEWS[length]
        into[2] = self._flags[first]
        into[3] = self._lost
        self._lost = 0
        self._first = (first + 1) % _SLOTS
        self._count -= 1
        return into

    def set_filters(self, filters):
        # None: everything; else (id, mask, flags) each. slcan.py looks at what it is given.
        self._filters = filters

    def state(self):
        return self._state

    def restart(self):
        # Leaves bus-off. A frame that waits half written is dropped.
        self._at = self._end
        self._state = _STATE_ACTIVE
        try:
            if self._stream.write(self._open) != len(self._open):
                self._state = _STATE_BUS_OFF  # the adapter takes nothing: come again
        except OSError:
            self._state = _STATE_STOPPED

    # --- the stream ---
    def poll(self):
        # Moves what has arrived into the ring. recv() does it when the ring is empty; call it in a longer wait too.
        try:
            n = self._stream.readinto(_CHUNK)
        except OSError:
            n = 0
        if n is None:
            return
        if n == 0:
            self._state = _STATE_STOPPED
            return
        chunk, line, fill = _CHUNK, self._line, self._fill
        for i in range(n):
            byte = chunk[i]
            if byte == _END:
                if fill:
                    self._take(fill)
                fill = 0
            elif byte == _BELL:  # the adapter refused a line
                self.bad_lines += 1
                fill = 0
            elif fill < _LINE_B:
                line[fill] = byte
                fill += 1
        self._fill = fill

    def _take(self, fill):
        kind = self._line[0]
        if kind == 84 or kind == 82:  # T R
            good = self._frame(fill, 9, 1)
        elif kind == 116 or kind == 114:  # t r
            good = self._frame(fill, 4, 7)
        else:
            if kind == 70 and fill == 3:  # F; others answer commands
                self._told(_NIBBLE[self._line[1]] << 4 | _NIBBLE[self._line[2]])
            return
        if not good:
            self.bad_lines += 1

    def _frame(self, fill, at, most):
        # `at`: where the length stands. False: no frame.
        line = self._line
        can_id = _NIBBLE[line[1]]
        length = _NIBBLE[line[at]]
        rtr = line[0] >> 1 & _FLAG_RTR  # R and r have the bit, T and t have not
        end = at + 1 if rtr else at + 1 + 2 * length
        if can_id > most or length > 8 or (fill != end and fill != end + 4):
            return False
        for i in range(2, at):
            nibble = _NIBBLE[line[i]]
            if nibble == _BAD:
                return False
            can_id = can_id << 4 | nibble
        if at == 9:
            rtr |= _FLAG_EXT_ID
        if self._filters is not None and not self._wanted(can_id, rtr):
            return True
        if self._count == _SLOTS:
            self.overruns += 1
            self._lost = _RECV_ERR_BOTH
            return True
        slot = (self._first + self._count) % _SLOTS
        self._ids[slot] = can_id
        self._flags[slot] = rtr
        self._lengths[slot] = length
        return self._octets(slot * 8, at + 1, end)

    def _wanted(self, can_id, flags):
        for item in self._filters:
            if can_id & item[1] == item[0] and flags & (item[2] | 2) == item[2]:
                return True
        return False

    def _octets(self, to, at, end):
        line = self._line
        while at < end:
            high = _NIBBLE[line[at]]
            low = _NIBBLE[line[at + 1]]
            if high == _BAD or low == _BAD:
                return False
            self._bytes[to] = high << 4 | low
            to += 1
            at += 2
        self._count += 1
        return True

    def _told(self, bits):
        # The adapter's status. Bus-off is left only through restart().
        if self._state == _STATE_BUS_OFF or self._state == _STATE_STOPPED:
            return
        self._state = _STATE_ACTIVE
        if bits & 0x80:
            self._state = _STATE_BUS_OFF
        elif bits & 0x20:
            self._state = _STATE_PASSIVE
        elif bits & 0x04:
            self._state = _STATE_WARNING

    def _flush(self):
        # The line, or what is left of one that the stream took only in part. True: all of it is gone.
        try:
            n = self._stream.write(self._out, self._at, self._end - self._at)
        except OSError:
            self._state = _STATE_STOPPED
            return False
        if n:
            self._at += n
        return self._at == self._end
