"""Starts that nobody asked for, one after the other: how often, what is told, what is refused, who ends it. CPython and
MicroPython."""

import gc

from firmware.faults import F_RESETS, F_TICK, F_WATCHDOG, OWNER, STOP, Active, latch, severity
from firmware.starts import Starts
from firmware.station import Events
from firmware.units import WHOLE

BIT = F_WATCHDOG  # the wires' word for a reset that nobody asked for
POWER = 0


class Board:
    # Its retained memory, and one life after the other.
    def __init__(self):
        self.kept = bytearray(256)
        self.saves = 0

    def start(self, cause):
        self.image = bytearray(self.kept)
        self.faults = Active(Events())
        self.starts = Starts(self, self.faults)
        self.starts.begin(cause, 5)
        self.starts.rests(0)
        return self

    def rests(self):
        self.starts.rests(1)
        return self

    def save(self):
        self.kept[WHOLE] = self.image
        self.saves += 1

    def lives(self, seconds):
        for _ in range(seconds):
            self.starts.second(7)
        return self

    def told(self):
        return [code for code in (F_TICK, F_WATCHDOG, F_RESETS) if self.faults.has(code)]


def test_from_power_on_nothing_is_told():
    assert Board().start(POWER).told() == []


def test_memory_that_holds_noise_counts_for_nothing():
    for noise in (0, 0x55, 0xFF):
        board = Board()
        for at in range(256):
            board.kept[at] = noise ^ (at * 7 & 0xFF if noise == 0x55 else 0)
        assert board.start(BIT).told() == []


def test_a_spoiled_byte_counts_for_nothing_and_nothing_else_is_touched():
    for at in range(40, 44):
        board = Board()
        board.start(POWER)
        board.kept[at] ^= 4
        assert board.start(BIT).told() == [] and board.starts.count == 0
    assert board.kept[:40] == bytes(40) and board.kept[44:] == bytes(212)


def test_a_reset_that_nobody_asked_for_is_told_with_its_number():
    board = Board().start(POWER)
    assert board.start(BIT).told() == [F_WATCHDOG] and board.starts.count == 1
    assert board.start(BIT).told() == [F_WATCHDOG] and board.starts.count == 2


def test_three_in_a_row_are_too_many_and_stay_so_over_every_further_reset():
    board = Board().start(POWER)
    for _ in range(3):
        board.start(BIT)
    assert board.told() == [F_WATCHDOG, F_RESETS]
    for _ in range(200):
        board.start(BIT)
        assert board.told() == [F_WATCHDOG, F_RESETS]
    assert severity[F_RESETS] == STOP and latch[F_RESETS] == OWNER
    board.faults.replugged(9)
    assert board.told() == [F_WATCHDOG, F_RESETS]


def test_a_reset_at_rest_is_told_and_counts_for_nothing():
    # As by a radio that is restarted and holds the interpreter: nothing was energised.
    board = Board().start(POWER).start(BIT)
    for _ in range(20):
        board.rests().start(BIT)
        assert board.told() == [F_WATCHDOG] and board.starts.count == 1
    assert board.start(BIT).starts.count == 2, "and is no good hour either"
    assert board.rests().lives(3600).told() == []
    assert board.start(BIT).starts.count == 0


def test_a_reset_at_rest_is_forgotten_after_an_hour_too():
    assert Board().start(POWER).rests().start(BIT).lives(3600).told() == []


def test_a_reset_at_rest_ends_no_wait_for_a_person():
    board = Board().start(POWER)
    for _ in range(3):
        board.start(BIT)
    assert board.rests().start(BIT).lives(3600).told() == [F_WATCHDOG, F_RESETS]


def test_a_good_hour_forgets_and_a_second_less_does_not():
    board = Board().start(POWER)
    for good_s, count in ((3599, 2), (3600, 1)):
        board.start(POWER).start(BIT).lives(good_s).start(BIT)
        assert board.starts.count == count
    assert board.start(POWER).start(BIT).lives(3600).told() == []


def test_what_is_too_often_is_not_forgotten_by_waiting():
    board = Board().start(POWER)
    for _ in range(3):
        board.start(BIT)
    board.lives(3 * 3600)
    assert board.told() == [F_WATCHDOG, F_RESETS] and board.start(BIT).starts.count == 4


def test_a_person_at_the_button_ends_it():
    board = Board().start(POWER)
    for _ in range(3):
        board.start(BIT)
    board.starts.forget(8)
    assert board.told() == [] and board.starts.count == 0
    assert board.start(BIT).starts.count == 1


def test_a_loss_of_power_ends_it_also_if_the_memory_outlived_it():
    board = Board().start(POWER)
    for _ in range(3):
        board.start(BIT)
    assert board.start(POWER).told() == [] and board.start(BIT).starts.count == 1


def test_an_end_by_hand_is_none_that_counts():
    # At the desk: the prompt, and after ten minutes the watchdog.
    board = Board().start(POWER).start(BIT).start(BIT)
    board.starts.end(0)
    assert board.start(BIT).told() == [] and board.starts.count == 0


def test_a_tick_that_raised_counts_and_is_told_as_such():
    board = Board().start(POWER)
    for number in (1, 2, 3):
        board.starts.end(1)
        board.start(BIT)
        assert board.starts.count == number and board.told() == [F_TICK] + [F_RESETS] * (number == 3)


def test_a_start_that_fails_before_its_first_tick_counts_once_however_often():
    # A chip that does not answer: reset after reset, but begin() is not reached.
    board = Board().start(POWER)
    assert board.start(BIT).starts.count == 1


def test_the_memory_is_written_when_it_changes_and_no_more():
    board = Board().start(POWER).start(BIT)
    saves = board.saves
    board.lives(3599)
    assert board.saves == saves
    board.lives(3600)
    board.starts.forget(9)
    assert board.saves == saves + 1


def test_a_second_of_it_allocates_nothing():
    if not hasattr(gc, "mem_alloc"):
        return
    board = Board().start(POWER).start(BIT)
    second = board.starts.second
    gc.collect()
    before = gc.mem_alloc()
    second(7)
    assert gc.mem_alloc() == before
    board.starts.rests(1)
    assert gc.mem_alloc() == before
    board.starts._left_s = 1
    gc.collect()
    before = gc.mem_alloc()
    second(7)
    assert gc.mem_alloc() == before, "what it forgets, neither"
