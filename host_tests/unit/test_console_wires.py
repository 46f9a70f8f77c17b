"""A real board on the bench: its CAN chips, pins from the console, and outputs that nobody ever writes."""

import os
import sys
import time

from firmware.boards import NAMES
from host_tests.unit.test_board_check import load
from host_tests.unit.test_board_wires import Rig, _Can

ON_THE_BENCH = [name for name in NAMES.split() if name.startswith("bench_")]
SAFE_ms = 600000


class Bench(Rig):
    # A board on the bench, up to its wires.
    def __init__(self, name, cause=1):
        self.data = load(name)
        Rig.__init__(self, cause, self.data.CHIPS.CHIP)
        if self.data.CHIPS.CHIP == "esp32s3":
            sys.modules["machine"].CAN = _Can
        sys.modules.pop("console_wires", None)
        wires = __import__("console_wires")
        wires.RemoteIO, wires.Console = _Pins, lambda: None
        self.wires = wires

    def hardware(self, protocol="gbt27930"):
        return self.wires.connect(self.data, protocol, 51)

    def close(self):
        sys.modules.pop("console_wires", None)
        Rig.close(self)


class _Pins:
    def __init__(self, stream):
        self.closed = self.seq = self.now_ms = 0
        self.outputs = 0

    def write(self, mask):
        self.outputs = mask


def test_every_one_has_the_safe_levels_of_the_board_that_it_is():
    assert len(ON_THE_BENCH) == 3
    for name in ON_THE_BENCH:
        data = load(name)
        assert data.OUTPUTS is data.CHIPS.OUTPUTS and len(data.OUTPUTS) == 8
        assert data.CHIPS.WIRES == "board_wires" and data.SCALE is load("bench").SCALE
        assert (data.IDLE_ms, data.WATCHDOG_ms) == (0, 1000)


def test_its_own_controllers_and_no_output_moves_from_its_safe_level():
    import boot

    for name in ON_THE_BENCH:
        for protocol, bit_s in (("gbt27930", 250000), ("chademo", 500000)):
            bench = Bench(name)
            outputs = {pin: on for _, pin, on in bench.data.OUTPUTS}
            with open("board.txt", "w") as file:
                file.write(name)
            boot.safe()
            os.remove("board.txt")
            safe = [each for each in bench.chip.driven if each[0] in outputs]
            assert sorted(safe) == sorted([(pin, 1 - on) for pin, on in outputs.items()])
            hardware = bench.hardware(protocol)
            assert [can.words[1] for can in _Can.made] == [bit_s, 125000]
            hardware.start()
            for mask in (0, 255, 0xAA):
                hardware.io.write(mask)
            hardware.end(0)
            assert [each for each in bench.chip.driven if each[0] in outputs] == safe, name
            assert all(bench.chip.level(pin) == 1 - on for pin, on in outputs.items())
            bench.close()


def test_chips_that_stand_on_the_same_spi_are_deselected():
    bench = Bench("bench_2x_mcp2518fd")
    bench.hardware()
    assert [bench.chip.level(pin) for pin in (4, 33, 16, 17)] == [1, 1, 1, 1]
    bench.close()


def test_the_bench_gone_leaves_the_prompt_to_the_desk_and_a_failed_tick_does_not():
    for closed, by_hand, patient in ((1, 0, True), (0, 1, True), (0, 0, False)):
        bench = Bench("bench_2x_mcp2518fd")
        hardware = bench.hardware()
        hardware.start()
        hardware.io.closed = closed
        hardware.end(by_hand)
        assert (bench.chip.timeouts_ms[-1] == SAFE_ms) is patient and bench.told == [3]
        bench.close()


class _Clock:
    # A board's `time`, with either epoch.
    def __init__(self, year, now_s):
        self.gap_s = 0 if year == 1970 else 946684800
        self.now_s = now_s

    def gmtime(self, seconds=None):
        return time.gmtime((self.now_s if seconds is None else seconds) + self.gap_s)

    def sleep_ms(self, ms):
        pass


def test_a_board_that_lost_its_clock_takes_the_bench_s_with_the_first_sample():
    for year in (2000, 1970):
        bench = Bench("bench_2x_mcp2518fd")
        bench.wires.time = _Clock(year, 12)
        hardware = bench.hardware()
        hardware.start()
        for _ in range(5):
            hardware.feed()
        assert bench.chip.clock is None and bench.chip.fed == 5  # nothing has come yet
        hardware.io.seq, hardware.io.now_ms = 1, 848315200 + 3661
        hardware.feed()
        assert bench.chip.clock == (2026, 11, 18, 2, 12, 7, 41, 0)  # Unix 1,795,003,661: a Wednesday
        bench.chip.clock = None
        hardware.feed()
        hardware.sleep_ms(1)
        assert bench.chip.clock is None and bench.chip.fed == 8
        bench.close()


def test_a_clock_that_runs_is_left_alone():
    bench = Bench("bench_2x_mcp2518fd")
    bench.wires.time = _Clock(2000, 848315200)
    hardware = bench.hardware()
    hardware.start()
    hardware.io.seq, hardware.io.now_ms = 1, 999999999
    hardware.feed()
    assert bench.chip.clock is None and bench.chip.fed == 1
    bench.close()
