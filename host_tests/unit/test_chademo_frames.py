"""CHAdeMO codec against golden vectors. Runs on CPython and on MicroPython."""

from firmware.units import UNKNOWN
from firmware.vehicle.chademo import frames
from firmware.vehicle.chademo.outbox import BASIC, HIGH, V2X, Outbox
from host_tests.vectors_chademo import CAR_IDS, CHARGER_IDS, FROM_CAR, FROM_CHARGER, octets


def test_every_vector_of_the_car_is_read():
    for name, text, expected, source in FROM_CAR:
        told = frames.Told()
        frames.DECODE[getattr(frames, name)](told, memoryview(bytearray(octets(text))))
        for key, value in expected.items():
            assert getattr(told, key) == value, (name, source, key, getattr(told, key))


def test_every_vector_of_the_charger_is_written():
    for encoder, arguments, text, source in FROM_CHARGER:
        data = bytearray(8)
        getattr(frames, encoder)(data, *arguments)
        assert bytes(data) == octets(text), (encoder, source, data)


def test_there_is_a_vector_for_every_frame():
    assert {row[0] for row in FROM_CAR} == set(CAR_IDS)
    assert {row[0] for row in FROM_CHARGER} == set(CHARGER_IDS)


def test_the_ids_are_those_of_the_facts():
    assert frames.IDS == {can_id: getattr(frames, name) for name, can_id in CAR_IDS.items()}
    out = Outbox()
    assert [frame.id for frame in out.frames] == sorted(CHARGER_IDS.values())
    for frame in out.frames:
        assert not frame.ext and bytes(frame.data) == bytes(8)


def test_a_request_of_ff_stands_in_110():
    told = frames.Told()
    frames.v102(told, octets("03 9A 01 FF 00 C1 49 00"))
    assert told.request_dA == 0  # not yet said
    frames.v110(told, octets("02 2C 01 00 00 00 00 00"))
    assert told.request_dA == 3000
    frames.v102(told, octets("03 9A 01 FF 00 C1 49 00"))
    assert told.request_dA == 3000
    frames.v102(told, octets("03 9A 01 10 00 C1 49 00"))
    assert told.request_dA == 160
    frames.v110(told, octets("02 2C 01 00 00 00 00 00"))
    assert told.request_dA == 160


def test_soc_counts_against_the_constant():
    told = frames.Told()
    assert frames.soc_permille(told) == UNKNOWN
    for constant, raw, expected in ((100, 73, 730), (255, 0x8F, 560), (240, 3, 12), (100, 0, 0), (100, 100, 1000)):
        told.constant, told.soc_raw = constant, raw
        assert frames.soc_permille(told) == expected
    for constant, raw in ((0, 73), (100, 101), (100, 255)):
        told.constant, told.soc_raw = constant, raw
        assert frames.soc_permille(told) == UNKNOWN


# --- when the frames leave ---
def rounds(out, begin, ms, drop=()):
    left = []
    for now in range(begin, begin + ms, 10):
        out.step(now & 0x3FFFFFFF)
        frame = out.poll(now)
        while frame is not None:
            if frame.id not in drop:
                out.sent(frame, now & 0x3FFFFFFF)
                left.append((now - begin, frame.id))
            frame = out.poll(now)
    return left


def test_one_frame_a_tick_in_order_every_100_ms():
    for begin in (1000, 0x3FFFFFFF - 120):
        out = Outbox()
        out.only(BASIC | V2X, begin)
        left = rounds(out, begin, 300)
        first = [(0, 0x108), (10, 0x109), (20, 0x208), (30, 0x209)]
        assert left == [(at + late, can_id) for late in (0, 100, 200) for at, can_id in first]


def test_nothing_leaves_before_it_is_asked_and_118_only_in_2_0():
    out = Outbox()
    assert rounds(out, 0, 300) == []
    out.only(BASIC | HIGH, 300)
    assert [can_id for _, can_id in rounds(out, 300, 100)] == [0x108, 0x109, 0x118]
    out.only(BASIC, 400)
    assert [can_id for _, can_id in rounds(out, 400, 100)] == [0x108, 0x109]
    out.only(0, 500)
    assert rounds(out, 500, 300) == []


def test_when_a_round_begins():
    out = Outbox()
    out.only(BASIC, 0)
    assert out.begins(0)
    rounds(out, 0, 50)
    assert not out.begins(50) and not out.begins(90) and out.begins(100)


def test_109_waits_for_108_but_not_for_ever():
    out = Outbox()
    out.only(BASIC, 0)
    left = rounds(out, 0, 100, drop=(0x108,))
    assert left[0] == (40, 0x109)
    out = Outbox()
    out.only(BASIC, 0)
    assert rounds(out, 0, 20, drop=(0x108,)) == []
    assert rounds(out, 20, 20) == [(0, 0x108), (10, 0x109)]
