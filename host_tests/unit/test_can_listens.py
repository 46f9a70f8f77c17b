"""What the station reads passes the filters of each chip, and foreign frames do not. Both interpreters.

Who reads is found out by trying: a payload that notes whether it was looked at is handed to the gate's rules, to the
session and to the driver under every id of 11 bits, and under many of 29. So an id that somebody begins to read and
does not list fails here.
"""

import main
from firmware.faults import Active
from firmware.safety import chademo_rules, gbt27930_rules, infypower_rules
from firmware.station import Station
from firmware.vehicle.chademo import session as chademo
from firmware.vehicle.chademo import settings as chademo_settings
from firmware.vehicle.gbt27930 import session as gbt27930
from firmware.vehicle.gbt27930 import settings as gbt27930_settings
from host_tests.unit.can_driver_rig import EXT, MS
from host_tests.unit.infypower_rig import Driver, config
from host_tests.unit.test_mcp2515 import McpDesk
from host_tests.unit.test_mcp2518fd import FdDesk
from hw_tests.bench.chips.wire import frame

BIT_29 = (0x181056F4, 0x1CEC56F4, 0x100956F4, 0x081E56F4, 0x183056F4, 0x02A3F000, 0x02E3F01D, 0x02A4F001, 0x0EE4F000)


class Payload:
    """Bytes that note whether somebody looked."""

    def __init__(self, octets):
        self.octets, self.seen = octets, 0

    def __len__(self):
        return len(self.octets)

    def __getitem__(self, at):
        self.seen = 1
        return self.octets[at]


class Ears:
    """A CAN that only keeps what it is told to let in."""

    FILTERS_MAX = 16

    def set_filters(self, filters):
        self.filters = filters


def candidates(bus):
    """All ids of 11 bits where they are spoken, else some; of 29 bits the known ones, each with any bit turned."""
    found = [(can_id, 0) for can_id in range(0, 0x800, 1 if bus == "chademo" else 13)]
    for base in list(gbt27930.IDS) + list(BIT_29):
        found.append((base, 1))
        if bus != "chademo":
            found.extend([(base ^ 1 << bit, 1) for bit in range(29)])
    return found


def reads(make, call, can_id, ext):
    """Does one made for it look at a frame of this id, or become another by it? The gate's reader of the converter
    looks first and asks for the id then: of it only the latter counts."""
    for octets in (b"\x10\x01\x00\x00\x00\x00\x00\x01", b"\x21\x10\x00\x00\x00\x00\x00\xa0"):
        reader = make()
        payload, before = Payload(octets), dict(reader.__dict__)
        getattr(reader, call)(can_id, ext, payload, 1000)
        if payload.seen and make is not infypower_rules.Rules or dict(reader.__dict__) != before:
            return True
    return False


def gbt27930_gate():
    rules = gbt27930_rules.Rules(1)
    rules.ready = 1  # BST ends it without a look at its bytes
    return rules


def chademo_gate():
    rules = chademo_rules.Rules(3)
    rules._k = 1  # what comes before it is provisional
    rules.wires = Station()
    return rules


def session_of(module, settings, *words):
    def make():
        station = Station()
        return module.Session(station, Active(station.events), settings.Settings(*words))

    return make


def converter_driver():
    station = Station()
    return Driver(station, Active(station.events), config(modules=2))


GBT = session_of(gbt27930, gbt27930_settings, {"discharge_v112": 1}, 32)
BUSES = {
    "gbt27930": ((gbt27930_gate, "observe"), (GBT, "receive")),
    "chademo": ((chademo_gate, "observe"), (session_of(chademo, chademo_settings, {}), "receive")),
    "converter": ((infypower_rules.Rules, "observe"), (converter_driver, "receive")),
}
FOUND = {}  # type: dict
LEAST = {"gbt27930": 11, "chademo": 8, "converter": 30}


def filters_of(bus):
    ears = Ears()
    main.listen(ears, *[make() for make, _ in BUSES[bus]])
    return ears.filters


def read_on(bus):
    """The ids of candidates() that somebody on this bus reads."""
    if bus not in FOUND:
        FOUND[bus] = [each for each in candidates(bus) if any(reads(make, call, *each) for make, call in BUSES[bus])]
    return FOUND[bus]


def passes(filters, can_id, ext):
    return any(flags >> 1 == ext and (can_id ^ wanted) & mask == 0 for wanted, mask, flags in filters)


def test_whatever_somebody_reads_is_in_the_list():
    for bus in BUSES:
        filters, found = filters_of(bus), read_on(bus)
        assert len(found) >= LEAST[bus], (bus, found)
        for can_id, ext in found:
            assert passes(filters, can_id, ext), (bus, hex(can_id), ext)


def test_the_lists_are_short_enough_to_be_exact_on_each_chip():
    for bus in BUSES:
        for make in (McpDesk, FdDesk):
            can = make(filters=filters_of(bus)).can
            assert len(filters_of(bus)) <= can.FILTERS_MAX
            assert getattr(can, "_exact", True), "what the chip lets in nobody has to sort out"


def heard_by(desk, ids):
    """Of frames with these ids, sent one after the other, those that reach the program."""
    got = []
    for at in range(0, len(ids), 16):
        desk.from_peer(*[frame(can_id, b"\x10\x02\x03", ext=ext) for can_id, ext in ids[at : at + 16]])
        desk.clock.wait(16 * MS)
        got += [(f[0], f[1]) for f in desk.received()]
    return got


def test_each_chip_lets_in_what_is_read_and_drops_the_rest():
    for bus in BUSES:
        filters, found = filters_of(bus), read_on(bus)
        wanted = found[:: max(len(found) // 40, 1)]
        foreign = [each for each in candidates(bus) if not passes(filters, *each)][::9]
        assert len(foreign) > 50
        for make in (McpDesk, FdDesk):
            desk = make(bitrate=500000, filters=filters)
            assert heard_by(desk, wanted) == wanted, bus
            before = desk.spi.transactions
            assert heard_by(desk, foreign) == [], bus
            assert desk.spi.transactions - before <= 60, "the chip drops it: no word on the SPI but the look at idle"


def test_no_filters_are_better_than_too_few():
    class One(Ears):
        FILTERS_MAX = 1

    ears = One()
    main.listen(ears, chademo_gate())
    assert ears.filters is None
    main.listen(ears, gbt27930_gate(), GBT())
    assert ears.filters == [(0x56F4, 0xFFFF, EXT)]


def test_an_assembled_station_has_set_both():
    for protocol in ("gbt27930", "chademo"):
        cans = [Ears(), Ears()]
        main.assemble(main.the_board(), assembled(protocol), None, cans[0], cans[1], Retained())
        assert cans[0].filters == filters_of(protocol) and cans[1].filters == filters_of("converter"), protocol


def assembled(protocol):
    from firmware.config import parse

    return parse('{"protocol": "' + protocol + '"}')


class Retained:
    image = None
