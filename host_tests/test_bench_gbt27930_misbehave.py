"""What is raised as a fault of the car must be seen on the bus or at its contactors."""

from pathlib import Path

import pytest

from host_tests.bench_gbt27930_charger import Pair
from hw_tests.bench.frame import Frame
from hw_tests.bench.gbt27930 import codec, messages
from hw_tests.bench.gbt27930.bms import STATES
from hw_tests.bench.gbt27930.mischief import KNOWN, TRANSPORT
from hw_tests.bench.gbt27930.transport import Listener, Receiver, Sender


def raised(name: str, phase: str = "charge", before_ms: int = 3_000, after_ms: int = 3_000, profile="charge_2015",
           v2g: bool = False, ccd: int = 0, **kw) -> Pair:  # fmt: skip
    pair = Pair(profile, v2g)
    pair.charger.ccd = ccd
    pair.to(phase)
    pair.run(before_ms)
    pair.bus.clear()
    pair.charger.history.clear()
    pair.car.misbehave(name, **kw)
    pair.run(after_ms)
    return pair


def sent(pair: Pair) -> set[int]:
    return {frame.id for _, by_car, frame in pair.bus if by_car}


def bcl(pair: Pair) -> dict:
    return pair.charger.heard["BCL"][1]


def test_silences():
    assert 0x181056F4 not in sent(raised("bcl_silent")) and 0x181356F4 in sent(raised("bcl_silent"))
    assert sent(raised("all_silent")) == set()
    assert not {0x181056F4, 0x181356F4} & sent(raised("silent", messages="BCL, BSM"))
    only_tp = raised("silent", messages="BCS")
    assert "BCS" not in only_tp.charger.history and "BCL" in only_tp.charger.history


def test_a_silence_may_end():
    pair = raised("all_silent", after_ms=500, for_ms=300)
    assert pair.bus and min(at for at, by_car, _ in pair.bus if by_car) >= pair.now_ms - 210
    assert pair.car.mischief.active == {}


def test_deaf_means_time_out():
    assert raised("deaf").car.bem_reason == "ccs_timeout"


def test_wrong_lengths():
    pair = raised("wrong_length", message="BSM", length=8)
    assert {len(frame.data) for _, _, frame in pair.bus if frame.id == 0x181356F4} == {8}
    pair = raised("wrong_length", message="BCS", length=8)
    assert "refused BCS" in pair.charger.history and "BCS" not in pair.charger.history


@pytest.mark.parametrize("ids", ["any", "own"])
def test_a_flood(ids):
    pair = raised("flood", after_ms=1_000, rate_per_s=800, ids=ids)
    count = sum(by_car for _, by_car, _ in pair.bus)
    assert 800 <= count <= 900
    assert any(not frame.ext for _, _, frame in pair.bus) == (ids == "any")


def test_strangers():
    assert {0x100, 0x102, 0x0C3956F4} <= sent(raised("strangers"))


@pytest.mark.parametrize("fault", TRANSPORT)
def test_faults_of_the_transport_protocol(fault):
    pair = raised("tp_" + fault, message="BCS")
    frames = [frame for _, by_car, frame in pair.bus if by_car and frame.id in (0x1CEC56F4, 0x1CEB56F4)]
    whole = "BCS" in pair.charger.history
    assert whole == (fault in ("lose_once", "repeat", "disorder", "repeat_rts"))
    sequence = [frame.data[0] for frame in frames if frame.id == 0x1CEB56F4]
    aborted = any(frame.data[0] == 0xFF for _, _, frame in pair.bus if frame.id in (0x1CEC56F4, 0x1CECF456))
    assert aborted == (fault in ("abort", "stall", "lose"))
    if fault == "stall":
        assert sequence == []
    if fault == "disorder":
        assert sequence[:2] == [2, 1]
    if fault == "repeat":
        assert sequence[:4] == [1, 1, 2, 2]
    if fault == "repeat_rts":
        assert [frame.data[0] for frame in frames[:2]] == [0x10, 0x10]
    assert "tp_unexpected" not in pair.names() or fault in ("repeat_rts", "repeat", "lose_once")


def test_late_refused_and_withdrawn_readiness():
    late = Pair()
    late.car.misbehave("late_bro", ms=10_000)
    late.to("ready")
    since = late.now_ms
    late.to("charge")
    assert late.now_ms - since > 10_000
    refuses = Pair()
    refuses.car.misbehave("refuse", value=0xFF)
    refuses.to("ready")
    refuses.run(30_000)
    assert refuses.car.phase == "ready" and refuses.charger.heard["BRO"][1]["ready"] == 0xFF
    falls = Pair()
    falls.car.misbehave("bro_falls", after_ms=300)
    falls.charger.cro = 0
    falls.to("ready")
    falls.run(3_000)
    said = [frame.data[0] for _, _, frame in falls.bus if frame.id == 0x100956F4]
    assert 0xAA in said and said[-1] == 0


@pytest.mark.parametrize("bit", STATES)
def test_each_state_of_bsm(bit):
    pair = raised("bsm_fault", bit=bit, after_ms=300)
    assert pair.charger.heard["BSM"][1][bit] == 1
    others = set(STATES) - {bit}
    assert all(pair.charger.heard["BSM"][1][other] == 0 for other in others)


def test_permissions():
    assert raised("pause").charger.heard["BSM"][1]["permission"] == 0
    assert raised("untrusted").charger.heard["BSM"][1]["permission"] == 2
    pair = raised("discharge_forbidden", profile="v2g", v2g=True, ccd=1)
    assert pair.charger.heard["BSM"][1]["permission"] == 0 and pair.charger.heard["BCLP"][1]["current_dA"] == 0
    assert pair.vehicle.current_A == 0 and pair.car.phase == "charge"
    pair = raised("charge_forbidden")
    assert pair.charger.heard["BSM"][1]["permission"] == 0 and bcl(pair)["current_dA"] == 0


def test_demands():
    assert bcl(raised("demand_above_max", current_A=90.0, voltage_V=500.0)) == {
        "voltage_dV": 5000, "current_dA": 900, "mode": 2}  # fmt: skip
    assert bcl(raised("refuse_current"))["current_dA"] == 0
    pair = raised("demand_flaps", period_ms=200)
    said = {codec.decode(frame)[1]["current_dA"] for _, by_car, frame in pair.bus if frame.id == 0x181056F4}
    assert said == {0, 550}
    assert raised("wrong_mode", mode=3).charger.heard["BCLP"][1]["current_dA"] > 0
    pair = raised("ccd_ignored", profile="v2g", v2g=True)
    pair.charger.ccd = 1
    pair.run(1_000)
    assert "BCLP" not in pair.charger.heard and bcl(pair)["current_dA"] > 0


def test_the_gauge():
    def told(pair):
        return pair.charger.heard["BCS"][1]["soc_permille"]

    assert told(raised("soc_offset", permille=200)) >= 700
    pair = raised("soc_frozen")
    before = told(pair)
    pair.vehicle.soc = 0.9
    pair.run(1_000)
    assert told(pair) == before
    pair = raised("soc_jump", permille=100, period_ms=1_000)
    seen = set()
    for _ in range(8):
        pair.run(300)
        seen.add(told(pair) // 50)
    assert len(seen) > 1
    pair = raised("soc_jump", permille=150)
    assert told(pair) >= 650
    pair.run(20_000)
    assert told(pair) >= 650


def test_other_words_for_the_same():
    assert raised("fault_bit", after_ms=300).charger.heard["BSM"][1]["insulation"] == 1
    assert raised("permission_untrusted").charger.heard["BSM"][1]["permission"] == 2
    assert 0x181056F4 not in sent(raised("silence", message="BCL"))


def test_contactors():
    pair = raised("contactor_welded")
    pair.charger.stop_wanted = True
    pair.run(3_000)
    assert pair.vehicle.contactors_closed and pair.car.phase in ("ended", "asleep")
    stuck = Pair()
    stuck.car.misbehave("contactor_stuck_open")
    stuck.to("charge")
    assert not stuck.vehicle.contactors_closed
    pair = raised("open_under_load", after_ms=20)
    assert not pair.vehicle.contactors_closed and pair.car.opened_under_load == 1


def test_ends():
    assert raised("bst", reason="relay").charger.heard["BST"][1]["relay"] == 1
    assert raised("bem", reason="cro_timeout").charger.heard["BEM"][1]["cro_timeout"] == 1


def test_recovery():
    pair = raised("refuse_current")
    pair.car.misbehave("bcl_silent")
    pair.car.misbehave("recover", what="refuse_current")
    assert set(pair.car.mischief.active) == {"silent"}
    pair.car.misbehave("recover")
    pair.run(4_000)
    assert pair.car.mischief.active == {} and bcl(pair)["current_dA"] > 0


@pytest.mark.parametrize("name,kw", [
    ("sings", {}), ("flood", {"rate": 3}), ("bsm_fault", {"bit": "doors"}), ("bst", {"reason": "bored"}),
    ("wrong_length", {"message": "XYZ"}),
])  # fmt: skip
def test_what_no_car_does(name, kw):
    pair = Pair().to("charge")
    with pytest.raises(ValueError):
        pair.car.misbehave(name, **kw)


def test_every_misbehaviour_is_raised_in_this_file():
    text = Path(__file__).read_text()
    faults = {"tp_" + fault for fault in TRANSPORT}
    assert faults <= set(KNOWN)
    assert [name for name in KNOWN if f'"{name}"' not in text and name not in faults] == []


# The transport protocol by itself.


def play(sender: Sender, receiver: Receiver, data: bytes, lose: tuple[int, ...] = (), ms: int = 4_000):
    """Sender and receiver, 10 ms a step; the frames of the sender whose number is in `lose` never arrive."""
    sender.start(0x0200, data, 0)
    number, got = 0, None
    for now_ms in range(0, ms, 10):
        for frame in receiver.step(now_ms):
            sender.receive(frame.data, now_ms)
        for frame in sender.step(now_ms):
            number += 1
            if number in lose:
                continue
            if frame.id == messages.CAR_CM_ID:
                receiver.control(frame.data, now_ms)
            else:
                got = receiver.data(frame.data, now_ms) or got
    return got


@pytest.mark.parametrize("size", [9, 13, 14, 41, 49, 512, 1785])
@pytest.mark.parametrize("per_cts", [1, 3, 255])
def test_messages_of_all_sizes(size, per_cts):
    data = bytes(i * 7 & 0xFF for i in range(size))
    sender = Sender()
    assert play(sender, Receiver(per_cts), data, ms=20_000) == (0x0200, data)
    assert sender.ended == "done"


def test_a_lost_packet_is_asked_for_again():
    data = bytes(range(49))
    assert play(Sender(), Receiver(), data, lose=(4,)) == (0x0200, data)


def test_a_lost_last_packet_ends_in_a_time_out_of_the_receiver():
    told = []
    sender = Sender(complain=lambda name, detail: told.append(name))
    assert play(sender, Receiver(), bytes(49), lose=(8,)) is None
    assert sender.ended == "aborted" and told == ["tp_aborted"]


def test_a_silent_receiver_is_given_up_after_t3():
    told = []
    sender = Sender(complain=lambda name, detail: told.append(name))
    sender.start(0x1100, bytes(9), 0)
    frames = [(now_ms, frame) for now_ms in range(0, 2_000, 10) for frame in sender.step(now_ms)]
    assert frames[0][1].data.hex() == "10090002ff001100" and frames[1][1].data.hex() == "ff03ffffff001100"
    assert frames[1][0] == 1260 and sender.ended == "timeout" and told == ["tp_silent"]


def test_some_cars_put_the_count_into_the_rts():
    sender = Sender(count_in_rts=True)
    sender.start(0x0200, bytes(49), 0)
    assert sender.step(0)[0].data.hex() == "1031000707000200"


def test_a_hold_keeps_the_session_open():
    sender = Sender()
    sender.start(0x1100, bytes(9), 0)
    sender.step(0)
    sender.receive(bytes.fromhex("1100ffffff001100"), 1_000)
    assert sender.step(2_000) == [] and sender.busy
    sender.receive(bytes.fromhex("110201ffff001100"), 2_000)
    assert sender.step(2_010)[0].data[0] == 1


@pytest.mark.parametrize("cts", ["110302ffff001100", "110100ffff001100", "110301ffff001100"])
def test_a_cts_beyond_the_message_is_refused(cts):
    sender = Sender()
    sender.start(0x1100, bytes(9), 0)
    sender.receive(bytes.fromhex(cts), 10)
    assert not sender.busy and sender.step(20)[-1].data[0] == 0xFF


def test_a_listener_needs_every_packet():
    listener = Listener()
    sender, receiver = Sender(), Receiver()
    sender.start(0x1100, bytes(range(9)), 0)
    got = []
    for now_ms in range(0, 200, 10):
        for frame in sender.step(now_ms):
            got.append(listener.feed(frame))
            if frame.id == messages.CAR_CM_ID:
                receiver.control(frame.data, now_ms)
            else:
                receiver.data(frame.data, now_ms)
        for frame in receiver.step(now_ms):
            assert listener.feed(frame) is None
            sender.receive(frame.data, now_ms)
    assert got == [None, None, (0x1100, bytes(range(9)))]
    assert listener.feed(Frame(messages.CAR_DT_ID, True, bytes(8))) is None


def test_answers_to_a_session_that_was_dropped_are_forgiven():
    told = []
    sender = Sender(complain=lambda name, detail: told.append(name))
    sender.start(0x1100, bytes(9), 0)
    sender.drop()
    sender.receive(bytes.fromhex("110201ffff001100"), 10)
    assert told == []
    sender.receive(bytes.fromhex("110201ffff000600"), 20)
    assert told == ["tp_unexpected"]
