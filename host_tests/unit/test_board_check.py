"""Every mistake that a board's data may hold is refused with the pin's name. CPython and MicroPython."""

from firmware import signals
from firmware.boards import NAMES
from lib import board_check
from lib.board_check import problems, uses

REAL = [name for name in NAMES.split() if not name.startswith("bench")]
BASE = "esp32_2x_mcp2515"


def load(name):
    return __import__("firmware.boards." + name, None, None, ("x",))


class Board:
    # A copy of a board's data, to be spoilt.
    def __init__(self, name=BASE, **changes):
        data = load(name)
        for key in dir(data):
            if not key.startswith("_"):
                setattr(self, key, getattr(data, key))
        for key in changes:
            setattr(self, key, changes[key])

    def output(self, what, *row):
        self.OUTPUTS = tuple([(what,) + row if each[0] == what else each for each in self.OUTPUTS])
        return self

    def input(self, what, *row):
        self.INPUTS = tuple([(what,) + row if each[0] == what else each for each in self.INPUTS])
        return self

    def scale(self, what, *row):
        self.SCALE = dict(self.SCALE)
        self.SCALE[what] = row
        return self


def refused(board, *words, protocol="gbt27930"):
    # Exactly one problem, and it says all of this.
    found = problems(board, protocol)
    assert len(found) == 1, found
    for word in words:
        assert word in found[0], (word, found)


def test_every_board_of_ours_is_right_for_both_protocols():
    for name in REAL:
        for protocol in ("gbt27930", "chademo"):
            assert problems(load(name), protocol) == [], name


def test_the_names_are_those_of_signals_in_their_order():
    assert [1 << i for i in range(8)] == [getattr(signals, "OUT_" + n.upper()) for n in board_check.OUTPUTS.split()]
    assert list(range(11)) == [getattr(signals, "IN_" + n.upper()) for n in board_check.INPUTS.split()]


def test_strapping_pins():
    for pin in (0, 2, 5, 12, 15):
        refused(Board().output("aux", pin, 1), "output aux", f"GPIO{pin}", "at reset", "choose another pin")
    for pin in (0, 3, 45, 46):
        refused(Board("lilygo_t2can").output("aux", pin, 1), "output aux", f"GPIO{pin}", "at reset")
    refused(Board(ADC=("main", 5)), "ADC CS", "GPIO5")
    refused(Board("lilygo_t2can").input("estop", "pin", 0, 1), "input estop", "GPIO0")


def test_pins_of_flash_and_psram():
    for pin in range(6, 12):
        refused(Board().output("aux", pin, 1), "output aux", f"GPIO{pin} is the flash's")
    for pin in range(26, 33):
        refused(Board("lilygo_t2can").output("aux", pin, 1), f"GPIO{pin} is the flash's")
    for pin in range(33, 38):
        refused(Board("lilygo_t2can").output("aux", pin, 1), f"GPIO{pin} is the PSRAM's")
    assert len(problems(Board(PSRAM=1), "gbt27930")) == 2  # both chip selects on 16 and 17


def test_pins_of_the_console():
    for pin in (1, 3):
        refused(Board().output("aux", pin, 1), f"GPIO{pin} is the console's")
    for pin in (19, 20, 43, 44):
        refused(Board("lilygo_t2can").output("aux", pin, 1), f"GPIO{pin} is the console's")


def test_input_only_pins_as_outputs():
    for pin in (37, 38):
        refused(Board().output("aux", pin, 1), "output aux", f"GPIO{pin} can only be an input")
    refused(Board(FIELD=(2, 37, 39, None)), "field bus TX", "GPIO37")
    refused(Board(FIELD=(2, 21, 39, 38)), "field bus DE", "GPIO38")
    refused(Board(SPI={"main": (1, 37, 13, 35, 8000000)}), "SPI main SCK", "GPIO37")
    assert problems(Board(FIELD=(2, 21, 37, None)), "gbt27930") == []  # as an input it may serve


def test_pins_that_do_not_exist():
    for pin in (20, 24, 28, 31, 40, -1, 99, "25", True):
        refused(Board().output("aux", pin, 1), "output aux", f"no GPIO{pin}")
    for pin in (22, 25, 49):
        refused(Board("lilygo_t2can").output("aux", pin, 1), f"no GPIO{pin} on an esp32s3")


def test_relays_on_pins_that_boot_does_not_let_go_of():
    refused(Board(CAN_CAR=("mcp2515", "main", 32, 34, 8000000)).output("aux", 16, 1), "output aux", "GPIO16", "boot.py")


def test_double_use_names_both():
    refused(Board().output("aux", 25, 1), "GPIO25", "output contactor", "output aux")
    refused(Board(FIELD=(2, 21, 34, None)), "GPIO34", "CAN car INT", "field bus RX")
    refused(Board(ADC=("main", 16)), "GPIO16", "ADC CS", "CAN car CS")
    refused(Board("lilygo_t2can", FIELD=(1, 9, 2, None)), "GPIO9", "CAN converter RST", "field bus TX")


def test_names_missing_turned_or_unknown():
    rows = Board().OUTPUTS
    for wrong in (rows[1:], rows[1:] + rows[:1], rows + (("fan", 5, 1),)):
        assert "OUTPUTS must be" in problems(Board(OUTPUTS=wrong), "gbt27930")[0]
    assert "INPUTS must be" in problems(Board(INPUTS=Board().INPUTS[:-1]), "gbt27930")[0]


def test_what_a_protocol_needs_must_have_a_pin():
    for name in "contactor bleed lock aux enable heartbeat".split():
        refused(Board().output(name, None, 1), "output " + name, "gbt27930 needs it")
    for name in "contactor bleed lock enable heartbeat d1 d2".split():
        refused(Board().output(name, None, 1), "output " + name, "chademo needs it", protocol="chademo")
    assert problems(Board().output("aux", None, 1), "chademo") == []
    assert problems(Board().output("d1", None, 1), "gbt27930") == []
    for name in ("contactor", "estop", "locked", "permission"):
        refused(Board().input(name, "pin", None, 1), "input " + name, "chademo needs it", protocol="chademo")
    assert problems(Board().input("permission", "pin", None, 1), "gbt27930") == []
    assert problems(Board().input("button", "pin", None, 1), "gbt27930") == []


def test_levels():
    refused(Board().output("aux", 32, 2), "aux", "0 or 1")
    refused(Board().input("estop", "expander", 1, -1), "estop", "0 or 1")


def test_channels_and_kinds():
    refused(Board().input("temp2", "adc", 4), "adc input 4", "temp1", "temp2")
    refused(Board().input("temp2", "adc", 8), "input temp2", "no adc input 8")
    refused(Board().input("button", "expander", 6, 0), "no expander input 6")  # tied
    refused(Board().input("button", "expander", 3, 0), "button", "locked")
    refused(Board().input("button", "knob", 3, 0), "input button", "no kind")
    refused(Board("lilygo_t2can").input("button", "expander", 3, 0), "input button", "no expander")


def test_scales_that_cannot_tell_a_broken_wire():
    for row in ((500, 10, 3, 0, 3800), (500, 10, 3, 200, 4095), (500, 0, 3, 200, 3800), (500, 10, 0, 200, 3800),
                (500, 10, 3, 3800, 200)):  # fmt: skip
        refused(Board().scale("link", *row), "SCALE of link")
    refused(Board().scale("current", 100, 5, 8, 248, 3848), "SCALE of current", "zero")
    board = Board()
    board.SCALE = {name: board.SCALE[name] for name in board.SCALE if name != "cc1"}
    refused(board, "SCALE of cc1")


def test_chips_and_buses():
    refused(Board(CAN_CAR=("mcp2510", "main", 16, 34, 8000000)), "CAN car", "mcp2510", "no chip")
    refused(Board(CAN_CAR=("mcp2515", "other", 16, 34, 8000000)), "CAN car", "no SPI 'other'")
    refused(Board(CAN_CAR=("mcp2515", "main", 16, None, 8000000)), "CAN car", "INT")
    refused(Board("esp32_2x_mcp2518fd", CAN_CAR=("mcp2518fd", "main", 16, None, 40000000)), "CAN car", "INT")
    assert "no SPI 'x'" in problems(Board(ADC=("x", 4)), "gbt27930")[0]
    refused(Board(CHIP="esp8266"), "esp8266", "esp32, esp32s3")


def test_an_spi_that_is_too_fast_or_too_slow():
    def rate(name, rate_Hz, crystal_Hz=8000000):
        chip = name[9:]
        bus = {"main": (1, 14, 13, 35, rate_Hz)}
        inputs = tuple([(row[0], "pin", None, 1) if row[1] == "expander" else row for row in Board().INPUTS])
        return Board(name, SPI=bus, CAN_CAR=(chip, "main", 16, 34, crystal_Hz), EXPANDER=None, INPUTS=inputs)

    def told(board):
        return [each for each in problems(board, "gbt27930") if "SPI" in each]

    assert told(rate("esp32_2x_mcp2515", 10000000)) == []
    assert len(told(rate("esp32_2x_mcp2515", 10000001))) == 2  # both controllers
    assert told(rate("esp32_2x_mcp2518fd", 16000000, 40000000)) == []
    assert told(rate("esp32_2x_mcp2518fd", 16000000, 4000000)) == []
    assert "stands 8500000" in told(rate("esp32_2x_mcp2518fd", 9000000, 20000000))[0]
    assert "ADC" in told(rate("esp32_2x_mcp2518fd", 7999999, 40000000))[0]
    refused(Board("esp32_2x_mcp2518fd", SPI={"main": (1, 14, 13, 35, 11000000)}), "EXPANDER", "at most 10")


def test_times():
    refused(Board(RELAY_ms=0), "RELAY_ms")
    refused(Board(RELAY_ms=51), "RELAY_ms")
    refused(Board(WATCHDOG_ms=499), "WATCHDOG_ms")
    refused(Board(WATCHDOG_ms=5001), "WATCHDOG_ms")
    refused(Board(IDLE_ms=1), "IDLE_ms")


def test_check_raises_with_the_boards_name_and_forgets_itself():
    import sys

    board_check.check(load(BASE), "gbt27930")
    kept = sys.modules.get("lib.board_check")
    try:
        board_check.check(Board().output("aux", 25, 1), "gbt27930")
        raise RuntimeError("it passed")
    except ValueError as error:
        assert "board esp32_2x_mcp2515: GPIO25 serves both" in str(error)
    if kept is not None:
        sys.modules["lib.board_check"] = kept


def test_every_wire_is_listed_once():
    for name in REAL:
        board = load(name)
        listed = uses(board)
        assert len({pin for _, pin, _ in listed}) == len(listed)
        assert len([1 for what, _, _ in listed if what.startswith("output")]) == 8
