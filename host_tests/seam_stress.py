# Two threads at the seam, as fast as they can, with nothing between them: the unix port has no interpreter lock.
#   seam_stress.py <root of firmware> <seconds>
# One writes records whose slots all say the same, the other reads and looks for a torn one; then wishes and events, the
# same way. `naive` is the same without the seam: it shows that the stress does tear what is not guarded.
import sys

sys.path.insert(0, sys.argv[1])

import _thread
import json
import time
from array import array

from firmware.station import EVENT_SLOTS, Events, Reader, Record
from firmware.wishes import (
    SRC_AGGREGATOR,
    W_CHARGE_MAX_W,
    W_DISCHARGE_MAX_W,
    W_POWER_W,
    W_SERIAL,
    Wishes,
)

SLOTS = 25
SECONDS = int(sys.argv[2])
ENOUGH = 300  # different values
PATIENCE_s = 20


class Side:
    # The other thread's work: `turn(n)` again and again until told to end.
    def __init__(self, turn):
        self.turn = turn
        self.flags = bytearray(2)  # told to end, has ended

    def run(self):
        n = 0
        while not self.flags[0]:
            n = (n + 1) & 0xFFFFFFF
            self.turn(n)
        self.flags[1] = 1


def against(turn, look, seen=(ENOUGH,)):
    # `turn` in a second thread, `look` here, for a while; longer where the machine lets the other thread run so seldom
    # that `look` has not seen enough yet.
    side = Side(turn)
    _thread.start_new_thread(side.run, ())
    until = time.time() + SECONDS
    looks = 0
    while time.time() < until or seen[-1] < ENOUGH and time.time() < until + PATIENCE_s:
        for _ in range(100):
            look()
        looks += 100
    side.flags[0] = 1
    while not side.flags[1]:
        time.sleep(0.01)
    return looks


def uniform(values, count):
    first = values[0]
    for slot in range(1, count):
        if values[slot] != first:
            return False
    return True


def records():
    record = Record(SLOTS)
    reader = Reader(record)
    seen = [0, 0, 0]  # torn, refused, different values

    def turn(n):
        now = record.now
        for slot in range(SLOTS):
            now[slot] = n
        record.publish()
        for _ in range(n & 127):  # control publishes a record every 60 ms; without any pause a reader hardly gets one
            pass

    last = [0]

    def look():
        if not reader.refresh():
            seen[1] += 1
        if not uniform(reader.values, SLOTS):
            seen[0] += 1
        if reader.values[0] != last[0]:
            last[0] = reader.values[0]
            seen[2] += 1

    return {"looks": against(turn, look, seen), "torn": seen[0], "refused": seen[1], "values": seen[2]}


def naive():
    shared, copy = array("i", [0] * SLOTS), array("i", [0] * SLOTS)
    torn = [0]

    def turn(n):
        for slot in range(SLOTS):
            shared[slot] = n

    def look():
        for slot in range(SLOTS):
            copy[slot] = shared[slot]
        if not uniform(copy, SLOTS):
            torn[0] += 1

    return {"looks": against(turn, look), "torn": torn[0]}


def wishes():
    both = Wishes()
    both.post_limit(SRC_AGGREGATOR, 0, 0, 0, 0, 86400000)
    both.post_power(SRC_AGGREGATOR, 0, 0, 0, 86400000)
    seen = [0, 0]
    last = [0]

    def turn(n):
        # In one post serial and limits belong together; in the next serial and power.
        both.post_limit(SRC_AGGREGATOR, n, n, n, 0, 86400000)
        both.post_power(SRC_AGGREGATOR, n, n, 0, 86400000)
        for _ in range(n & 127):  # as above
            pass

    def look():
        both.take(0)
        wish = both.taken[SRC_AGGREGATOR]
        serial, charge = wish[W_SERIAL], wish[W_CHARGE_MAX_W]
        whole = serial == charge == wish[W_DISCHARGE_MAX_W] and wish[W_POWER_W] in (serial, serial - 1)
        if not whole:
            seen[0] += 1
        if serial != last[0]:
            last[0] = serial
            seen[1] += 1

    return {"looks": against(turn, look, seen), "torn": seen[0], "values": seen[1]}


def events():
    ring = Events()
    into = array("i", [0] * EVENT_SLOTS)
    seen = [0, 0, 0]  # torn, out of order, got
    last = [0]

    put = [0]

    def turn(n):
        ring.put(n, n, n, n)
        put[0] = n

    def look():
        if ring.get(into):
            seen[2] += 1
            if not uniform(into, EVENT_SLOTS):
                seen[0] += 1
            if into[0] <= last[0]:
                seen[1] += 1
            last[0] = into[0]

    looks = against(turn, look)
    for _ in range(100):  # what still waits
        look()
    return {"looks": looks, "torn": seen[0], "disorder": seen[1], "got": seen[2], "lost": ring.lost[0], "put": put[0]}


print(json.dumps({"records": records(), "naive": naive(), "wishes": wishes(), "events": events()}))
