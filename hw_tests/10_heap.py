# The heap after an hour of the whole station: enough is left, and it does not shrink.
# Needs: the board's sensors, link and inlet dead: checked; a broker if its configuration names one. GIVEN=minutes=60.
import gc
import time

import onboard

_FREE_B = 40960  # docs/image.md: at least 40 KB of the 160 KB
_SHRINK_B = 2048  # between the first and the last quarter
_EVERY = 100  # looks


def first():
    board = onboard.the_board()
    io = onboard.pins(board)
    onboard.dead(board, io)
    minutes = onboard.given("minutes", 60)
    heap = Heap(minutes * 60000)
    onboard.station(onboard.Proxy(io, heap), None)
    onboard.at_least("looks at the heap", len(heap.free_B), _EVERY * 9 // 10)
    if not heap.free_B:
        return
    quarter = max(1, len(heap.free_B) // 4)
    early, late = min(heap.free_B[:quarter]), min(heap.free_B[-quarter:])
    onboard.at_least("free after %d min" % minutes, heap.free_B[-1], _FREE_B, "bytes", "after a collection")
    onboard.at_most("shrinks by", max(0, early - late), _SHRINK_B, "bytes", "least of the last and the first quarter")


class Heap:
    # Called once a tick. It collects itself: 2 ms, a late tick now and then, and nothing is switched here.
    def __init__(self, for_ms):
        self.free_B = []
        self._every_ms = for_ms // _EVERY
        self._due = time.ticks_add(time.ticks_ms(), self._every_ms)
        self._left = _EVERY

    def __call__(self, proxy):
        if time.ticks_diff(self._due, time.ticks_ms()) > 0:
            return
        self._due = time.ticks_add(self._due, self._every_ms)
        gc.collect()
        self.free_B.append(gc.mem_free())
        self._left -= 1
        if self._left == 0:
            proxy.closed = 1


onboard.run(first=first)
