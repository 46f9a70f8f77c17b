"""The numbered CAN tests (hw_tests/03, 04) on the real drivers and the models of their chips. On CPython
alone: it takes minutes on MicroPython, where the drivers and the numbered tests have tests of their own."""

import json
import sys

import canbase

from host_tests.unit.fake_machine import Chip, install, uninstall
from hw_tests.bench.chips.board import Clock, Spi
from hw_tests.bench.chips.bus import SHORT, Bus
from hw_tests.bench.chips.mcp2515 import Mcp2515
from hw_tests.bench.chips.mcp2518fd import Mcp2518fd
from lib import mcp2515, mcp2518fd

if not hasattr(sys, "print_exception"):  # CPython has it elsewhere
    sys.print_exception = lambda error: None  # type: ignore[attr-defined]

KINDS = ((Mcp2515, mcp2515.CAN, 16000000), (Mcp2518fd, mcp2518fd.CAN, 40000000))


class _Time:
    # The module `time`, by the clock of the models; each look takes 20 us, as a turn of a loop does.
    def __init__(self, clock):
        self._clock = clock

    def ticks_us(self):
        self._clock.wait(20000)
        return self._clock.now // 1000

    def ticks_ms(self):
        return self.ticks_us() // 1000

    def ticks_diff(self, one, two):
        return one - two

    def sleep_ms(self, ms):
        self._clock.wait(ms * 1000000)


class _Board:
    NAME = "model"


class Desk:
    # Two controllers of one kind on one bus, and a test that runs on them.
    def __init__(self, kind, bit_s=125000, wired=(), dead=False):
        canbase._ALL.clear()
        model, driver, crystal_Hz = kind
        self.bus, self.wired = Bus(bit_s), wired
        self.clock = Clock(self.bus)
        self.spi = Spi(self.clock, overhead_ns=30000)
        self.driver, self.crystal_Hz = driver, crystal_Hz
        self.chips = []
        for _ in range(2):
            chip = model(self.clock, crystal_Hz)
            if dead:
                chip.miso = 0xFF
            self.bus.attach(chip, on=False)
            self.chips.append(chip)

    def controller(self, board, which, bit_s):
        chip = self.chips[which == "converter"]
        port = (self.spi, self.spi.select(chip), chip.int_pin, self.crystal_Hz)
        return self.driver(0, bit_s, sample_point=80, port=port)

    def play(self, name):
        # Its results by name.
        install(Chip())
        kept = sys.modules.get("onboard")
        from hw_tests import onboard

        sys.modules["onboard"] = onboard
        said = []
        real = onboard.say, onboard.bus, onboard.the_board, onboard.time
        onboard.say, onboard.bus, onboard.the_board = said.append, self.controller, lambda: _Board
        onboard.begin("", {}, self.wired, {})
        try:
            with open("hw_tests/" + name + ".py") as file:
                source = file.read().replace("import time\n", "")
            rate = "(" + str(self.bus.bitrate) + ",)"  # the model's is fixed
            source = source.replace("(125000, 250000, 500000)", rate)
            exec(source, {"__name__": "__main__", "time": _Time(self.clock)})
        finally:
            onboard.say, onboard.bus, onboard.the_board, onboard.time = real
            sys.modules.pop("onboard")
            if kept is not None:
                sys.modules["onboard"] = kept
            sys.modules.pop("hw_tests.onboard", None)
            uninstall()
        assert said[-1] == {"done": 1}, said
        return {each["name"]: json.loads(json.dumps(each)) for each in said[:-1]}


def _failed(results):
    return [name for name in results if results[name]["result"] == "fail"]


def test_loopback_passes_on_both_chips():
    for kind in KINDS:
        results = Desk(kind, 500000).play("03_can_loopback")
        assert len(results) == 8 and _failed(results) == [], results


def test_a_dead_chip_fails_the_loopback():
    for kind in KINDS:
        results = Desk(kind, 500000, dead=True).play("03_can_loopback")
        assert sorted(_failed(results)) == ["car answers", "converter answers"], results


def test_two_controllers_hear_each_other_at_every_rate():
    for kind in KINDS:
        for bit_s in (125000, 500000):
            results = Desk(kind, bit_s).play("04_can_bus")
            assert len(results) == 7 and _failed(results) == [], results


def test_noise_on_the_bus_shows_in_the_error_counters():
    for kind in KINDS:
        desk = Desk(kind)
        seen = []

        def noise(_end, _node, _frame, desk=desk, seen=seen):
            seen.append(1)
            if len(seen) % 40 == 0:
                desk.bus.destroy(1)

        desk.bus.on_frame = noise
        assert _failed(desk.play("04_can_bus")) == ["125 kbit/s, error counters"]


def test_an_open_wire_skips_the_bus_test_and_fails_it_when_declared():
    for kind in KINDS:
        desk = Desk(kind)
        desk.bus.set_fault(0, SHORT)
        assert [each["result"] for each in desk.play("04_can_bus").values()] == ["skip"]
        desk = Desk(kind, wired=("can_bus",))
        desk.bus.set_fault(0, SHORT)
        assert _failed(desk.play("04_can_bus")) == ["the buses are wired together"]
