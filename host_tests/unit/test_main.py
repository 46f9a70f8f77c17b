"""The loop around the tick, and which board this is: watchdog, Ctrl-C, the ends. CPython and MicroPython."""

import os
import sys

import main
from firmware.boards import bench
from firmware.config import parse
from firmware.station import S_CONTACTOR, S_CURRENT_dA, S_INLET_dV, S_LINK_dV, Station


class _Time:
    # A clock that moves only when somebody looks or sleeps.
    def __init__(self, at=0):
        self.at = at

    def ticks_ms(self):
        return self.at & 0x3FFFFFFF

    def ticks_diff(self, one, two):
        return ((one - two + 0x20000000) & 0x3FFFFFFF) - 0x20000000

    def sleep_ms(self, ms):
        self.at += max(ms, 1)


class _Hardware:
    def __init__(self):
        self.fed = 0
        self.told = []

    def feed(self):
        self.fed += 1

    def keys(self, char):
        self.told.append(char)


class _Io:
    closed = 0


class _Firmware:
    # Ticks do what `script` says: {number: action}.
    def __init__(self, script, last):
        self.board = bench
        self.station = Station()
        self.io = _Io()
        self.control = self
        self.at = []
        self._script = script
        self._last = last
        sense = self.station.sense.now
        for slot in (S_CONTACTOR, S_LINK_dV, S_INLET_dV, S_CURRENT_dA):
            sense[slot] = 0

    def tick(self, now):
        self.at.append(now)
        if len(self.at) == self._last:
            self.io.closed = 1
        action = self._script.get(len(self.at))
        if action is not None:
            action(self)


def _run(script, last=10, start=0):
    fw, hardware = _Firmware(script, last), _Hardware()
    main.time, kept = _Time(start), main.time
    try:
        main.run_control(fw, hardware)
    finally:
        main.time = kept
        fw.hardware = hardware
    return fw


def test_a_tick_every_ten_ms_and_each_good_one_feeds():
    fw = _run({})
    assert [at - fw.at[0] for at in fw.at] == list(range(0, 100, 10))
    assert fw.hardware.fed == 10


def test_a_tick_that_raises_is_not_fed_for():
    held = []

    def fail(fw):
        held.append(fw)
        raise RuntimeError("tick")

    try:
        _run({4: fail})
        raise ValueError("it went on")
    except RuntimeError:
        pass
    assert held[0].hardware.fed == 3


def test_after_a_hang_it_begins_anew_and_does_not_run_after_what_was_lost():
    def hang(_fw):
        main.time.at += 500

    fw = _run({3: hang}, 6)  # one at once, and then every 10 ms again
    assert [late - early for early, late in zip(fw.at, fw.at[1:])] == [10, 10, 500, 0, 10]


def test_no_ctrl_c_while_energised_and_one_word_a_change():
    def close(fw):
        fw.station.sense.now[S_CONTACTOR] = 1

    def open(fw):
        fw.station.sense.now[S_CONTACTOR] = 0

    fw = _run({3: close, 7: open})
    assert fw.hardware.told == [3, -1, 3]


def test_a_station_that_starts_live_says_so_at_once():
    def close(fw):
        fw.station.sense.now[S_LINK_dV] = 4000

    assert _run({1: close}, 3).hardware.told == [-1]


def test_across_the_wrap():
    fw = _run({}, 4, 0x3FFFFFF5)
    assert [at & 0x3FFFFFFF for at in fw.at] == [0x3FFFFFF5, 0x3FFFFFFF, 9, 19]


def _board(text):
    if text is not None:
        with open("board.txt", "w") as file:
            file.write(text)
    try:
        return main.the_board()
    finally:
        if text is not None:
            os.remove("board.txt")


def test_without_a_name_it_is_the_bench():
    assert _board(None) is bench and _board("") is bench and _board("bench\n") is bench


def test_an_unknown_board_is_one_clear_error_that_lists_the_names():
    for text in ("benc", "../bench", "firmware", "bench2"):
        try:
            _board(text)
            raise RuntimeError("it was taken")
        except ValueError as error:
            words = str(error)
            assert "board.txt" in words and repr(text) in words and "write one of bench" in words


def test_every_name_is_a_board_and_every_board_has_its_name():
    folder = bench.__file__.rsplit("/", 1)[0]
    files = [name[:-3] for name in os.listdir(folder) if name.endswith(".py") and name != "__init__.py"]
    assert sorted(files) == sorted(main.NAMES.split())
    for name in files:
        assert _board(name).NAME == name


def test_the_hash_of_the_image_is_what_the_file_says():
    assert main.first_word("no/such/file", "none") == "none"
    with open("build/test_image.txt", "w") as file:
        file.write("0123abcd\n")
    assert main.first_word("build/test_image.txt", "none") == "0123abcd"
    os.remove("build/test_image.txt")


class _Rtc:
    def __init__(self, kept=bytes(256)):
        self.find(kept)

    def find(self, kept):
        # What a start finds there.
        self.image = bytearray(kept)
        self.save()

    def save(self):
        self.kept = bytes(self.image)


class _Radio:
    # A `network` whose radio, while it starts, does what it is told.
    def __init__(self, starts):
        from host_tests.unit.fake_network import WLAN

        class Starting(WLAN):
            def active(self, on):
                starts()
                WLAN.active(self, on)

        self.WLAN = Starting


def _with_network(module, act):
    # act() where `network` is this, or where MicroPython has none; what was printed meanwhile.
    kept, told = sys.modules.pop("network", None), []
    main.print = told.append
    if module is not None:
        sys.modules["network"] = module
    try:
        act()
    finally:
        del main.print
        sys.modules.pop("network", None)
        if kept:
            sys.modules["network"] = kept
    return told


ATTIC = parse('{"wifi_ssid": "attic"}')


def test_the_radio_is_looked_for_only_where_a_network_is_configured():
    from host_tests.unit import fake_network

    def none_is_wanted():
        assert main.radio(parse("{}"), _Rtc()) is None

    def there_is_none():
        assert main.radio(ATTIC, _Rtc()) is None

    def it_starts():
        assert main.radio(ATTIC, _Rtc()).radio

    assert _with_network(None, none_is_wanted) == _with_network(fake_network, none_is_wanted) == []
    told = _with_network(None, there_is_none)  # as on a PC: one sentence says so
    assert len(told) == 1 and "no `network`" in told[0]
    assert _with_network(fake_network, it_starts) == []


def test_a_radio_that_reset_the_station_is_left_out_of_one_start():
    # What was retained while it started is what the next start finds after the watchdog, or a crash.
    rtc, seen = _Rtc(b"\x33" * 256), []

    def lives():
        assert main.radio(ATTIC, rtc).radio and rtc.kept[44:46] == b"\x00\xff"
        rtc.find(seen[0])
        assert main.radio(ATTIC, rtc) is None and len(seen) == 1
        assert rtc.kept[:44] == b"\x33" * 44 and rtc.kept[46:] == b"\x33" * 210
        assert main.radio(ATTIC, rtc).radio and len(seen) == 2
        for at in (44, 45):
            rtc.find(seen[0][:at] + b"\x00" + seen[0][at + 1 :])
            assert main.radio(ATTIC, rtc).radio, "a spoiled mark is none"

    told = _with_network(_Radio(lambda: seen.append(rtc.kept)), lives)
    assert len(told) == 1 and "did not come up" in told[0]


def test_who_interrupts_the_radio_at_the_desk_has_it_at_the_next_start():
    rtc = _Rtc()

    def interrupted():
        raise KeyboardInterrupt

    def starts():
        main.radio(ATTIC, rtc)

    try:
        _with_network(_Radio(interrupted), starts)
    except KeyboardInterrupt:
        assert rtc.kept[44:46] == b"\x00\xff"
    else:
        raise AssertionError("it went on")
