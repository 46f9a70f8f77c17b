"""What `make bench` refuses, each with its sentence and before anything of a board is touched; and whose configuration
is on the board afterwards, also if a run is cut short."""

import time

import pytest

from host_tests.bench_desk_board import BenchDeskBoard
from host_tests.desk_board import Stranger
from host_tests.test_bench_command import MINE, command, files, flashed, there  # noqa: F401
from hw_tests.bench import against_board, for_boards, interpreter, scenario
from hw_tests.bench.bench_board import BenchBoard
from hw_tests.bench.scenario import ScenarioError
from hw_tests.desk import image as images
from hw_tests.desk.board import at_prompt
from hw_tests.desk.desk import Desk
from hw_tests.desk.listen import refuse_if_energised
from hw_tests.desk.port import opened
from hw_tests.desk.trouble import Trouble

with_board = pytest.mark.skipif(not interpreter.MICROPYTHON.exists(), reason="no MicroPython: run make bootstrap")
SLCAN = ("slcan:/dev/no_such_adapter", "socket://127.0.0.1:1")
NO_PORT, NO_CAN, TWICE = ("",), ("/dev/null", ("", "")), ("/dev/null", ("socketcan:can0", "socketcan:can0"))


def said(capsys, words):
    """The sentence; the exit status is 1 and there is no trace."""
    assert against_board.main(list(words)) == 1
    text = capsys.readouterr().err
    assert text.startswith("bench: ") and text.count("\n") == 1
    return text


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (NO_PORT, "no PORT given"),
        (NO_CAN, "the car's bus: no CAN adapter was named: say CAN="),
        (("/dev/null", ("socketcan:can0", "")), "the converter's bus: no CAN adapter was named: say CAN_CONVERTER="),
        (("/dev/null", ("socketcan:can0", "tin:can1")), "CAN_CONVERTER='tin:can1': python-can has no interface 'tin'"),
        (("/dev/null", ("virtual:x", "socketcan:can0")), "virtual buses end at their process"),
        (TWICE, "each bus needs an adapter of its own"),
        (("/dev/no_such_port",), "there is no port /dev/no_such_port"),
        (("/dev/null", SLCAN), "slcan:/dev/no_such_adapter: there is no such adapter"),
        (("/dev/null",), "nobody listens there: start the other end first"),
        (("/dev/null", SLCAN, ("evning",)), "there is no scenario 'evning'"),
        (("/dev/null", SLCAN, ("no/such.toml",)), "bench: there is no file no/such.toml\n"),
        (("/dev/null", SLCAN, ("all", "--vehicle", "tesla")), "there is no vehicle 'tesla'; there are: gbt27930"),
        (("/dev/null", SLCAN, ("emergency", "--variant", "watchdog_reset")), "needs a hand inside the board"),
        (("/dev/null", SLCAN, ("bad_can",)), "a model of the CAN chip"),
        (("/dev/null", SLCAN, ("meter",)), "name an adapter on the board's, RS485=/dev/ttyUSB2"),
        (("/dev/null", SLCAN, ("meter",), "127.0.0.1", "/dev/null"), "RS485 and PORT are both /dev/null"),
        (("/dev/null", SLCAN, ("meter",), "127.0.0.1", "/dev/no_such_adapter"), "RS485 and CAN are both /dev/no_such"),
        (("/dev/null", SLCAN, ("evening",), "192.0.2.1"), "no broker can listen there"),
        (("/dev/null", SLCAN, ("evening",), "127.0.0.1:x"), "after the colon comes a TCP port"),
    ],
)
def test_each_has_its_sentence(given, sentence, capsys):
    assert sentence in said(capsys, command(*given))


def test_the_adapters_that_it_names_are_those_that_can_serve_a_board(capsys):
    for words in (command(*NO_CAN), command("/dev/null", ("can0", "socketcan:can1"))):
        text = said(capsys, words)
        assert "slcan:/dev/ttyACM0, socketcan:can0 or socket://" in text and "virtual" not in text and "@2" not in text


@pytest.mark.parametrize("name", ["meter", "bad_can"])
def test_one_reason_for_several_variants_is_told_once(name, capsys):
    text = said(capsys, command("/dev/null", SLCAN, (name,)))
    assert text.count("cannot be played on a board") == 1 and text.count(": it ") == 1
    assert all(f"{name}-{variant}" in text for variant in scenario.variants(name))


@pytest.mark.parametrize(
    ("rs485", "sentence"),
    [
        ("/dev/no_such_line", "RS485: there is no port /dev/no_such_line"),
        ("/dev/zero", "RS485: /dev/zero cannot be opened"),
        ("socket://127.0.0.1:9", "RS485=socket://127.0.0.1:9 cannot be opened"),
        ("tin://can", "RS485=tin://can cannot be opened"),
    ],
)
def test_an_adapter_on_the_field_bus_that_cannot_serve_has_its_sentence(rs485, sentence, capsys, monkeypatch):
    monkeypatch.setattr(against_board, "open_adapter", lambda *_: Shut())
    assert sentence in said(capsys, command("/dev/null", words=("meter",), rs485=rs485))


def test_a_busy_adapter_on_the_field_bus_has_its_sentence(capsys, monkeypatch):
    monkeypatch.setattr(against_board, "open_adapter", lambda *_: Shut())
    with Stranger() as line, opened(line.device):
        words = command("/dev/null", words=("meter",), rs485=line.device)
        assert f"RS485: {line.device} is busy: close the program that has it open" in said(capsys, words)


class Shut:
    """An adapter that was there."""

    def shutdown(self):
        pass


def test_with_an_adapter_on_the_field_bus_meter_and_monitor_are_played():
    given = against_board.arguments(["all", "--rs485", "/dev/ttyUSB2"])
    runs, skipped = against_board.playable(given)
    played = {each.run_name: each for each in runs}
    for name in ("meter", "insulation"):
        assert {f"{name}-{variant}" for variant in scenario.variants(name)} <= set(played)
    assert not [line for line in skipped if "RS-485" in line]
    # The slaves do not pace what a real line paces; nothing else is another.
    assert played["meter-good"].plant == {**scenario.load("meter", "good").plant, "field_bit_s": 11_000_000}
    assert played["evening"].plant == scenario.load("evening").plant


def test_a_scenario_with_an_exception_or_a_loss_of_power_is_played():
    tick = scenario.load("emergency", "tick_exception")
    assert for_boards.why_not(tick) == ""
    tables = {"car": {}, "converter": {}, "plant": {}, "station": {}}
    for cause, refused in (("power", False), ("soft", True), ("watchdog", True)):
        step = scenario.Step("x", "reset", {"cause": cause})
        made = scenario.Scenario("x", "", "", "gbt27930", 1.0, 1.0, (step,), (), **tables)
        assert bool(for_boards.why_not(made)) is refused


def test_of_all_scenarios_those_that_cannot_be_played_are_left_out_and_told():
    given = against_board.arguments(["all"])
    runs, skipped = against_board.playable(given)
    left_out = {line.split(" ")[0] for line in skipped}
    names = {each.run_name for each in runs}
    assert not left_out & names and all(" cannot be played on a board: it " in line for line in skipped)
    everything = {scenario.load(name, variant).run_name for name in scenario.known()
                  for variant in scenario.variants(name)}  # fmt: skip
    assert left_out | names == everything
    assert {"evening", "emergency-tick_exception", "chademo_cars-leaf_ze0"} <= names
    assert {"emergency-watchdog_reset", "trip-held"} <= left_out
    for whole in ("bad_can", "meter", "insulation"):
        assert [name for name in left_out if name.startswith(whole)], whole
        assert not [name for name in names if name.startswith(whole)], whole
    with pytest.raises(ScenarioError, match="cannot be played"):
        against_board.playable(against_board.arguments(["bad_can"]))


def quick(board, **more):
    """A desk that does not listen long."""
    return Desk(board.device, listen_s=0.3, **more)


class Telling(Stranger):
    """A station that tells its state every 30 ms: `first` so often, then `last` for ever, or nothing more."""

    def __init__(self, first, count, last=b""):
        super().__init__()
        self._start(lambda: self._tell(first, count, last))

    def _tell(self, first, count, last):
        while not self._closed and (count > 0 or last):
            self.say(first if count > 0 else last)
            count -= 1
            time.sleep(0.03)


def test_an_energised_station_is_left_alone(monkeypatch):
    monkeypatch.setattr(against_board, "can_be_opened", lambda *_: None)
    monkeypatch.setattr(images, "build", lambda: images.Image({}))
    with Telling(b"state charge energised\r\n", 1 << 30) as board:
        given = against_board.arguments(command(board.device))
        with pytest.raises(Trouble, match=r"energised: stop the session first \(the station is in charge\)"):
            against_board.run(given, Desk(board.device, listen_s=60.0, patience_s=0.2))
        assert board.received == b""


def test_a_station_that_becomes_safe_or_silent_is_waited_for():
    for last, phase, listen_s in ((b"state ended safe\r\n", "ended", 60.0), (b"", None, 1.0)):
        with Telling(b"state bleed energised\r\n", 20, last) as board, opened(board.device) as transport:
            assert refuse_if_energised(transport, listen_s, patience_s=60.0) == phase
            assert board.received == b""


@pytest.fixture
def prompt(there):  # noqa: F811
    """A bench board at its prompt."""
    with BenchDeskBoard(*there, {"car": 1, "converter": 1}) as board, at_prompt(board.device, 0.1) as at:
        yield at


def on(board):
    """The same as a board of a run."""
    return BenchBoard(board, Desk("/dev/ttyUSB0"), {})


def mine(board):
    """The user's files on it."""
    return board.read("config.json"), board.read("config.user.json")


@with_board
def test_what_is_no_bench_board_is_refused_and_left_as_it_was(prompt):
    image = images.build().hash
    on(prompt).check(image)
    for name, data, sentence in (
        ("board.txt", b"esp32_2x_mcp2518fd\n", "'esp32_2x_mcp2518fd' and no bench board"),
        ("image.txt", b"0123456789abcdef\n", "has image 0123456789abcdef and this checkout is .*: make flash"),
        ("config.json", None, "names no wifi_ssid"),
        ("config.json", b"{", "names no wifi_ssid"),
    ):
        before = prompt.read(name)
        prompt.replace(name, data) if data else prompt.run(f"os.remove('/{name}')")
        with pytest.raises(Trouble, match=sentence):
            on(prompt).check(image)
        prompt.replace(name, before)
    assert mine(prompt) == (MINE, None)


@with_board
def test_a_computer_that_died_leaves_it_on_the_board_for_the_next_run(prompt, capsys):
    on(prompt).keep()
    prompt.replace("config.json", b'{"site": "bench"}')  # and here it dies
    on(prompt).keep()
    assert mine(prompt) == (b'{"site": "bench"}', MINE)
    assert "an earlier run was cut short" in capsys.readouterr().out
    on(prompt).restore()
    on(prompt).restore()  # twice is once
    assert mine(prompt) == (MINE, None)
    assert "nothing to put back" in capsys.readouterr().out


@with_board
def test_a_board_without_a_configuration_has_none_afterwards(prompt):
    prompt.run("os.remove('/config.json')")
    on(prompt).keep()
    prompt.replace("config.json", b'{"site": "bench"}')
    on(prompt).restore()
    assert mine(prompt) == (None, None)


@with_board
def test_a_configuration_that_cannot_be_put_back_is_where_the_sentence_says(prompt, monkeypatch):
    bench = on(prompt)
    bench.keep()
    monkeypatch.setattr(bench, "prompt", lambda: (_ for _ in ()).throw(Trouble("no prompt")))
    with pytest.raises(Trouble, match=r"on the board as config.user.json; make bench PORT=.* ARGS=--restore does it"):
        bench.restore()
    assert prompt.read("config.user.json") == MINE


class Cut(Exception):
    """What ends a run in its middle."""


@with_board
def test_whatever_ends_a_run_the_users_configuration_comes_back(there, monkeypatch):  # noqa: F811
    monkeypatch.setattr(against_board, "can_be_opened", lambda *_: None)
    seen = []

    def cut(each, bench, broker):
        bench.board.replace("config.json", b'{"site": "bench"}')
        seen.append(mine(bench.board))
        raise Cut

    monkeypatch.setattr(against_board, "_play", cut)
    with BenchDeskBoard(*there, {"car": 1, "converter": 1}) as board:
        with pytest.raises(Cut):
            against_board.run(against_board.arguments(command(board.device)), quick(board))
        assert seen == [(b'{"site": "bench"}', MINE)]
        assert files(board) == {"config.json": MINE, "config.user.json": None}
