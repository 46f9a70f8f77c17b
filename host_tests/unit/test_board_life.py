"""A whole life of the firmware on a real board's data and a chip that keeps its outputs: it ticks, it fails, it is
interrupted, and what the watchdog gets to eat. CPython and MicroPython."""

import gc
import os
import sys

import boot
import main
from firmware.faults import F_RESETS, F_WATCHDOG
from firmware.station import S_CONTACTOR
from host_tests.unit.test_board_check import Board
from host_tests.unit.test_board_wires import Rig, _Can
from host_tests.unit.test_main import _Time

NAME = "esp32_2x_mcp2515"


class _Clock(_Time):
    def time(self):
        return self.at // 1000


class _Stuck(Exception):
    pass


if not hasattr(gc, "threshold"):  # CPython has it elsewhere, as the next
    gc.threshold = lambda size_B: None  # type: ignore[attr-defined]
if not hasattr(sys, "print_exception"):
    sys.print_exception = lambda error: None  # type: ignore[attr-defined]


class Life:
    # One start of main.run(); `act(self)` is called at every sample and may raise.
    def __init__(self, act, cause=1):
        self.act = act
        self.samples = 0
        self.fed = -1
        self.rig = rig = Rig(cause)
        self.board = Board(NAME)
        self.said = []
        self.fw = None
        chip = rig.chip
        chip.spi[1] = [(self.board.ADC[1], rig.converter), (self.board.EXPANDER[1], rig.expander)]
        rig.converter.volts = [500, 500, 2048, 1500, 1096, 1096, 0, 0]  # nothing anywhere, no plug
        rig.expander.port = 0x80 | 0b11100  # contactor open, not pressed, not locked
        self._transfer = rig.converter.transfer
        rig.converter.transfer = self._sampled
        _Can.recv = lambda can, into: None
        _Can.send = lambda can, id, data, flags=0: 0
        _Can.state = lambda can: 1

    def _sampled(self, out, into):
        self.samples += 1
        self.act(self)
        self._transfer(out, into)

    def run(self, error):
        clock = _Clock()
        kept = main.time, main.serve, main.assemble
        main.time, main.serve, main.assemble = clock, (lambda serving: None), self._assemble
        main.print = boot.print = lambda *words: self.said.append(" ".join([str(word) for word in words]))
        self.rig.module.time = clock
        with open("board.txt", "w") as file:
            file.write(NAME)
        try:
            boot.safe()
            main.run()
            raise RuntimeError("it came back")
        except error:
            pass
        finally:
            main.time, main.serve, main.assemble = kept
            del main.print, boot.print
            os.remove("board.txt")
            self.rig.close()
        return self

    def _assemble(self, *rooms):
        # The fields of main.assemble, and a look at what it made.
        self.fw = main.Firmware(*rooms)
        return self.fw

    def off(self):
        chip = self.rig.chip
        return [name for name, pin, on in self.board.OUTPUTS if chip.level(pin) == on and name != "heartbeat"] == []


def _after(samples, error):
    def act(life):
        if life.samples == samples:
            life.fed = life.rig.chip.fed
        if life.samples >= samples:
            raise error

    return act


def test_good_ticks_feed_and_a_stuck_bus_ends_in_safe_stop_and_hunger():
    life = Life(_after(20, _Stuck("spi"))).run(main.Lost)
    chip = life.rig.chip
    assert life.fed == 19
    assert chip.timeouts_ms == [60000, 1000]
    # The way out waits at most 60 + 50 + 5000 + 0 ms, feeding as it waits; then nobody does, and the board resets.
    assert 19 < chip.fed <= 19 + 5700
    assert life.off()
    assert "ready none" in life.said
    assert [line for line in life.said if line.startswith("config ")] != []
    assert life.rig.told == [3, -1, 3]  # safe from the first tick on; no Ctrl-C cuts the way out short; at the end


def test_a_ctrl_c_at_the_desk_ends_safe_and_gives_the_prompt_time():
    def act(life):
        if life.samples == 10:
            raise KeyboardInterrupt

    life = Life(act).run(KeyboardInterrupt)
    assert life.rig.told == [3, -1, 3]  # the second Ctrl-C does not cut the way out short
    assert life.rig.chip.timeouts_ms == [60000, 1000, 600000]
    assert life.off()


def test_an_energised_station_takes_no_ctrl_c():
    def act(life):
        life.rig.expander.port = 0x80 | 0b11101 if life.samples > 3 else 0x80 | 0b11100
        if life.samples > 12:
            raise _Stuck

    life = Life(act).run(main.Lost)
    assert life.rig.told[:2] == [3, -1]
    assert life.fw.station.sense.now[S_CONTACTOR] == 1


def _once(sample, error):
    def act(life):
        if life.samples == sample:
            raise error

    return act


def _under_way(act):
    # As control tells once something is energised.
    def both(life):
        if life.samples == 10:
            life.fw.starts.rests(0)
        act(life)

    return both


def _lives(ends, kept=b""):
    # One life after another on one chip, each under way: each `end` is what a sample raises, or None for a chip that
    # crashes meanwhile (nothing of the way out runs). What each has at its end: the faults of one reset and of too
    # many, and the count.
    told = []
    for end in ends:
        by_hand = isinstance(end, KeyboardInterrupt)
        life = Life(_under_way(_once(20, end) if by_hand else _after(20, end or _Stuck())), 3 if told else 1)
        life.rig.chip.rtc = kept
        way_out = main.Starts.end, main.safe_stop
        if end is None:
            main.Starts.end, main.safe_stop = (lambda starts, raised: None), (lambda *rooms: None)
        try:
            life.run(KeyboardInterrupt if by_hand else main.Lost)
        finally:
            main.Starts.end, main.safe_stop = way_out
        kept = life.rig.chip.rtc
        told.append((life.fw.faults.has(F_WATCHDOG), life.fw.faults.has(F_RESETS), life.fw.starts.count))
    return told


def test_a_station_that_is_reset_three_times_in_a_row_waits_for_a_person():
    assert _lives([None] * 5) == [(0, 0, 0), (1, 0, 1), (1, 0, 2), (1, 1, 3), (1, 1, 4)]


def test_a_tick_that_raises_counts_like_a_hang():
    assert _lives([_Stuck(), None]) == [(0, 0, 0), (0, 0, 1)]


def test_whoever_ends_it_at_the_desk_begins_anew():
    assert _lives([None, None, None, KeyboardInterrupt(), None])[2:] == [(1, 0, 2), (1, 1, 0), (0, 0, 0)]


def test_a_start_that_fails_before_its_first_tick_is_none_that_counts():
    # No memory for the services, say: nothing was energised, and the watchdog tries again after 60 s.
    def fails(*rooms):
        raise _Stuck("no memory")

    kept, build = b"", main.services.build
    for number in range(5):
        life = Life(_after(20, _Stuck()), 3 if number else 1)
        life.rig.chip.rtc = kept
        main.services.build = fails if number < 4 else build
        try:
            life.run(_Stuck if number < 4 else main.Lost)
        finally:
            main.services.build = build
        kept = life.rig.chip.rtc
    assert not life.fw.faults.has(F_WATCHDOG) and not life.fw.faults.has(F_RESETS)


def test_the_start_after_a_bite_knows_of_it():
    from firmware.station import K_RESET_CAUSE

    for cause, told in ((3, 51), (1, 0)):
        life = Life(_after(5, _Stuck()), cause).run(main.Lost)
        assert life.fw.station.control.now[K_RESET_CAUSE] == told
