# CAN over a stream that speaks slcan (LAWICEL ASCII), with the surface of machine.CAN (MicroPython 1.28): a USB adapter
# on a UART, or the bench's wire on a socket. The stream does not block: readinto() and write() give None when there is
# nothing to do, as MicroPython's sockets do after setblocking(False).
#
# After construction send() and recv() allocate nothing. Two differences from the C driver, both harmless to a caller
# that reads its list before the next recv(): recv(list) puts a memoryview of the driver's own into list[1] (Python
# cannot resize the caller's), and send() returns 0 always (one line may wait half written, that is the queue).
# A stream that has ended stops the controller: send() raises OSError, recv() gives what is left. Whoever made the
# stream makes a new one.
from array import array

from micropython import const

_BITRATES = {50000: b"2", 100000: b"3", 125000: b"4", 250000: b"5", 500000: b"6", 1000000: b"8"}
_SLOTS = const(32)
_CHUNK_B = const(128)
_LINE_B = const(32)  # T, 8 digits of id, length, 16 digits of data, 4 of a time stamp
_EIO = const(5)
_BAD = const(16)  # not a hexadecimal digit

_NIBBLE = bytearray(256)
for _byte in range(256):
    _NIBBLE[_byte] = _BAD
for _byte in range(16):
    _NIBBLE[b"0123456789ABCDEF"[_byte]] = _NIBBLE[b"0123456789abcdef"[_byte]] = _byte
_DIGITS = b"0123456789ABCDEF"


class CAN:
    FLAG_RTR = 1
    FLAG_EXT_ID = 2
    FLAG_UNORDERED = 4
    STATE_STOPPED = 0
    STATE_ACTIVE = 1
    STATE_WARNING = 2
    STATE_PASSIVE = 3
    STATE_BUS_OFF = 4
    RECV_ERR_FULL = 1
    RECV_ERR_OVERRUN = 2
    TX_QUEUE_LEN = 1

    def __init__(self, stream, bitrate):
        if bitrate not in _BITRATES:
            raise ValueError("slcan has no bit rate of %d bit/s" % bitrate)
        self._stream = stream
        # The leading CR ends whatever half line the adapter may hold.
        self._open = b"\rC\rS" + _BITRATES[bitrate] + b"\rO\r"
        self._make_ring()
        self._make_line()
        self._filters: tuple = ()  # nothing is received until set_filters() is called
        self._all = False
        self._lost = 0  # since the last recv()
        self.overruns = 0
        self.bad_lines = 0
        self._changes = [0, 0, 0]  # into warning, passive, bus-off
        self._state = self.STATE_STOPPED
        self.restart()

    def _make_ring(self):
        self._ids = array("i", [0] * _SLOTS)
        self._flags = bytearray(_SLOTS)
        self._lengths = bytearray(_SLOTS)
        self._bytes = bytearray(8 * _SLOTS)
        self._first = 0
        self._count = 0
        self._data = bytearray(8)
        self._views = [memoryview(self._data)[:n] for n in range(9)]

    def _make_line(self):
        self._chunk = bytearray(_CHUNK_B)
        self._line = bytearray(_LINE_B)
        self._fill = 0
        self._out = bytearray(27)
        out = memoryview(self._out)
        self._std = [out[: 6 + 2 * n] for n in range(9)]
        self._ext = [out[: 11 + 2 * n] for n in range(9)]
        self._one = bytearray(1)
        self._left = 0  # bytes of self._out[:self._end] that the stream has not taken yet
        self._end = 0

    # --- machine.CAN ---
    def send(self, id, data, flags=0):
        if self._state == self.STATE_BUS_OFF or self._state == self.STATE_STOPPED:
            raise OSError(_EIO)
        if self._left and not self._flush():
            return None
        length = len(data)
        if length > 8:
            raise ValueError("more than 8 bytes")
        out = self._out
        if flags & self.FLAG_EXT_ID:
            out[0] = 82 if flags & self.FLAG_RTR else 84  # R T
            at = 9
        else:
            out[0] = 114 if flags & self.FLAG_RTR else 116  # r t
            at = 4
        rest = id
        for i in range(at - 1, 0, -1):
            out[i] = _DIGITS[rest & 15]
            rest >>= 4
        if rest:
            raise ValueError("id too large")
        out[at] = 48 + length
        at += 1
        if flags & self.FLAG_RTR:
            length = 0
        for i in range(length):
            byte = data[i]
            out[at] = _DIGITS[byte >> 4]
            out[at + 1] = _DIGITS[byte & 15]
            at += 2
        out[at] = 13
        return self._write(self._ext[length] if flags & self.FLAG_EXT_ID else self._std[length], at + 1)

    def recv(self, into=None):
        if self._left:
            self._flush()
        if not self._count:
            self.poll()
            if not self._count:
                return None
        first = self._first
        length = self._lengths[first]
        data = self._data
        at = first * 8
        for i in range(length):
            data[i] = self._bytes[at + i]
        if into is None:
            into = [0, None, 0, 0]
        into[0] = self._ids[first]
        into[1] = self._views[length]
        into[2] = self._flags[first]
        into[3] = (self.RECV_ERR_OVERRUN if self._lost else 0) | (self.RECV_ERR_FULL if self._count == _SLOTS else 0)
        self._lost = 0
        self._first = (first + 1) % _SLOTS
        self._count -= 1
        return into

    def set_filters(self, filters):
        # None: everything; [(id, mask, flags)]: what matches one of them. In software: it saves the caller, not us.
        self._all = filters is None
        self._filters = () if filters is None else tuple(filters)

    def state(self):
        return self._state

    def restart(self):
        # Leaves bus-off. A frame that waits half written is dropped.
        self._left = 0
        self._state = self.STATE_ACTIVE
        try:
            if self._stream.write(self._open) != len(self._open):
                self._state = self.STATE_BUS_OFF  # the adapter takes nothing: come again
        except OSError:
            self._state = self.STATE_STOPPED

    def deinit(self):
        self._state = self.STATE_STOPPED
        try:
            self._stream.write(b"\rC\r")
        except OSError:
            pass

    def get_counters(self, into=None):
        if into is None:
            into = [None] * 8
        into[0] = into[1] = None  # the error counters of the adapter are not told
        into[2], into[3], into[4] = self._changes
        into[5] = 1 if self._left else 0
        into[6] = self._count
        into[7] = self.overruns
        return into

    def cancel_send(self, index):
        return False

    # --- the stream ---
    def poll(self):
        # Moves what has arrived into the ring. recv() does it when the ring is empty; call it in a longer wait too.
        try:
            n = self._stream.readinto(self._chunk)
        except OSError:
            n = 0
        if n is None:
            return
        if n == 0:
            self._state = self.STATE_STOPPED
            return
        chunk, line, fill = self._chunk, self._line, self._fill
        for i in range(n):
            byte = chunk[i]
            if byte == 13:
                if fill:
                    self._take(fill)
                fill = 0
            elif byte == 7:  # BEL: the adapter refused a line
                self.bad_lines += 1
                fill = 0
            elif fill < _LINE_B:
                line[fill] = byte
                fill += 1
        self._fill = fill

    def _take(self, fill):
        line = self._line
        kind = line[0]
        if kind == 84 or kind == 82:
            at = 9
            most = 1
        elif kind == 116 or kind == 114:
            at = 4
            most = 7
        else:
            if kind == 70:
                self._told(fill)
            return  # answers to commands
        can_id = _NIBBLE[line[1]]
        length = _NIBBLE[line[at]]
        rtr = kind == 82 or kind == 114
        end = at + 1 if rtr else at + 1 + 2 * length
        if can_id > most or length > 8 or (fill != end and fill != end + 4):
            self.bad_lines += 1
            return
        for i in range(2, at):
            nibble = _NIBBLE[line[i]]
            if nibble == _BAD:
                self.bad_lines += 1
                return
            can_id = can_id << 4 | nibble
        flags = (self.FLAG_EXT_ID if at == 9 else 0) | (self.FLAG_RTR if rtr else 0)
        if self._all or self._wanted(can_id, flags):
            self._keep(can_id, flags, length, at + 1, end)

    def _keep(self, can_id, flags, length, at, end):
        if self._count == _SLOTS:
            self.overruns += 1
            self._lost = 1
            return
        slot = (self._first + self._count) % _SLOTS
        if not self._bytes_of(slot * 8, at, end):
            self.bad_lines += 1
            return
        self._ids[slot] = can_id
        self._flags[slot] = flags
        self._lengths[slot] = length
        self._count += 1

    def _bytes_of(self, to, at, end):
        line = self._line
        while at < end:
            high = _NIBBLE[line[at]]
            low = _NIBBLE[line[at + 1]]
            if high == _BAD or low == _BAD:
                return False
            self._bytes[to] = high << 4 | low
            to += 1
            at += 2
        return True

    def _wanted(self, can_id, flags):
        for each in self._filters:
            if (can_id ^ each[0]) & each[1] == 0 and (flags ^ each[2]) & self.FLAG_EXT_ID == 0:
                return True
        return False

    def _told(self, fill):
        # F and two digits: the adapter's status. Bus-off is left only through restart().
        if fill != 3 or self._state == self.STATE_BUS_OFF or self._state == self.STATE_STOPPED:
            return
        bits = _NIBBLE[self._line[1]] << 4 | _NIBBLE[self._line[2]]
        state = self.STATE_ACTIVE
        if bits & 0x80:
            state = self.STATE_BUS_OFF
        elif bits & 0x20:
            state = self.STATE_PASSIVE
        elif bits & 0x04:
            state = self.STATE_WARNING
        if state > self._state:
            self._changes[state - self.STATE_WARNING] += 1
        self._state = state

    def _write(self, view, length):
        try:
            n = self._stream.write(view)
        except OSError:
            self._state = self.STATE_STOPPED
            raise
        if not n:
            return None
        self._end = length
        self._left = length - n
        return 0

    def _flush(self):
        # The rest of a line that the stream took only in part, byte by byte: rare, and a slice would allocate.
        one = self._one
        try:
            while self._left:
                one[0] = self._out[self._end - self._left]
                if not self._stream.write(one):
                    return False
                self._left -= 1
        except OSError:
            self._state = self.STATE_STOPPED
            return False
        return True
