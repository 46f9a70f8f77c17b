"""A real board's wires, made of its data: what is loaded, in which order pins move, and the watchdog's life.

CPython and MicroPython; the drivers of the CAN chips are stood in for."""

import sys

from host_tests.unit.fake_machine import Chip, Converter, Expander, install, uninstall
from host_tests.unit.test_board_check import Board

WATCHDOG = 51


class _Can:
    FILTERS_MAX = 16
    made = []

    def __init__(self, *words, **given):
        self.words, self.given, self.filters = words, given, "none"
        self.made.append(self)

    def set_filters(self, filters):
        self.filters = filters

    def _lock(self):
        self.locks = getattr(self, "locks", 0) + 1

    def _unlock(self):
        self.locks -= 1


class _Driver:
    CAN = _Can


class _Micropython:
    # The real one with kbd_intr noted.
    def __init__(self, told):
        import micropython

        self.const = micropython.const
        self.kbd_intr = told.append


class Rig:
    def __init__(self, cause=1, kind="esp32"):
        self.chip = install(Chip(kind))
        self.chip.cause = cause
        self.told = []
        self.slept_ms = []
        _Can.made = []
        for name in ("mcp2515", "mcp2518fd"):
            sys.modules[name] = _Driver
        sys.modules.pop("board_wires", None)
        self.module = __import__("board_wires")
        self.module.micropython = _Micropython(self.told)
        self.module.time = self
        self.converter, self.expander = Converter(), Expander()

    def sleep_ms(self, ms):
        self.slept_ms.append(ms)

    def connect(self, board, protocol="gbt27930"):
        self.chip.spi[board.SPI[board.ADC[0]][0]] = [(board.ADC[1], self.converter)]
        if board.EXPANDER:
            self.chip.spi[board.SPI[board.EXPANDER[0]][0]].append((board.EXPANDER[1], self.expander))
        return self.module.connect(board, protocol, WATCHDOG)

    def close(self):
        for name in ("mcp2515", "mcp2518fd", "board_wires"):
            sys.modules.pop(name, None)
        uninstall()


def test_two_external_controllers_at_their_rates():
    for protocol, bit_s in (("gbt27930", 250000), ("chademo", 500000)):
        rig = Rig()
        hardware = rig.connect(Board("esp32_2x_mcp2518fd"), protocol)
        car, converter = _Can.made
        assert hardware.car_can is car and hardware.converter_can is converter
        assert car.words[1] == bit_s and converter.words[1] == 125000 and car.filters == "none"
        for can, select, line in ((car, 16, 34), (converter, 17, 36)):
            spi, cs, interrupt, crystal_Hz = can.given["port"]
            assert (spi.id, cs.id, interrupt.id, crystal_Hz) == (1, select, line, 40000000)
        rig.close()


def test_only_the_named_chips_are_loaded():
    rig = Rig()
    sys.modules.pop("mcp2518fd")
    rig.connect(Board("esp32_2x_mcp2515"))
    assert "mcp2518fd" not in sys.modules
    rig.close()


def test_without_machine_can_the_bus_is_named_and_refused():
    rig = Rig(kind="esp32s3")
    try:
        rig.connect(Board("lilygo_t2can"))
        raise RuntimeError("it was taken")
    except ValueError as error:
        assert "the car bus has no controller" in str(error) and "machine.CAN" in str(error)
    assert rig.chip.driven == [] and rig.chip.timeouts_ms == []
    rig.close()


def test_native_for_the_car_where_the_build_has_it_and_the_chip_on_the_board_for_the_converter():
    rig = Rig(kind="esp32s3")
    sys.modules["machine"].CAN = _Can
    rig.connect(Board("lilygo_t2can"))
    car, converter = _Can.made
    assert car.words == (0, 250000) and converter.words[1] == 125000 and converter.given["port"][3] == 16000000
    assert [each for each in rig.chip.driven if each[0] == 9] == [(9, 0), (9, 1)]  # its reset pin
    rig.close()


def test_a_board_that_cannot_work_is_refused_before_any_pin_moves():
    rig = Rig()
    try:
        rig.connect(Board().output("aux", 25, 1))
        raise RuntimeError("it was taken")
    except ValueError as error:
        assert "GPIO25" in str(error)
    assert rig.chip.driven == [] and rig.chip.timeouts_ms == []
    rig.close()


def test_chips_are_deselected_and_outputs_safe_before_a_word_on_the_bus():
    rig = Rig()
    board = Board()
    hardware = rig.connect(board)
    assert [rig.chip.level(pin) for pin in (4, 33, 16, 17)] == [1, 1, 1, 1]
    assert not [each for each in rig.chip.driven if each in [(pin, on) for _, pin, on in board.OUTPUTS]]
    assert hardware.io.sample() is True
    assert [getattr(can, "locks", None) for can in _Can.made] == [None, 0]  # taken and given back
    rig.expander.dead = 0
    assert hardware.io.sample() is False
    rig.close()


def test_the_cause_of_the_reset_is_told_only_when_the_watchdog_bit_or_the_chip_crashed():
    for cause, told in ((1, 0), (2, WATCHDOG), (3, WATCHDOG), (5, 0)):
        rig = Rig(cause)
        assert rig.connect(Board()).reset_cause == told
        rig.close()


def test_the_watchdog_runs_long_while_the_station_is_assembled_and_short_from_the_first_tick_on():
    rig = Rig()
    hardware = rig.connect(Board())
    assert rig.chip.timeouts_ms == [60000]
    hardware.start()
    assert rig.chip.timeouts_ms == [60000, 1000]
    hardware.feed()
    assert rig.chip.fed == 1
    rig.close()


def test_the_way_out_feeds_with_each_wait_and_its_end_does_not():
    rig = Rig()
    hardware = rig.connect(Board())
    hardware.start()
    hardware.sleep_ms(1)
    hardware.sleep_ms(1)
    assert rig.chip.fed == 2 and rig.slept_ms == [1, 1]
    hardware.end(0)
    assert rig.chip.fed == 2 and rig.chip.timeouts_ms == [60000, 1000]  # so it bites
    assert rig.told == [3]
    rig.close()


def test_who_asked_for_the_prompt_gets_time_at_it():
    rig = Rig()
    hardware = rig.connect(Board())
    hardware.start()
    hardware.end(1)
    assert rig.chip.timeouts_ms == [60000, 1000, 600000] and rig.told == [3]
    rig.close()


def test_the_field_bus_has_its_row():
    for name in ("esp32_2x_mcp2515", "lilygo_t2can"):
        uart, tx, rx, _ = Board(name).FIELD
        assert uart in (1, 2) and tx != rx


def test_a_board_without_pins_for_the_field_bus_says_so():
    rig, board = Rig(), Board()
    board.FIELD = None
    hardware = rig.connect(board)
    try:
        hardware.field(9600, "none")
    except ValueError as error:
        assert "no pins for meter or monitor" in str(error)
    else:
        raise AssertionError("it has made a UART of nothing")
    rig.close()
