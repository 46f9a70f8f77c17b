"""A CAN bus in virtual time on which controllers meet: arbitration, acknowledge, error frames, fault confinement.

Time is whole nanoseconds, handed in; nothing happens between two calls of `run(until)`. Plain Python: the same file
runs on CPython and on a 32-bit MicroPython.

    bus = Bus(250000)
    car = bus.attach(Peer("car"))
    car.send(frame(0x123, b"\\x01"))
    bus.run(1000000)

**A controller is a Node** (node.py; wire.py has the frame's tuple). The bus asks it
  pending(now)   the frame that it would begin to send now, or None
  due(now)       when pending() may change by itself (ns), or None: a timer of its own
and tells it
  started(now, frame)       its frame is on the wire, the arbitration is won
  lost(now, frame)          another one's is
  sent(now, frame)          acknowledged, at the end of the end of frame
  failed(now, frame, why)   an error frame ended it: ERR_ACK, ERR_BIT. It may be pending again, the bus does not ask why
  heard(now, frame)         somebody else's frame arrived whole (also for one that only listens)
  counted(now)              tec, rec or off have changed
A chip that changes what it wants calls `bus.run(now)` before the change and once more after it, so that a frame begins
when it would: at once on an idle bus. `rate` is the bit rate that the node is set to (0: that of the bus); `silent` is
listen-only: it neither acknowledges nor counts nor sends error flags. `join(now)` brings a node onto the bus, which it
may use after 11 recessive bits and whose frames it hears from the next one on; `leave(now)` takes it off, and a frame
of its own is then broken off for the others.

**Fault confinement** (ISO 11898-1) is the same in all controllers and kept here, in `tec`, `rec` and `off`:
  a transmitter's error +8 (an error-passive one's missing acknowledge +0), a receiver's +1, and +8 for the one that
  flagged first alone; a frame sent -1, heard -1 or, from above 127, 119; passive above 127, bus-off above 255, left
  after 128 times 11 recessive bits; an error-passive transmitter lets 8 bits pass after its own frame.

**Simplified**: a frame arrives for all at the end of its end of frame (a receiver has it a bit sooner); an error frame
is 12 bits of flags (6 for a missing acknowledge or on a short circuit) and 8 of delimiter; who acknowledges is decided
when a frame begins; a node at a wrong bit rate breaks every frame at bit 14 while it is error-active, and hears none;
on a short circuit a controller counts one bit error an attempt (a real one may count those of its error flag too, and
be off sooner).
"""

from hw_tests.bench.chips.node import PASSIVE, IDLE_bits, OFF_bits
from hw_tests.bench.chips.wire import ACK_bits, PAUSE_bits, arbitration, length_bits

ERR_ACK, ERR_BIT = 1, 2  # why a frame failed
# What is wrong with the wire: nothing; CANH to CANL, nothing dominant gets through; held dominant.
GOOD, SHORT, DOMINANT = range(3)
_DELIMITER_bits = 8
_FLAGS_bits = 12
_FLAG_bits = 6
_SUSPEND_bits = 8
_BREAK_bit = 14  # where a node at another bit rate has seen six equal bits


class Bus:
    """One wire. `on_frame(end_ns, node, frame)`, if set, sees every frame that was sent whole."""

    def __init__(self, bitrate, now=0):
        self.bitrate = bitrate
        self.bit_ns = 1000000000 // bitrate
        self.nodes = []
        self.now = now  # what has happened is known until here
        self.on_frame = None
        self.frames = self.error_frames = self.busy_bits = 0
        self.fault = GOOD
        self._destroy = 0
        self._destroy_bit = 0
        self._free = now  # the intermission is over
        self._senders = []  # of the frame on the wire
        self._frame = None
        self.began = self._end = 0
        self._why = 0
        self._counted = now  # until when bus-off nodes have counted recessive bits
        self._held_ns = 0  # DOMINANT: until when it has been counted,
        self._caught = []  # and who was sending when it began

    def attach(self, node, on=True):
        """Put a node on the wire; `on`: it takes part from the next frame on, as one that has been there for long."""
        node.bus = self
        self.nodes.append(node)
        if on:
            node.join(self.now - (IDLE_bits * self.bit_ns if self._frame is None else 0))
        return node

    def detach(self, node):
        """Cut its wires."""
        node.leave(self.now)
        self.nodes.remove(node)
        node.bus = None

    # --- faults ---
    def set_fault(self, now, fault):
        """GOOD, SHORT or DOMINANT from now on."""
        self.run(now)
        if fault != DOMINANT and self.fault == DOMINANT:
            self._free = now + (_DELIMITER_bits + PAUSE_bits) * self.bit_ns
        self.fault = fault
        self._caught = list(self._senders)
        self._held_ns = now
        if fault != GOOD:
            self._break_off(now)

    @property
    def idle_since(self):
        """When the bus fell silent; now, if it has not."""
        if self._frame is not None or self.fault == DOMINANT:
            return self.now
        return min(self._free - PAUSE_bits * self.bit_ns - ACK_bits * self.bit_ns, self.now)

    def destroy(self, count, bit=40):
        """Noise: the next frames are broken at this bit, by nobody of the nodes."""
        self._destroy = count
        self._destroy_bit = bit

    def gone(self, node, now):
        """A node has left; what it was sending ends in an error for the others."""
        if node in self._senders:
            self._senders.remove(node)
            if not self._senders:
                self._break_off(now)

    # --- time ---
    def run(self, until):
        """Let everything happen that happens until then."""
        while self.now < until or self._frame is None:
            if self.fault == DOMINANT:
                self._held_dominant(until)
                return
            if self._frame is not None:
                if self._end > until:
                    self.now = until
                    return
                self._finish()
            elif not self._begin(until):
                return

    def next_event(self, until):
        """When something may happen by itself, `until` at the latest."""
        if self.fault == DOMINANT:
            return min(until, self.now + 8 * self.bit_ns)
        if self._frame is not None:
            return min(until, self._end)
        return self._next_event(max(self.now, self._free), until) if self.now >= self._free else min(until, self._free)

    def _begin(self, until):
        """Start the next frame; False if none begins until then."""
        at = max(self.now, self._free)
        while at <= until:
            self._silence(at)
            if self._arbitrate(at):
                return True
            if at == until:
                return False
            at = self._next_event(at, until)
        self._silence(until)
        return False

    def _next_event(self, at, until):
        best = until
        for node in self.nodes:
            if not node.on:
                continue
            for time in (node.due(at), node.hold_ns, self._usable_ns(node), self._recovery_ns(node)):
                if time is not None and at < time < best:
                    best = time
        return best

    def _usable_ns(self, node):
        return node.joined_ns + IDLE_bits * self.bit_ns

    def _recovery_ns(self, node):
        if not node.off:
            return None
        return max(self._counted, self._free) + (OFF_bits - node.idle_bits) * self.bit_ns

    def _silence(self, to):
        """The bus is idle until then; nodes that are bus-off count the bits."""
        self.now = max(self.now, to)
        begin = max(self._counted, self._free)
        bits = (to - begin) // self.bit_ns
        if bits > 0:
            self._counted = begin + bits * self.bit_ns
            for node in self.nodes:
                if node.on and node.off:
                    node.recessive(to, bits)

    def _arbitrate(self, at):
        best, winners, losers = -1, [], []  # type: ignore[var-annotated]
        for node in self.nodes:
            if not node.on or node.off or node.silent or at < node.hold_ns or at < self._usable_ns(node):
                continue
            wanted = node.pending(at)
            if wanted is None:
                continue
            key = arbitration(wanted)
            if best < 0 or key < best:
                losers += winners
                best, winners = key, [(node, wanted)]
            elif key == best:
                winners.append((node, wanted))
            else:
                losers.append((node, wanted))
        if not winners:
            return False
        self._take_off(at, winners, losers)
        return True

    def _take_off(self, at, winners, losers):
        self._senders = [node for node, _ in winners]
        self._frame = f = winners[0][1]
        self.began = at
        for node, wanted in winners:
            node.started(at, wanted)
        for node, wanted in losers:
            node.lost(at, wanted)
        bits = length_bits(f)
        self._why = self._outcome(winners)
        if self._why == ERR_ACK:
            bits += _FLAG_bits - ACK_bits + _DELIMITER_bits
        elif self._why == ERR_BIT:
            flags = _FLAG_bits if self.fault == SHORT else _FLAGS_bits
            bits = min(self._break_bit(), bits) + flags + _DELIMITER_bits
        self.busy_bits += bits + PAUSE_bits
        self._end = at + bits * self.bit_ns

    def _break_bit(self):
        if self.fault == SHORT:
            return 1
        return self._destroy_bit if self._destroy else _BREAK_bit

    def _outcome(self, winners):
        """0 or how the frame that begins will end."""
        first = winners[0][1]
        if self._destroy or self.fault == SHORT or any([wanted != first for _, wanted in winners]):
            return ERR_BIT
        present = [node for node in self.nodes if node.on and not node.off and not node.silent]
        others = [node for node in present if node not in self._senders]
        if any([self._wrong(node) for node in self._senders]):
            return ERR_BIT if others else ERR_ACK
        if any([self._wrong(node) and not node.passive for node in others]):
            return ERR_BIT
        return 0 if any([self._listens(node) for node in others]) else ERR_ACK

    def _wrong(self, node):
        return not node.silent and node.rate and node.rate != self.bitrate

    def _listens(self, node):
        same = not node.rate or node.rate == self.bitrate
        return node.on and not node.off and same and node.joined_ns < self.began

    # --- the end of a frame ---
    def _finish(self):
        self.now = end = self._end
        self._free = end + PAUSE_bits * self.bit_ns
        f, senders, why = self._frame, self._senders, self._why
        self._frame, self._senders = None, []
        if why:
            self._failed(end, f, senders, why)
        else:
            self._arrived(end, f, senders)
        for node in self.nodes:
            if node.on and node.off and node not in senders:
                node.recessive(end, IDLE_bits)  # delimiter, end of frame and intermission of any frame
        for node in senders:
            if node.passive:
                node.hold_ns = self._free + _SUSPEND_bits * self.bit_ns

    def _arrived(self, end, f, senders):
        self.frames += 1
        if self.on_frame is not None:
            self.on_frame(end, senders[0], f)
        for node in list(self.nodes):
            if node in senders:
                node.credit(end, True)
                node.sent(end, f)
            elif self._listens(node):
                node.credit(end, False)
                node.heard(end, f)

    def _failed(self, end, f, senders, why):
        self.error_frames += 1
        noise = self._destroy > 0 or self.fault != GOOD
        self._destroy = max(self._destroy - 1, 0)
        quiet = why == ERR_ACK and all([node.passive for node in senders])
        for node in list(self.nodes):
            if node in senders:
                node.charge(end, 0 if quiet else 8, 0)
                node.failed(end, f, why)
            elif quiet and self._listens(node):
                node.heard(end, f)  # one that only listens: no error flag has spoilt it
            elif node.on and not node.off and self.fault == GOOD:
                # The one that flags alone sees the others' flags after its own.
                node.charge(end, 0, 9 if self._wrong(node) and not noise else 1)

    def _break_off(self, now):
        """The frame on the wire, if any, ends here in an error."""
        if self._frame is None:
            return
        self._why = ERR_BIT
        self._end = now + (_FLAGS_bits + _DELIMITER_bits) * self.bit_ns
        if self.fault == DOMINANT:
            self._end = now
            self._finish()

    def _held_dominant(self, until):
        """Nobody gets a word in. Every 8 bits a listener counts 8 until it is passive, one that was sending until it is
        bus-off (ISO 11898-1)."""
        steps = (until - self._held_ns) // (8 * self.bit_ns)
        self._held_ns += steps * 8 * self.bit_ns
        self.now = self._counted = max(self.now, until)
        for node in self.nodes:
            for _ in range(min(steps, 32)):
                if node in self._caught:
                    node.charge(until, 8, 0)
                elif node.on and node.rec < PASSIVE:
                    node.charge(until, 0, 8)
