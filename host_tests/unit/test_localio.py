"""Real pins, an SPI converter and an expander, against a chip as impolite as the real one. CPython and MicroPython."""

import gc

from host_tests.unit.fake_machine import Chip, Converter, Expander, install, uninstall
from lib.localio import ADC128S102, MCP23S17, LocalIO, RtcMemory

OUTPUTS = (("contactor", 25, 1), ("bleed", 26, 0), ("lock", None, 1), ("aux", 27, 1))
INPUTS = (
    ("link", "adc", 0),
    ("current", "adc", 2),
    ("button", "adc", 7, 2000, 0),
    ("locked", "adc", 6, 2000, 1),
    ("contactor", "pin", 34, 0),
    ("estop", "expander", 1, 1),
    ("permission", "expander", 2, 0),
    ("spare", "pin", None, 1),
)


class Rig:
    def __init__(self):
        self.chip = install(Chip())
        import machine

        self.converter, self.expander = Converter(), Expander()
        self.chip.spi[1] = [(5, self.converter), (17, self.expander)]
        spi = machine.SPI(1)
        selects = [machine.Pin(pin, machine.Pin.OUT, value=1) for pin in (5, 17)]
        self.busy = bytearray(1)
        self.locked = 0
        adc, far = ADC128S102(spi, selects[0]), MCP23S17(spi, selects[1])
        self.io = LocalIO(machine.Pin, OUTPUTS, INPUTS, adc, far, self.lock, self.unlock)
        uninstall()

    def lock(self):
        assert not self.busy[0]
        self.busy[0] = 1
        self.locked += 1

    def unlock(self):
        self.busy[0] = 0


def test_outputs_begin_at_their_safe_level_without_a_glitch():
    rig = Rig()
    assert [each for each in rig.chip.driven if each[0] in (25, 26, 27)] == [(25, 0), (26, 1), (27, 0)]


def test_outputs_follow_the_mask_with_the_polarity_of_each():
    rig = Rig()
    chip, io = rig.chip, rig.io
    for mask in (0, 15, 8, 3, 4, 2, 1, 0):
        io.write(mask)
        assert [chip.level(25), 1 - chip.level(26), chip.level(27)] == [mask & 1, mask >> 1 & 1, mask >> 3 & 1]
        assert io.outputs == mask


def test_only_what_changes_is_written():
    rig = Rig()
    rig.io.write(1)
    rig.chip.driven.clear()
    rig.io.write(1)
    rig.io.write(9)
    assert rig.chip.driven == [(27, 1)]


def test_outputs_keep_their_level_through_a_soft_reset_and_begin_safe_again():
    rig = Rig()
    rig.io.write(3)
    rig.chip.soft_reset()
    assert (rig.chip.level(25), rig.chip.level(26)) == (1, 0)
    install(rig.chip)
    import machine

    rig.chip.driven.clear()
    LocalIO(machine.Pin, OUTPUTS, ())
    uninstall()
    assert rig.chip.driven == [(25, 0), (26, 1)]


def test_the_converters_counts_come_each_from_its_own_channel():
    rig = Rig()
    rig.converter.volts = [100, 200, 300, 400, 500, 600, 700, 800]
    for asked in range(8):  # whatever it was asked last
        rig.converter.asked = asked
        assert rig.io.sample() is True
        assert abs(rig.io.inputs[0] - 100) <= 1 and abs(rig.io.inputs[1] - 300) <= 1
    assert rig.converter.transfers == 8  # one transaction a sample


def test_a_switch_on_an_analog_channel_has_a_threshold_and_a_polarity():
    rig = Rig()
    for count, button, locked in ((0, 1, 0), (1990, 1, 0), (2010, 0, 1), (4000, 0, 1)):
        rig.converter.volts[6] = rig.converter.volts[7] = count
        rig.io.sample()
        rig.io.sample()  # they take turns
        assert (rig.io.inputs[2], rig.io.inputs[3]) == (button, locked), count


def test_digital_inputs_are_one_by_the_boards_polarity():
    rig = Rig()
    for level, bits, contactor, estop, permission in ((0, 0x80, 1, 0, 1), (1, 0x82, 0, 1, 1), (1, 0x86, 0, 1, 0)):
        rig.chip.outside[34], rig.expander.port = level, bits
        assert rig.io.sample() is True
        assert list(rig.io.inputs)[4:] == [contactor, estop, permission, 0]


def test_a_converter_that_does_not_answer_gives_no_number():
    rig = Rig()
    rig.converter.volts = [2000] * 8
    for dead, low, high in ((0xFF, 4096, 65535), (0x00, 0, 0), (0x55, 4096, 65535)):
        rig.converter.dead = dead
        for _ in range(2):
            rig.io.sample()
        assert low <= rig.io.inputs[0] <= high
        assert rig.io.inputs[3] == 0  # a switch is not thrown by it


def test_the_first_four_analog_inputs_come_with_every_sample_and_the_others_in_turn():
    rig = Rig()
    install(rig.chip)
    import machine

    adc = rig.io._adc
    io = LocalIO(machine.Pin, (), tuple([("a%d" % n, "adc", n) for n in range(8)]), adc)  # noqa: UP031
    uninstall()
    for turn in range(8):
        rig.converter.volts = [1000 + 100 * turn + n for n in range(8)]
        io.sample()
        for n in range(4):
            assert abs(io.inputs[n] - 1000 - 100 * turn - n) <= 1
        seen = [io.inputs[n] // 100 - 10 for n in range(4, 8)]
        assert seen[turn & 3] == turn and max(seen) == turn
        if turn >= 3:
            assert sorted(seen) == [turn - 3, turn - 2, turn - 1, turn]


def test_an_expander_that_does_not_answer_is_no_sample_and_keeps_the_old_bits():
    rig = Rig()
    rig.expander.port = 0x82
    rig.io.sample()
    for dead in (0x00, 0xFF, 0x55, 0x7F, 0xC0):
        rig.expander.dead = dead
        assert rig.io.sample() is False
        assert list(rig.io.inputs)[5:7] == [1, 1]
    rig.expander.dead = None
    assert rig.io.sample() is True


def test_the_bus_is_locked_once_a_sample_and_only_while_a_chip_is_selected():
    rig = Rig()
    seen = []
    rig.converter.transfer, transfer = (lambda out, into: (seen.append(rig.busy[0]), transfer(out, into))), (
        rig.converter.transfer
    )
    rig.io.sample()
    assert seen == [1] and rig.busy[0] == 0 and rig.locked == 1
    assert rig.chip.level(5) == 1 and rig.chip.level(17) == 1


def test_a_bus_that_raises_leaves_no_chip_selected():
    for device in ("converter", "expander"):
        rig = Rig()

        def stuck(out, into):
            raise OSError(110)

        getattr(rig, device).transfer = stuck
        try:
            rig.io.sample()
            raise RuntimeError("it came back")
        except OSError:
            pass
        assert rig.chip.level(5) == 1 and rig.chip.level(17) == 1 and rig.busy[0] == 0


def test_a_board_without_converter_and_expander_reads_its_pins():
    rig = Rig()
    install(rig.chip)
    import machine

    io = LocalIO(machine.Pin, (), (("contactor", "pin", 34, 1), ("estop", "pin", 35, 0)))
    uninstall()
    rig.chip.outside[34] = 1
    assert io.sample() is True and list(io.inputs) == [1, 1]


class _QuietPin:
    # As the chip's own: a call without a heap.
    IN, OUT = 1, 3

    def __init__(self, pin, mode, value=0):
        self.level = value

    def __call__(self, level=None):
        if level is None:
            return self.level
        self.level = level


class _QuietSPI:
    def write_readinto(self, out, into):
        into[len(into) - 1] = 0x82


def test_neither_sample_nor_write_allocates():
    if not hasattr(gc, "mem_alloc"):
        return
    import micropython

    spi, select = _QuietSPI(), _QuietPin(5, 3)
    io = LocalIO(_QuietPin, OUTPUTS, INPUTS, ADC128S102(spi, select), MCP23S17(spi, select))
    gc.collect()
    before = gc.mem_alloc()
    whole = 0
    micropython.heap_lock()
    for mask in range(256):
        if io.sample():
            whole += 1
        io.write(mask & 15)
    micropython.heap_unlock()
    assert gc.mem_alloc() == before
    assert whole == 256 and io.inputs[5] == 1 and io.outputs == 15


def test_retained_memory_survives_a_reset_and_noise_is_nothing():
    chip = install(Chip())
    import machine

    kept = RtcMemory(machine.RTC())
    assert kept.image == bytearray(256)
    kept.image[3] = 7
    kept.save()
    chip.hard_reset(machine.WDT_RESET)
    assert RtcMemory(machine.RTC()).image[3] == 7
    for noise in (b"", b"abc", bytes(255), bytes(257)):
        chip.rtc = noise
        assert RtcMemory(machine.RTC()).image == bytearray(256)
    uninstall()
