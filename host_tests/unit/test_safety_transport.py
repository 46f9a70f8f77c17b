# The gate's own reader of long messages. Runs on CPython and on MicroPython.
from firmware.safety.transport import Transport


def rts(pf, size, packets=None, kind=0x10, low=0, high=0):
    packets = (size + 6) // 7 if packets is None else packets
    return bytes((kind, size & 0xFF, size >> 8, packets, 0xFF, low, pf, high))


def dt(number, *data):
    part = bytearray(b"\xff" * 8)
    part[0] = number
    for k in range(len(data)):
        part[1 + k] = data[k]
    return part


def feed(transport, size, start=1, now=0):
    last = -1
    for number in range(start, (size + 6) // 7 + 1):
        last = transport.packet(dt(number, *range(number * 7 - 7, number * 7)), now)
        if number * 7 < size:
            assert last == -1
    return last


def test_a_message_is_put_together_in_order():
    for size in (9, 13, 14, 15, 28, 41, 49, 56):
        transport = Transport()
        transport.request(rts(6, size), 0)
        assert feed(transport, size) == 6
        assert transport.size == size
        assert list(transport.data)[:size] == list(range(size))
        assert transport.packet(dt(1), 0) == -1  # and then it is over


def test_packets_without_a_request_are_nothing():
    transport = Transport()
    assert (transport.pf, transport.lowest_cV) == (-1, 0xFFF)
    assert feed(transport, 9) == -1
    assert transport.packet(dt(0), 0) == -1


def test_a_packet_that_comes_twice_is_nothing_and_its_first_reading_counts():
    # Facts 1.10: liberal in what is heard; the session reads it so, too. A message is not longer for it.
    transport = Transport()
    transport.request(rts(6, 20), 0)
    transport.packet(dt(1, *range(7)), 0)
    assert transport.packet(dt(1, *range(90, 97)), 0) == -1
    assert feed(transport, 20, 2) == 6
    assert list(transport.data)[:20] == list(range(20))


def test_a_packet_that_comes_twice_gives_no_more_time():
    transport = Transport()
    transport.request(rts(6, 20), 0)
    transport.packet(dt(1), 0)
    assert transport.packet(dt(1), 1000) == -1 and transport.pf == 6
    assert transport.packet(dt(2), 1251) == -1 and transport.pf == -1


def test_a_packet_missing_or_out_of_order_loses_the_message():
    for numbers in ((1, 3), (2,), (0,), (1, 2, 1), (1, 0)):
        transport = Transport()
        transport.request(rts(6, 20), 0)
        for number in numbers:
            assert transport.packet(dt(number), 0) == -1
        assert transport.pf == -1
        assert feed(transport, 20, numbers[-1] + 1) == -1


def test_a_request_repeated_begins_anew():
    transport = Transport()
    transport.request(rts(6, 20), 0)
    transport.packet(dt(1), 0)
    transport.request(rts(0x11, 9), 0)
    assert feed(transport, 9) == 0x11


def test_silence_loses_the_message():
    for silence, whole in ((1250, 6), (1251, -1)):
        transport = Transport()
        transport.request(rts(6, 14), 0x3FFFFF00)
        transport.packet(dt(1), 0x3FFFFF80)
        assert transport.packet(dt(2), (0x3FFFFF80 + silence) & 0x3FFFFFFF) == whole
    transport = Transport()
    transport.request(rts(6, 14), 0)
    assert transport.packet(dt(1), 1251) == -1


def test_what_is_no_proper_request_ends_the_message():
    for bad in (
        rts(6, 20, kind=0x11),
        rts(6, 20, low=1),
        rts(6, 20, high=1),
        rts(6, 20, packets=2),
        rts(6, 20, packets=4),
        rts(6, 8),
        rts(6, 0, packets=0),
    ):
        transport = Transport()
        transport.request(rts(6, 9), 0)
        transport.packet(dt(1), 0)
        transport.request(bad, 0)
        assert transport.pf == -1
        assert transport.packet(dt(2), 0) == -1


def test_of_a_longer_message_the_begin_is_kept():
    transport = Transport()
    transport.request(rts(2, 63), 0)
    assert feed(transport, 63) == 2
    assert list(transport.data) == list(range(56))


def cells(*volts_cV):
    transport = Transport()
    data = []
    for cV in volts_cV:
        data += [cV & 0xFF, cV >> 8]
    transport.request(rts(0x15, len(data)), 0)
    for number in range((len(data) + 6) // 7):
        last = transport.packet(dt(number + 1, *data[number * 7 : number * 7 + 7]), 0)
    assert last == 0x15
    return transport.lowest_cV


def test_the_lowest_cell_of_a_list_of_any_length():
    group = 0x3000
    assert cells(351 | group, 352, 349, 353, 354) == 349
    assert cells(0x234, 352, 353, 354, 0x134, 352, 353, 354) == 0x134
    assert cells(349, 352, 353, 354, 355) == 349
    assert cells(360, 352, 353, 354, 341 | group) == 341
    assert cells(*([360] * 255 + [340])) == 340


def test_padding_is_no_cell():
    # 10 bytes: two packets, the rest FF; and one of zeros in the padding.
    transport = Transport()
    transport.request(rts(0x15, 10), 0)
    transport.packet(dt(1, 0x60, 1, 0x60, 1, 0x60, 1, 0x60), 0)
    assert transport.packet(dt(2, 1, 0x60, 1, 0, 0, 0, 0), 0) == 0x15
    assert transport.lowest_cV == 0x160


def test_a_new_list_forgets_the_old_one():
    transport = Transport()
    transport.request(rts(0x15, 10), 0)
    transport.packet(dt(1, 1, 1, 1, 1, 1, 1, 1), 0)
    transport.request(rts(0x15, 10), 0)
    assert transport.lowest_cV == 0xFFF
