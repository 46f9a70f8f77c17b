# Standard input and output as a stream for lib/remoteio.py: the pins of a bench board come over the same wire as its
# words (hw_tests/bench/console_link.py is the other end).
#
#     to the board    0x16, a key, 32 bytes of the record, the low byte of their sum; all after the key is XORed with it
#     from the board  text, and records of 16 bytes that begin with 0x15, which no text has
#
# The bench chooses a key for which neither 0x16 nor a character that means something to a console comes up: no record
# can interrupt a program, reset the board or run a line at its prompt, whatever runs there. A board that was held too
# long loses bytes (its driver keeps 260): a frame that is cut or does not add up is dropped, and the next 0x16 begins
# anew. Nothing is written before the first frame, nor 1 s after the last: a console that nobody plays the pins of has
# words alone, which the desk's tools read. A bench that was silent for 5 s is a stream that ended.
import select
import sys
from array import array

from micropython import const

_BEGIN = const(0x16)
_RECORD_B = const(32)
_QUIET = const(100)  # looks in vain, one a tick: 1 s
_GONE = const(500)
_HUNT = const(-2)
_KEY = const(-1)


class Console:
    def __init__(self):
        self._in, self._out = sys.stdin.buffer, sys.stdout.buffer
        self._waiting = select.poll()
        self._waiting.register(self._in, select.POLLIN)
        self._byte = bytearray(1)
        self._frame = array("H", [0] * (_RECORD_B // 2))
        self._at = _HUNT  # bytes of a frame's record so far
        self._key = self._sum = self._low = 0
        self._vain = 0
        self._spoken = False  # the bench has

    def readinto(self, into):
        # A whole record as 16 words, or None; 0 when the stream has ended. Byte by byte: a read of more than there is
        # would block the tick (py/stream.c).
        one = self._byte
        while True:
            n = None
            for _ in self._waiting.ipoll(0):
                n = self._in.readinto(one, 1)  # type: ignore[union-attr]
            if not n:
                return self._silent(n)
            if self._take(one[0]):
                self._vain = 0
                self._spoken = True
                frame = self._frame
                for at in range(_RECORD_B // 2):
                    into[at] = frame[at]
                return _RECORD_B

    def _silent(self, n):
        self._vain += 1
        if self._vain == _QUIET:
            self._spoken = False
        return 0 if n == 0 or self._vain >= _GONE else None

    def _take(self, byte):
        # True with the last byte of a good frame.
        at = self._at
        if byte == _BEGIN:
            self._at = _KEY
            return False
        if at == _HUNT:
            return False
        self._at = at + 1
        if at == _KEY:
            self._key = byte
            self._sum = 0
            return False
        byte ^= self._key
        if at == _RECORD_B:
            self._at = _HUNT
            return byte == self._sum & 0xFF
        self._sum += byte
        if at & 1:
            self._frame[at >> 1] = self._low | byte << 8
        else:
            self._low = byte
        return False

    def write(self, data, at, count):
        # Short enough to leave in one piece: on an ESP32 the interpreter is held for up to 20 bytes.
        if not self._spoken:
            return count
        return self._out.write(data, at, count)  # type: ignore[call-overload]
