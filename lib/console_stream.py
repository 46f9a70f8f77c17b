# Standard input and output as a stream for lib/remoteio.py: the pins of a bench board come over the same wire as its
# words (hw_tests/bench/console_link.py is the other end).
#
#     to the board    0x16, a key, 32 bytes of the record, and two of the sum of these 32 as they stand on the line; all
#                     after the key is XORed with it
#     from the board  text, and records of 16 bytes that begin with 0x15, which no text has
#
# The bench chooses a key for which neither 0x16 nor a character that means something to a console comes up: no record
# can interrupt a program, reset the board or run a line at its prompt, whatever runs there. A board that was held too
# long loses bytes (its driver keeps 260): a frame that is cut or does not add up is dropped, and the next 0x16 begins
# anew. Nothing is written before the first frame, nor 1 s after the last: a console that nobody plays the pins of has
# words alone, which the desk's tools read. A bench that was silent for 5 s is a stream that ended.
import select
import sys

from micropython import const

_BEGIN = const(0x16)
_RECORD_B = const(32)
_FRAME_B = const(36)
_QUIET = const(100)  # looks in vain, one a tick: 1 s
_GONE = const(500)


class Console:
    def __init__(self):
        self._out = sys.stdout.buffer
        waiting = select.poll()
        waiting.register(sys.stdin.buffer, select.POLLIN)
        # Methods kept as such: looked up for each byte they would cost a third more.
        self._waiting, self._read = waiting.ipoll, sys.stdin.buffer.readinto  # type: ignore[union-attr]
        self._frame = frame = bytearray(_FRAME_B)
        self._bytes = [memoryview(frame)[at : at + 1] for at in range(_FRAME_B)]
        self._record = memoryview(frame)[2 : 2 + _RECORD_B]
        self._at = 0  # bytes of _frame that have come
        self._vain = 0
        self._spoken = False  # the bench has

    def readinto(self, into):
        # A whole record as 16 words, or None; 0 when the stream has ended. Byte by byte: a read of more than there is
        # would block the tick (py/stream.c).
        waiting, read, places = self._waiting, self._read, self._bytes
        at = self._at
        while True:
            n = None
            for _ in waiting(0):
                n = read(places[at])
            if not n:
                self._at = at
                return self._silent(n)
            at += 1
            if at == _FRAME_B:
                if self._good():
                    self._at = self._vain = 0
                    self._spoken = True
                    return self._give(into)
                at = self._again()

    def _silent(self, n):
        self._vain += 1
        if self._vain == _QUIET:
            self._spoken = False
        return 0 if n == 0 or self._vain >= _GONE else None

    def _good(self):
        frame = self._frame
        key = frame[1]
        total = frame[_FRAME_B - 2] ^ key | (frame[_FRAME_B - 1] ^ key) << 8
        return frame[0] == _BEGIN and sum(self._record) == total

    def _again(self):
        # What may be the beginning of the next one moves to the front; returns how much that is.
        frame = self._frame
        first = 1
        while first < _FRAME_B and frame[first] != _BEGIN:
            first += 1
        for at in range(first, _FRAME_B):
            frame[at - first] = frame[at]
        return _FRAME_B - first

    def _give(self, into):
        frame = self._frame
        key = frame[1] * 0x101
        at = 2
        for word in range(_RECORD_B // 2):
            into[word] = (frame[at] | frame[at + 1] << 8) ^ key
            at += 2
        return _RECORD_B

    def write(self, data, at, count):
        # Short enough to leave in one piece: on an ESP32 the interpreter is held for up to 20 bytes.
        if not self._spoken:
            return count
        return self._out.write(data, at, count)  # type: ignore[call-overload]
