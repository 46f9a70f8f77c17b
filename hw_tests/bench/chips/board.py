"""What stands between a driver and the chip models: a clock, an SPI and pins with the surface of machine's, and soft
interrupts that come in the middle of whatever the driver does. Runs on CPython and on MicroPython.

    clock = Clock(bus)                    # or Clock(bus_of_the_car, bus_of_the_converter)
    spi = Spi(clock, overhead_ns=50000)   # what one call costs besides its bytes
    chip = Mcp2515(clock, crystal_Hz=16000000); bus.attach(chip, on=False)
    can = CAN(1, 250000, port=(spi, spi.select(chip), chip.int_pin, 16000000))
    clock.wait(1000000)                   # time passes; interrupts are served when they come

A chip has `exchange(byte)` (one byte each way while it is selected) and `selected(on)`. `clock.held` postpones soft
interrupts, as a collection or another thread does; a queue of 8 then drops what comes (`clock.dropped`), as
MicroPython's does. What the models allocate is kept apart in `clock.allocated`, so that a test can tell what a driver
does: see `aside()`.
"""

import gc

QUEUE = 8  # MICROPY_SCHEDULER_DEPTH of the ESP32
_mem_alloc = getattr(gc, "mem_alloc", None)


class Clock:
    """Virtual time in ns for buses, chips and the code under test."""

    def __init__(self, *buses):
        self.now = 0
        self.buses = buses
        self.held = False
        self.dropped = 0
        self.allocated = 0
        self.lock = None  # micropython.heap_lock and heap_unlock while a test has it locked
        self._queue = []
        self._depth = 0
        self._before = 0

    def aside(self):
        """From here on it is the model that allocates, until back()."""
        self._depth += 1
        if self._depth == 1 and _mem_alloc is not None:
            if self.lock is not None:
                self.lock[1]()
            self._before = _mem_alloc()

    def back(self):
        """It is the code under test again."""
        self._depth -= 1
        if self._depth == 0 and _mem_alloc is not None:
            self.allocated += _mem_alloc() - self._before
            if self.lock is not None:
                self.lock[0]()

    def pass_ns(self, ns):
        """Let time pass; interrupts that are due come before this returns, unless they are held."""
        self.aside()
        self.now += ns
        for bus in self.buses:
            bus.run(self.now)
        self.back()
        self.serve()

    def wait(self, ns):
        """Time passes while the main program waits: an interrupt is served at once."""
        self.aside()
        until = self.now + ns
        self.back()
        while self.now < until:
            self.aside()
            to = until
            for bus in self.buses:
                bus.run(self.now)
                to = bus.next_event(to)
            self.back()
            self.pass_ns(max(to - self.now, 1))

    def hold(self, ns):
        """The interpreter is held: time passes and nobody is served until it is over."""
        self.held = True
        self.pass_ns(ns)
        self.held = False
        self.serve()

    def schedule(self, call, argument):
        """A soft interrupt; dropped if the queue is full."""
        if len(self._queue) >= QUEUE:
            self.dropped += 1
        else:
            self._queue.append((call, argument))

    def serve(self):
        """Run what is scheduled, as MicroPython does between two bytecodes."""
        while self._queue and not self.held:
            self.aside()
            call, argument = self._queue.pop(0)
            self.back()
            call(argument)


class Pin:
    """An input of the board that a chip drives: INT. Callable as MicroPython's, IRQ_FALLING only."""

    IRQ_FALLING = 2

    def __init__(self, clock):
        self._clock = clock
        self.level = 1
        self.reads = 0
        self.broken = False  # the wire is off: the pull-up holds it high
        self._handler = None

    def __call__(self):
        self.reads += 1
        return 1 if self.broken else self.level

    def value(self):
        return self()

    def irq(self, handler=None, trigger=0, hard=False):
        self._handler = handler

    def drive(self, level):
        fell = self.level and not level and not self.broken
        self.level = level
        if fell and self._handler is not None:
            self._clock.schedule(self._handler, self)


class Select:
    """A chip-select output."""

    def __init__(self, spi, chip):
        self._spi = spi
        self._chip = chip

    def __call__(self, level):
        self._spi.choose(self._chip, not level)

    def value(self, level):
        self(level)


class Spi:
    """machine.SPI as far as drivers use it. Counts transactions (CS low to high), calls, bytes and their time."""

    def __init__(self, clock, baud=10000000, overhead_ns=0):
        self._clock = clock
        self._byte_ns = 8 * 1000000000 // baud
        self._overhead_ns = overhead_ns
        self._chip = None
        self.transactions = self.calls = self.bytes = self.busy_ns = 0
        self.lengths = {}  # calls by length
        self.fails = False  # OSError instead of a transfer

    def select(self, chip):
        """A CS pin for it."""
        return Select(self, chip)

    def choose(self, chip, on):
        """CS of a chip: two at once would be a short circuit on MISO."""
        self._clock.aside()
        if on and self._chip is not None:
            raise RuntimeError("two chips are selected, or one twice")
        self._chip = chip if on else None
        chip.selected(on)
        self.transactions += 1 if on else 0
        self._clock.back()
        if not on:
            self._clock.serve()

    def write_readinto(self, out, into):
        if len(out) != len(into):
            raise ValueError("buffers must be the same length")
        self._transfer(out, into)

    def write(self, out):
        self._transfer(out, None)

    def readinto(self, into, write=0):
        for i in range(len(into)):
            into[i] = write
        self._transfer(into, into)

    def _transfer(self, out, into):
        self._clock.aside()
        if self.fails:  # CS stays as it is
            self._clock.back()
            raise OSError(5)
        self._move(out, into)
        self._clock.back()
        self._clock.serve()

    def _move(self, out, into):
        self.calls += 1
        self.bytes += len(out)
        self.lengths[len(out)] = self.lengths.get(len(out), 0) + 1
        took = self._overhead_ns + len(out) * self._byte_ns
        self.busy_ns += took
        held, self._clock.held = self._clock.held, True  # it is served after the transfer
        self._clock.pass_ns(took)
        for i in range(len(out)):
            byte = 255 if self._chip is None else self._chip.exchange(out[i])
            if into is not None:
                into[i] = byte
        self._clock.held = held
