"""Bit timing for any crystal and rate: the documented table, a brute-force search, and refusals. Both interpreters."""

from lib.canbase import timing

MCP2515 = (64, 3, 16, 2, 8, 25, 4, 2, 1)  # the numbers of lib/mcp2515.py, whose quantum is two crystal periods

# Crystal in MHz, bit rate in kbit/s, CNF1, CNF2, CNF3: computed by hand from the data sheet's formulas.
TABLE = (
    (8, 125, 0x41, 0xAD, 0x02), (8, 250, 0x40, 0xAD, 0x02), (8, 500, 0x00, 0x8A, 0x01),
    (16, 125, 0x43, 0xAD, 0x02), (16, 250, 0x41, 0xAD, 0x02), (16, 500, 0x40, 0xAD, 0x02),
    (20, 125, 0x43, 0xB7, 0x03), (20, 250, 0x41, 0xB7, 0x03), (20, 500, 0x40, 0xB7, 0x03),
)  # fmt: skip


def refused(*args, **kwargs):
    try:
        timing(*args, **kwargs)
    except ValueError as error:
        return str(error)
    return ""


def test_the_table_of_the_data_sheet_formulas():
    for crystal, rate, cnf1, cnf2, cnf3 in TABLE:
        brp, tseg1, tseg2, sjw = timing(crystal * 500000, rate * 1000, MCP2515)
        assert (sjw - 1) << 6 | (brp - 1) == cnf1, (crystal, rate)
        assert 0x80 | (tseg1 // 2 - 1) << 3 | ((tseg1 + 1) // 2 - 1) == cnf2, (crystal, rate)
        assert tseg2 - 1 == cnf3, (crystal, rate)


def nearest(clock, rate, wanted):
    """The smallest distance from the sample point that any setting within the limits has, by trying all of them."""
    best = None
    for brp in range(1, 65):
        for tseg1 in range(3, 17):
            for tseg2 in range(2, 9):
                total = 1 + tseg1 + tseg2
                if clock == rate * brp * total and total <= 25:
                    off = abs((1 + tseg1) * 10000 // total - wanted * 100)
                    best = off if best is None else min(best, off)
    return best


def test_no_setting_is_nearer_to_the_sample_point():
    for crystal in (4, 8, 12, 16, 20, 24, 40):
        for rate in (125000, 250000, 500000, 800000, 1000000):
            for wanted in (60, 75, 80, 87):
                best = nearest(crystal * 500000, rate, wanted)
                if best is None:
                    assert refused(crystal * 500000, rate, MCP2515, wanted), (crystal, rate)
                    continue
                brp, tseg1, tseg2, sjw = timing(crystal * 500000, rate, MCP2515, wanted)
                total = 1 + tseg1 + tseg2
                assert brp * total * rate == crystal * 500000
                assert abs((1 + tseg1) * 10000 // total - wanted * 100) == best, (crystal, rate, wanted)
                assert 1 <= sjw < tseg2


def test_a_rate_that_cannot_be_had_is_refused_with_what_was_asked():
    text = refused(4000000, 1000000, MCP2515)
    assert "1000000" in text and "4000000" in text
    assert refused(8000000, 333333 + 700, MCP2515), "0.2 percent off"
    assert timing(8000000, 333333, MCP2515), "0.0001 percent off"
    assert refused(8000000, 1000, MCP2515) and refused(8000000, 0, MCP2515)


def test_own_segments_count_and_are_checked():
    assert timing(8000000, 500000, MCP2515, tseg1=11, tseg2=4, sjw=3) == (1, 11, 4, 3)
    for wrong in ((17, 2), (2, 3), (11, 9), (11, 1)):
        assert refused(8000000, 500000, MCP2515, tseg1=wrong[0], tseg2=wrong[1])
    assert refused(8000000, 500000, MCP2515, tseg1=11)
    assert refused(8000000, 500000, MCP2515, tseg1=10, tseg2=4), "15 quanta do not make this rate"


def test_sjw_is_held_to_what_the_chip_takes():
    assert refused(8000000, 500000, MCP2515, sjw=3), "it must be shorter than tseg2, which is 3"
    assert refused(8000000, 500000, MCP2515, sjw=5) and refused(8000000, 500000, MCP2515, sjw=0)
    assert refused(8000000, 500000, MCP2515, sample_point=0) and refused(8000000, 500000, MCP2515, sample_point=100)
    assert timing(8000000, 500000, MCP2515, sjw=1)[3] == 1


def test_a_chip_with_long_segments():
    limits = (256, 2, 256, 1, 128, 80, 128, 16, 0)
    assert timing(40000000, 500000, limits) == (1, 63, 16, 16)
    assert timing(40000000, 250000, limits) == (2, 63, 16, 16)
    assert timing(40000000, 125000, limits) == (4, 63, 16, 16)
