# JSON of at most 1 KB, written into one buffer that is made once: a state every 5 s for years must not cut up the heap,
# and json.dumps of a whole record would hold the interpreter for milliseconds. Integers and plain words only, so every
# number is finite; what is not known is left out.
from micropython import const

from firmware.units import UNKNOWN

SIZE = const(1024)


class Text:
    def __init__(self):
        self._buffer = bytearray(SIZE)
        self._view = memoryview(self._buffer)
        self._at = 0
        self._comma = False

    def begin(self):
        self._at = 0
        self._comma = False
        self._raw("{")
        return self

    def number(self, key, value):
        if value is not None and value != UNKNOWN:
            self._key(key)
            self._raw(str(value))

    def word(self, key, value):
        self._key(key)
        self._quoted(value)

    def yes(self, key, value):
        self._key(key)
        self._raw("true" if value else "false")

    def words(self, key, values):
        self._key(key)
        self._raw("[")
        for index, value in enumerate(values):
            if index:
                self._raw(",")
            self._quoted(value)
        self._raw("]")

    def open(self, key):
        self._key(key)
        self._raw("{")
        self._comma = False

    def shut(self):
        self._raw("}")
        self._comma = True

    def end(self):
        # The text; valid until the next begin().
        self._raw("}")
        return self._view[: self._at]

    def _key(self, key):
        self._raw(',"' if self._comma else '"')
        self._raw(key)
        self._raw('":')
        self._comma = True

    def _quoted(self, value):
        # Words of ours are plain already; what came from outside is made so.
        self._raw('"')
        for char in value:
            if not " " <= char <= "~" or char in '"\\':
                value = "".join([c if " " <= c <= "~" and c not in '"\\' else "?" for c in value])
                break
        self._raw(value)
        self._raw('"')

    def _raw(self, text):
        raw = text.encode()
        end = self._at + len(raw)
        if end > SIZE:
            raise ValueError("text: longer than %d bytes: say less, or in numbered parts" % SIZE)
        self._view[self._at : end] = raw
        self._at = end
