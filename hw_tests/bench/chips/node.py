"""What all controllers on the virtual bus have in common (contract: bus.py): fault confinement; and a tester."""

IDLE_bits = 11  # recessive ones before a node may take part
OFF_bits = 128 * IDLE_bits  # and before it leaves bus-off
PASSIVE = 128


class Node:
    """What is common to all controllers: see bus.py. Override what concerns you."""

    def __init__(self, name="", bus=None):
        self.name = name
        self.bus = bus
        self.rate = 0
        self.silent = False
        self.on = False
        self.tec = self.rec = 0
        self.off = False
        self.joined_ns = 0
        self.hold_ns = 0
        self.idle_bits = 0  # recessive ones since bus-off, of those still to come

    # --- asked and told by the bus ---
    def pending(self, now):
        return None

    def due(self, now):
        return None

    def started(self, now, f):
        pass

    def lost(self, now, f):
        pass

    def sent(self, now, f):
        pass

    def failed(self, now, f, why):
        pass

    def heard(self, now, f):
        pass

    def counted(self, now):
        pass

    # --- for the controller ---
    def join(self, now):
        self.on = True
        self.joined_ns = now

    def leave(self, now):
        if self.bus is not None and self.on:
            self.bus.run(now)
            self.on = False
            self.bus.gone(self, now)
        self.on = False

    def forget_errors(self):
        """What a reset or the configuration mode does to the counters."""
        self.tec = self.rec = self.idle_bits = 0
        self.off = False

    @property
    def passive(self):
        return self.tec >= PASSIVE or self.rec >= PASSIVE

    # --- fault confinement ---
    def charge(self, now, tec, rec):
        """Count an error, of a transmitter or of a receiver."""
        if self.silent or self.off or not (tec or rec):
            return
        self.tec += tec
        self.rec = min(self.rec + rec, 255)
        if self.tec > 255:
            self.off = True
            self.idle_bits = 0
        self.counted(now)

    def credit(self, now, transmitter):
        """A frame went well."""
        if self.silent or self.off:
            return
        before = (self.tec, self.rec)
        if transmitter:
            self.tec = max(self.tec - 1, 0)
        else:
            self.rec = 119 if self.rec >= PASSIVE else max(self.rec - 1, 0)
        if before != (self.tec, self.rec):
            self.counted(now)

    def recessive(self, now, bits):
        """Bits of silence: a bus-off node counts them."""
        self.idle_bits += bits
        if self.idle_bits >= OFF_bits:
            self.forget_errors()
            self.counted(now)


class Peer(Node):
    """Another controller, for tests: sends from a schedule in order, keeps what it hears as (ns, frame)."""

    def __init__(self, name="peer"):
        super().__init__(name)
        self.queue = []  # (not before, frame)
        self.inbox = []
        self.outbox = []
        self.errors = 0

    def send(self, f, at_ns=0):
        self.queue.append((at_ns, f))

    def frames(self):
        """What arrived, without the times."""
        return [f for _, f in self.inbox]

    def pending(self, now):
        return self.queue[0][1] if self.queue and self.queue[0][0] <= now else None

    def due(self, now):
        return self.queue[0][0] if self.queue and self.queue[0][0] > now else None

    def sent(self, now, f):
        self.queue.pop(0)
        self.outbox.append((now, f))

    def failed(self, now, f, why):
        self.errors += 1

    def heard(self, now, f):
        self.inbox.append((now, f))
