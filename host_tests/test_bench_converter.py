"""The Infypower emulator: frames against the facts (hardware.md 3.1), behaviour, and what can go wrong."""

import pytest

from hw_tests.bench import infypower as infy
from hw_tests.bench.converter import INVERTER, OFF, ON, RECTIFIER, Converter, ConverterParams
from hw_tests.bench.frame import Frame
from hw_tests.bench.infypower import READ, WRITE, request
from hw_tests.bench.pack import PackParams
from hw_tests.bench.plant import Plant, PlantParams
from hw_tests.bench.power_stage import StageParams

FAST = StageParams(reaction_ms=40, start_ms=50)


class Bus:
    """A controller that writes and reads by hand."""

    def __init__(self, **params):
        self.plant = Plant(PlantParams(pack=PackParams(), stage=FAST))
        self.converter = Converter(self.plant, ConverterParams(**params))
        self.plant.stage.enable(True, 0)

    def run(self, ms):
        replies = []
        for _ in range(ms):
            self.plant.step(1)
            replies += self.converter.step(self.plant.now_ms)
        return replies

    def ask(self, command, item, value=0, **to):
        self.converter.receive(request(command, item, value, **to), self.plant.now_ms)
        return [infy.parse(frame) for frame in self.run(20)]

    def write(self, item, value, **to):
        return self.ask(WRITE, item, value, **to)

    def read(self, item, **to):
        return self.ask(READ, item, **to)[0].value

    def status(self, name, **to):
        return self.read(infy.STATUS, **to) >> infy.STATUS_BITS[name] & 1

    def start(self, mode=RECTIFIER, volts=400, amps=20, cut_off=300):
        """In front of a connected pack."""
        self.plant.plug()
        self.plant.vehicle.close_contactors = True
        self.plant.contactor.drive(True, self.plant.now_ms)
        self.write(infy.MODE, mode)
        self.write(infy.CUT_OFF, cut_off * 1000)
        self.write(infy.VOLTAGE, volts * 1000)
        self.write(infy.CURRENT, amps * 1000)
        self.write(infy.ON_OFF, ON)
        self.run(300)
        return self

    def stop(self):
        self.write(infy.ON_OFF, OFF)
        self.run(50)


@pytest.mark.parametrize(
    "frame, can_id, data",
    [
        (request(READ, infy.VOLTAGE, device=infy.SINGLE, dest=infy.BROADCAST), 0x02A33FF0, "1001000000000000"),
        (request(WRITE, infy.VOLTAGE, 400000, device=infy.SINGLE, dest=infy.BROADCAST), 0x02A43FF0, "1001000000061a80"),
        (request(READ, infy.STATUS), 0x02E300F0, "1110000000000000"),
        (request(WRITE, infy.MODE, INVERTER), 0x02E400F0, "21100000000000a1"),
        (request(WRITE, infy.ON_OFF, ON, device=infy.SINGLE), 0x02A400F0, "11100000000000a0"),
    ],
)
def test_ids_and_payloads_of_the_facts(frame, can_id, data):
    assert frame == Frame(can_id, True, bytes.fromhex(data))
    message = infy.parse(frame)
    assert message is not None and infy.build(message) == frame


def test_what_is_not_this_protocol_is_not_understood():
    assert infy.parse(Frame(0x123, False, bytes(8))) is None
    assert infy.parse(Frame(0x02E300F0, True, bytes(7))) is None
    assert infy.parse(Frame(0x181056F4, True, bytes(8))) is None


def test_reply_id_carries_the_module_and_goes_to_the_asker():
    bus = Bus(modules=2)
    bus.converter.receive(request(READ, infy.STATUS, src=0xF1), 0)
    assert [frame.id for frame in bus.run(10)] == [0x02E3F100, 0x02E3F101]


def test_group_voltage_and_current_are_answered_by_the_master_alone():
    bus = Bus(modules=3)
    for item, value in ((infy.VOLTAGE, 400000), (infy.CURRENT, 30000)):
        echoes = bus.write(item, value)
        assert [(echo.src, echo.value) for echo in echoes] == [(0, value)]
        assert len(bus.ask(READ, item)) == 1
    for item, value in ((infy.ON_OFF, OFF), (infy.MODE, INVERTER), (infy.CUT_OFF, 320000)):
        assert [(echo.src, echo.value) for echo in bus.write(item, value)] == [(n, value) for n in range(3)]
    assert bus.read(infy.COUNT) == 3


def test_a_single_module_is_addressed_alone():
    bus = Bus(modules=3)
    echoes = bus.write(infy.MODE, INVERTER, device=infy.SINGLE, dest=1)
    assert [echo.src for echo in echoes] == [1]
    assert [module.mode for module in bus.converter.modules] == [RECTIFIER, INVERTER, RECTIFIER]
    assert bus.write(infy.MODE, INVERTER, dest=5) == []


def test_capabilities():
    bus = Bus()
    assert bus.read(infy.MAX_VOLTAGE) == 1000000
    assert bus.read(infy.MIN_VOLTAGE) == 150000
    assert bus.read(infy.MAX_CURRENT) == 73300
    assert bus.read(infy.RATED_POWER) == 22000000
    assert bus.read(infy.FREQUENCY) == 50000


def test_errors_come_in_the_id():
    bus = Bus()
    (reply,) = bus.write(infy.MODE, 0x55)
    assert reply.error == infy.DATA_INVALID
    (reply,) = bus.write(infy.VOLTAGE, 1500000)
    assert reply.error == infy.DATA_INVALID
    (reply,) = bus.write(0x7777, 0)
    assert reply.error == infy.COMMAND_INVALID
    bus.converter.receive(request(WRITE, 0x7777), bus.plant.now_ms)
    (frame,) = bus.run(20)
    assert frame.id == 0x0AE4F000


def test_charging_and_discharging_with_the_mode():
    bus = Bus().start(RECTIFIER)
    assert bus.plant.current_A == pytest.approx(20, abs=0.1)
    assert bus.read(infy.INVERTER_STATUS) == 0
    assert not bus.status("dc_off")
    bus.stop()
    assert bus.status("dc_off") and abs(bus.plant.current_A) < 0.1
    bus.start(INVERTER)
    assert bus.plant.current_A == pytest.approx(-20, abs=0.1)
    assert bus.read(infy.INVERTER_STATUS) == 1
    assert bus.read(infy.CURRENT) == pytest.approx(-20000, abs=50)
    assert bus.read(infy.POWER_AC) < -6e6


def test_current_may_be_reported_as_a_magnitude():
    bus = Bus(report_negative=False).start(INVERTER)
    assert bus.read(infy.CURRENT) == pytest.approx(20000, abs=50)


def test_the_mode_changes_only_when_off():
    bus = Bus().start(RECTIFIER)
    (reply,) = bus.write(infy.MODE, INVERTER)
    assert reply.error != infy.OK and bus.read(infy.INVERTER_STATUS) == 0
    bus.stop()
    (reply,) = bus.write(infy.MODE, INVERTER)
    assert reply.error == infy.OK and bus.read(infy.INVERTER_STATUS) == 1


def test_ten_seconds_without_a_message_end_the_output_which_holds_its_set_point_until_then():
    bus = Bus().start()
    bus.run(9500)
    assert bus.plant.current_A == pytest.approx(20, abs=0.2)
    bus.run(700)
    assert abs(bus.plant.current_A) < 0.1
    assert bus.converter.interrupted
    assert not bus.status("communication")  # the question itself has ended the interruption
    bus.run(300)
    assert abs(bus.plant.current_A) < 0.1


def test_on_needs_module_enable():
    bus = Bus()
    bus.plant.stage.enable(False, 0)
    bus.run(5)
    bus.start()
    assert bus.plant.current_A == pytest.approx(0, abs=0.1) and bus.status("dc_off")
    bus.plant.stage.enable(True, bus.plant.now_ms)
    bus.run(500)
    assert bus.status("dc_off")
    bus.write(infy.ON_OFF, ON)
    bus.run(300)
    assert bus.plant.current_A > 19


def test_two_modules_of_opposite_mode_work_against_each_other():
    bus = Bus(modules=2)
    bus.converter.misbehave("lose", kind="mode", module=1)
    bus.start(INVERTER)
    assert [module.mode for module in bus.converter.modules] == [INVERTER, RECTIFIER]
    assert abs(bus.plant.current_A) < 0.5


def test_a_missing_module_takes_its_share_and_the_master_moves():
    bus = Bus(modules=2)
    bus.converter.misbehave("missing", module=0)
    assert [echo.src for echo in bus.write(infy.VOLTAGE, 400000)] == [1]
    assert bus.read(infy.COUNT) == 1


def test_the_one_mode_frame_is_lost():
    bus = Bus()
    bus.converter.misbehave("lose", kind="mode")
    assert bus.write(infy.MODE, INVERTER) == []
    assert bus.read(infy.INVERTER_STATUS) == 0
    assert len(bus.write(infy.MODE, INVERTER)) == 1
    assert bus.read(infy.INVERTER_STATUS) == 1


def test_an_answer_is_lost_but_obeyed():
    bus = Bus()
    bus.converter.misbehave("lose_reply", kind="mode")
    assert bus.write(infy.MODE, INVERTER) == []
    assert bus.read(infy.INVERTER_STATUS) == 1


def test_mode_echoed_but_ignored():
    bus = Bus()
    bus.converter.misbehave("ignore_mode", count=1)
    assert bus.write(infy.MODE, INVERTER)[0].value == INVERTER
    assert bus.read(infy.INVERTER_STATUS) == 0


def test_off_ignored_for_a_while():
    bus = Bus().start()
    bus.converter.misbehave("ignore_off", ms=500)
    bus.write(infy.ON_OFF, OFF)
    bus.run(100)
    assert bus.plant.current_A > 19
    bus.run(500)
    bus.stop()
    assert abs(bus.plant.current_A) < 0.1


@pytest.mark.parametrize("reaction_ms", [10, 40, 200, 1000])
def test_reaction_time(reaction_ms):
    bus = Bus().start()
    bus.run(1100)
    bus.converter.misbehave("reaction", ms=reaction_ms)
    begin = bus.plant.now_ms
    bus.converter.receive(request(WRITE, infy.ON_OFF, OFF), begin)
    while abs(bus.plant.current_A) > 5:
        bus.run(1)
    assert reaction_ms <= bus.plant.now_ms - begin <= reaction_ms + 3


def test_silence_holds_the_set_point_up_to_ten_seconds():
    bus = Bus().start()
    bus.converter.misbehave("silent")
    assert bus.write(infy.ON_OFF, OFF) == []
    bus.run(9000)
    assert bus.plant.current_A > 19
    bus.run(1500)
    assert abs(bus.plant.current_A) < 0.1


def test_mute_modules_still_obey():
    bus = Bus().start()
    bus.converter.misbehave("silent", deaf=False, ms=1000)
    assert bus.write(infy.ON_OFF, OFF) == []
    bus.run(100)
    assert abs(bus.plant.current_A) < 0.1
    bus.run(1000)
    assert bus.status("dc_off")


def test_a_fault_bit_stops_the_module():
    bus = Bus().start()
    bus.converter.misbehave("fault", bit="protection")
    assert bus.status("protection") and bus.status("dc_off")
    assert abs(bus.plant.current_A) < 0.1
    bus.write(infy.ON_OFF, ON)
    bus.run(300)
    assert abs(bus.plant.current_A) < 0.1
    bus.converter.misbehave("heal")
    bus.write(infy.ON_OFF, ON)
    bus.run(300)
    assert bus.plant.current_A > 19


def test_derating_is_told_and_done():
    bus = Bus().start(amps=60)
    full = bus.plant.current_A
    bus.converter.misbehave("derate", factor=0.5)
    bus.run(100)
    assert bus.plant.current_A == pytest.approx(full / 2, rel=0.05)
    assert bus.status("power_limiting") and bus.read(infy.MAX_CURRENT) == 36650


def test_a_held_and_a_runaway_set_point():
    bus = Bus().start()
    bus.converter.misbehave("hold", ms=1000)
    assert bus.write(infy.CURRENT, 0)[0].error == infy.OK
    bus.run(200)
    assert bus.plant.current_A > 19
    bus.run(1000)
    assert abs(bus.plant.current_A) < 0.1
    bus = Bus().start()
    bus.converter.misbehave("runaway", extra_A=10.0)
    bus.run(100)
    assert bus.plant.current_A == pytest.approx(30, abs=0.2)


def test_wrong_readings():
    bus = Bus().start()
    bus.converter.misbehave("reads_wrong", voltage_V=20.0, current_A=3.0)
    assert bus.read(infy.VOLTAGE) == pytest.approx((bus.plant.link_V + 20) * 1000, abs=300)
    assert bus.read(infy.CURRENT) == pytest.approx(23000, abs=100)
    bus.converter.misbehave("wrong_mode")
    assert bus.read(infy.INVERTER_STATUS) == 1


def test_an_unknown_misbehaviour_is_an_error():
    with pytest.raises(ValueError, match="knows no misbehaviour"):
        Bus().converter.misbehave("sing")
