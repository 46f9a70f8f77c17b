# JSON of at most 1 KB, written into one buffer that is made once: a state every 5 s for years must not cut up the heap,
# and json.dumps of a whole record would hold the interpreter for milliseconds. Integers and plain words only, so every
# number is finite; what is not known is left out.
from firmware.units import UNKNOWN


class Text:
    def __init__(self, view):
        self._view = view
        self._at = 0

    def begin(self):
        self._at = 0
        self._put("{")

    def raw(self, key, value):
        # `value` is JSON already; an object stays open with value "{" and is closed by shut().
        if self._view[self._at - 1] != 123:  # "{"
            self._put(",")
        self._put('"%s":' % key)
        self._put(value)

    def number(self, key, value):
        if value is not None and value != UNKNOWN:
            self.raw(key, str(value))

    def numbers(self, keys, values):
        # One key for each slot of a record, "-" for those that are not told.
        for slot, key in enumerate(keys.split(" ")):
            if key != "-":
                self.number(key, values[slot])

    def word(self, key, value):
        # Words of ours are plain; what came from outside is made so.
        for char in value:
            if not " " <= char <= "~" or char in '"\\':
                value = value.replace(char, "?")
        self.raw(key, '"%s"' % value)

    def shut(self):
        self._put("}")

    def end(self):
        # The text; valid until the next begin().
        self._put("}")
        return self._view[: self._at]

    def _put(self, text):
        raw = text.encode()
        end = self._at + len(raw)
        if end > len(self._view):
            raise ValueError("text: over %d bytes: say less, or in numbered parts" % len(self._view))
        self._view[self._at : end] = raw
        self._at = end
