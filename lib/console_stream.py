# Standard input and output as a stream for lib/remoteio.py: the pins of a bench board come over the same wire as its
# words. A record to the bench begins with 0x15, which no text has, so the bench can tell the two apart.
#
# Both are byte by byte where they must not wait: a read of more than there is would block the tick (py/stream.c).
import select
import sys


class Console:
    def __init__(self):
        self._in, self._out = sys.stdin.buffer, sys.stdout.buffer
        self._waiting = select.poll()
        self._waiting.register(self._in, select.POLLIN)

    def readinto(self, into):
        # One byte, or None when there is none.
        for _ in self._waiting.ipoll(0):
            return self._in.readinto(into, 1)  # type: ignore[union-attr]
        return None

    def write(self, data, at, count):
        # Short enough to leave in one piece: on an ESP32 the interpreter is held for up to 20 bytes.
        return self._out.write(data, at, count)  # type: ignore[call-overload]
