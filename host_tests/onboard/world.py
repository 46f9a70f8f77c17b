# An ESP32 with a station's board round it, in virtual time, for the numbered on-board tests. Runs in MicroPython.
#
# Time passes only when somebody looks at the clock or sleeps. The second thread gets its turn as on the board: now and
# then when the main thread looks at the clock, when it yields by sleep_ms(0), and never while sleep_ms(1) to
# sleep_ms(10) spins with the interpreter held (ports/esp32/mphalport.c).
import sys

from host_tests.unit.fake_machine import Chip, Converter, Expander, install

NAME = "esp32_2x_mcp2515"
CONTACTOR, LOCK, HEARTBEAT = 25, 27, 23  # pads of that board
_LOOK_us, _YIELD_us = 20, 50
_EVERY = 4  # looks at the clock for each turn of the other thread
_NOTHING = [500, 500, 2048, 1500, 1096, 1096, 0, 0]  # counts: no voltage, no current, no plug, 25 degC
_CLOSED, _UNLOCKED = 1, 8  # bits of the expander
_LOST_us, _HOLD_us = 50000, 100000


class Reset(BaseException):
    # How: "hard", "soft" or "hang".
    pass


class Clock:
    # The module `time`.
    def __init__(self, world):
        self._world = world
        self.us = 5000000
        self._looks = 0

    def _pass(self, us):
        self.us += us
        self._world.physics(self.us)

    def ticks_us(self):
        self._pass(_LOOK_us)
        self._looks += 1
        if self._looks % _EVERY == 0:
            self._world.turn()
        return self.us & 0x3FFFFFFF

    def ticks_ms(self):
        self.ticks_us()
        return self.us // 1000 & 0x3FFFFFFF

    def ticks_diff(self, one, two):
        return ((one - two + 0x20000000) & 0x3FFFFFFF) - 0x20000000

    def ticks_add(self, at, ms):
        return (at + ms) & 0x3FFFFFFF

    def sleep_ms(self, ms):
        if ms == 0:
            self._pass(_YIELD_us)
            self._world.turn()
        for _ in range(ms):
            self._pass(1000)
            if ms > 10:
                self._world.turn()

    def sleep(self, s):
        self.sleep_ms(int(s * 1000))

    def time(self):
        return self.us // 1000000


class World:
    # Attributes are what is broken: see the variants in play.py.
    def __init__(self):
        self.clock = Clock(self)
        sys.modules["time"] = self.clock
        self.chip = install(Chip())
        self.converter, self.expander = Converter(), Expander()
        self.chip.spi[1] = [(4, self.converter), (33, self.expander)]
        self.converter.volts = list(_NOTHING)
        self.expander.port = 0x80 | 0b11100
        self.relay_ms = 25
        self.stuck = self.no_chain = False
        self.thread = None
        self.boots = True  # boot.py is on the board
        self.watchdog_bites = True
        self.wrong_cause = False
        self.toggler = False  # something else toggles the heartbeat
        self._in_turn = False
        self._beat_us = self._edge_us = 0
        self._level = self._beat_level = 0
        self._due = {}
        self._module = sys.modules["machine"]
        self._module.reset = self._hard
        self._module.soft_reset = self._soft

    # --- resets ---
    def _hard(self):
        raise Reset("hard")

    def _soft(self):
        raise Reset("soft")

    def hang(self):
        if self.watchdog_bites:
            raise Reset("hang")

    def restart(self, how):
        # The chip after it, with boot.py; ms that nobody could talk to it.
        self.thread = None
        if how == "soft":
            self.chip.soft_reset()
        else:
            watchdog = how == "hang" and not self.wrong_cause
            self.chip.hard_reset(self._module.WDT_RESET if watchdog else self._module.HARD_RESET)
        if self.boots:
            import boot

            boot.safe()
        return {"soft": 300, "hard": 1500, "hang": 1200 + self.chip.timeouts_ms[-1]}[how]

    # --- the other thread ---
    def beside(self, thing):
        self.thread = thing

    def turn(self):
        if self.thread is None or self._in_turn:
            return
        self._in_turn = True
        try:
            self.thread.step(self.clock.us // 1000)
        finally:
            self._in_turn = False

    # --- physics ---
    def physics(self, us):
        chip = self.chip
        if self.toggler:
            chip.latch[HEARTBEAT] = us // 7000 & 1
        level = chip.level(HEARTBEAT)
        if level != self._beat_level:
            self._beat_level, self._edge_us = level, us
        coils = self.no_chain or us - self._edge_us < _LOST_us + _HOLD_us
        self._relay(us, "contactor", chip.level(CONTACTOR) and coils, _CLOSED, 0)
        self._relay(us, "lock", chip.level(LOCK), _UNLOCKED, _UNLOCKED)

    def _relay(self, us, name, on, mask, rest):
        # A contact behind its coil; `rest`: what its feedback shows while it is not driven.
        closed = self.expander.port & mask != rest
        if bool(on) == closed or (name == "contactor" and self.stuck):
            self._due.pop(name, None)
        elif name not in self._due:
            self._due[name] = us + self.relay_ms * 1000
        elif us >= self._due[name]:
            self.expander.port ^= mask
            del self._due[name]
