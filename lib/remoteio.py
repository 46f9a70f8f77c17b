# The pins of a board that stands on the bench: raw inputs come, outputs go, as small records over a stream.
# For firmware that runs on a PC; on a board lib/localio.py has the same surface.
#
# in,  32 bytes LE: u16 0x5A51, u16 seq, u32 now_ms, u16 flags (bit 0: lockstep, bit 1: fail), 11 x u16 raw inputs
# out, 16 bytes LE: u16 0xA515, u16 seq of the newest record, u16 outputs, u16 flags, u32 bytes allocated, u32 free heap
#
# The records are arrays of 16 bits in the machine's own order: little-endian, as the ESP32 and every PC are.
# Live, sample() takes the newest record and write() answers. In lockstep the bench owns time: wait() for its record,
# tick once with now_ms (write() only keeps the outputs), answer(). A record with the flag `fail` makes the next
# sample() raise, once: a scenario's exception in the tick.
import gc
from array import array

from micropython import const

_MAGIC_IN = const(0x5A51)
_MAGIC_OUT = const(0xA515)
_WORDS_IN = const(16)
_BYTES_IN = const(32)
_WORDS_OUT = const(8)
_BYTES_OUT = const(16)
_INPUTS = const(11)
_FIRST_INPUT = const(5)
_LOCKSTEP = const(1)
_FAIL = const(2)
_COLLECT = const(100)  # answers between two counts of the free heap
_EIO = const(5)
_IMAGE_B = const(256)


class RemoteIO:
    def __init__(self, stream):
        self._stream = stream
        self.inputs = array("i", [0] * _INPUTS)
        self.now_ms = 0
        self.flags = 0
        self.seq = 0
        self.outputs = 0
        self.free_B = 0  # of the heap, right after a collection; main or services may renew it
        self.closed = 0  # 1: the bench is gone, or is none
        self.unsent = 0  # records that the stream did not take
        self._in = array("H", [0] * _WORDS_IN)
        self._fill = 0  # bytes of a record that came in part
        self._out = array("H", [0] * _WORDS_OUT)
        self._out[0] = _MAGIC_OUT
        self._left = 0  # bytes of _out that the stream has not taken yet, at its end
        self._one = bytearray(1)
        self._fresh = False
        self._fail = False
        self._answers = 0

    def sample(self):
        # True if at least one whole new record has come; the newest counts. In lockstep only wait() reads.
        while not self.flags & _LOCKSTEP and self._record():
            self._fresh = True
        if self._fail:
            self._fail = False
            raise RuntimeError("the bench asks for an exception in the tick")
        fresh = self._fresh
        self._fresh = False
        return fresh

    def write(self, mask):
        self.outputs = mask
        if not self.flags & _LOCKSTEP:
            self._send(0)

    # --- lockstep ---
    def wait(self):
        # Until the bench's next record; OSError when the bench is gone.
        self._stream.setblocking(True)
        try:
            while not self._record():
                if self.closed:
                    raise OSError(_EIO)
        finally:
            self._stream.setblocking(False)
        self._fresh = True

    def allocated(self):
        return gc.mem_alloc()

    def answer(self, before):
        # What the tick since allocated(): 0, or bytes; a collection in between came from an allocation too.
        count = gc.mem_alloc() - before
        if self._answers == 0:
            gc.collect()
            self.free_B = gc.mem_free()
        self._answers = (self._answers + 1) % _COLLECT
        self._send(count if count >= 0 else 1)

    # --- the stream ---
    def _record(self):
        words = self._in
        if self._fill == 0:
            self._fill = self._read(words)
            if self._fill == 0:
                return False
        while self._fill < _BYTES_IN:  # the rest of a divided record byte by byte: a slice would allocate
            if self._read(self._one) == 0:
                return False
            at = self._fill >> 1
            byte = self._one[0]
            words[at] = words[at] & 0xFF | byte << 8 if self._fill & 1 else words[at] & 0xFF00 | byte
            self._fill += 1
        self._fill = 0
        if words[0] != _MAGIC_IN:
            self.closed = 1  # whoever speaks there is no bench
            return False
        self.seq = words[1]
        self.now_ms = words[2] | (words[3] & 0x3FFF) << 16
        self.flags = words[4]
        if self.flags & _FAIL:
            self._fail = True
        inputs = self.inputs
        for i in range(_INPUTS):
            inputs[i] = words[_FIRST_INPUT + i]
        return True

    def _read(self, into):
        try:
            n = self._stream.readinto(into)
        except OSError:
            n = 0
        if n == 0:
            self.closed = 1
        return n or 0

    def _send(self, allocated):
        if self._left and not self._flush():
            self.unsent += 1
            return
        out = self._out
        out[1] = self.seq
        out[2] = self.outputs
        out[3] = self.flags
        out[4] = allocated & 0xFFFF
        out[5] = allocated >> 16 & 0xFFFF
        out[6] = self.free_B & 0xFFFF
        out[7] = self.free_B >> 16 & 0xFFFF
        self._left = _BYTES_OUT
        if not self._flush() and self._left == _BYTES_OUT:
            self._left = 0  # nothing of it has left: the next one is newer
            self.unsent += 1

    def _flush(self):
        try:
            self._left -= self._stream.write(self._out, _BYTES_OUT - self._left, self._left) or 0
        except OSError:
            self.closed = 1
        return not self._left


class RetainedFile:
    # A file in place of the RTC memory that survives a reset: 256 bytes, all zero when nothing was kept.
    # It stays open, so that save() allocates nothing.
    def __init__(self, path):
        self.image = bytearray(_IMAGE_B)
        try:
            with open(path, "rb") as file:
                kept = file.read(_IMAGE_B)
        except OSError:
            kept = b""
        if len(kept) == _IMAGE_B:
            self.image[:] = kept
        else:
            with open(path, "wb") as file:
                file.write(self.image)
        self._file = open(path, "r+b")

    def save(self):
        self._file.seek(0)
        self._file.write(self.image)
        self._file.flush()
