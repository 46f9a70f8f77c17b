"""The rest of machine.CAN's surface in lib/slcan.py. Runs on CPython and on MicroPython."""

import slcan_core
from slcan import CAN

import host_tests.unit.test_slcan as core
from host_tests.unit.test_slcan import Stream, raises, received


def opened(incoming=b"", bitrate=500_000, **how):
    stream = Stream(incoming)
    can = CAN(stream, bitrate, **how)
    stream.written = bytearray()
    return can, stream


def test_all_that_holds_for_the_core_holds_for_the_whole_class():
    tests = [name for name in dir(core) if name.startswith("test_")]
    assert len(tests) >= 15
    core.CAN = CAN
    try:
        for name in tests:
            getattr(core, name)()
    finally:
        core.CAN = slcan_core.CAN


def test_filters_pass_what_matches_one_of_them():
    can, stream = opened()
    can.set_filters([(0x300, 0x700, 0), (0x50700, 0x1FFFFFFF, CAN.FLAG_EXT_ID), (0x7FF, 0x7FF, CAN.FLAG_RTR)])
    stream.feed(b"t3450\rt4000\rT000507000\rT000507010\rt7FF0\r")
    assert received(can) == [(0x345, b"", 0), (0x50700, b"", CAN.FLAG_EXT_ID)]
    stream.feed(b"r7FF0\rT000003450\rr3450\r")
    assert received(can) == [(0x7FF, b"", CAN.FLAG_RTR), (0x345, b"", CAN.FLAG_RTR)]
    assert can.bad_lines == 0 and can.overruns == 0


def test_bits_outside_the_mask_do_not_matter():
    can, stream = opened()
    can.set_filters(((0x3FF, 0x300, 0),))
    stream.feed(b"t3000\r")
    assert len(received(can)) == 1


def test_bad_filters_are_refused_and_the_old_ones_stay():
    can, stream = opened()
    can.set_filters([(0x123, 0x7FF, 0)])
    for bad in ((0x800, 0x7FF, 0), (1, 0x800, 0), (0x20000000, 0, CAN.FLAG_EXT_ID), (-1, 0, 0)):
        assert raises(ValueError, can.set_filters, [(1, 0x7FF, 0), bad])
    assert raises(ValueError, can.set_filters, [(1, 0x7FF, 0)] * (CAN.FILTERS_MAX + 1))
    stream.feed(b"t1230\rt0010\r")
    assert received(can) == [(0x123, b"", 0)]


def test_recv_without_a_list_makes_one_that_is_the_caller_s():
    can, stream = opened()
    can.set_filters(None)
    assert can.recv() is None
    stream.feed(b"t12320A0B\rt1241FF\r")
    first, second = can.recv(), can.recv()
    assert first[0] == 0x123 and bytes(first[1]) == b"\x0a\x0b" and first[2:] == [0, 0]
    assert bytes(second[1]) == b"\xff"


def test_a_remote_frame_reads_as_zeros():
    can, stream = opened(b"t1238FFFFFFFFFFFFFFFF\r" + b"t1230\r" * 31)
    can.set_filters(None)
    for _ in range(5):
        can.poll()
    received(can)
    stream.feed(b"r1233\r")
    assert received(can) == [(0x123, bytes(3), CAN.FLAG_RTR)]


def test_modes_and_timings():
    stream = Stream()
    CAN(stream, 500_000, mode=CAN.MODE_SILENT)
    assert bytes(stream.written) == b"\rC\rS6\rL\r"
    modes = [{"mode": CAN.MODE_LOOPBACK}, {"mode": CAN.MODE_SLEEP}]
    for bad in modes + [{"sample_point": 0}, {"sample_point": 100}, {"sjw": 5}, {"tseg1": 13, "tseg2": 2}]:
        try:
            CAN(Stream(), 500_000, **bad)
            raise OSError("accepted " + repr(bad))
        except ValueError:
            pass
    can, _ = opened(bitrate=250_000, sample_point=80)
    into = [1, 2, 3, 4, 5, 6]
    assert can.get_timings(into) is into
    assert into == [250_000, None, None, None, None, None] == can.get_timings()


def test_deinit_closes_the_adapter_and_init_opens_it_again():
    can, stream = opened(b"t1230\r")
    can.set_filters(None)
    can.poll()
    can.deinit()
    assert bytes(stream.written) == b"\rC\r"
    assert can.state() == CAN.STATE_STOPPED and can.recv() is None
    assert raises(OSError, can.send, 1, b"")
    stream.written = bytearray()
    can.init(125_000)
    assert bytes(stream.written) == b"\rC\rS4\rO\r"
    assert can.state() == CAN.STATE_ACTIVE and can.send(1, b"") == 0
    stream.feed(b"t1230\r")
    assert len(received(can)) == 1, "the filters stay"


def test_cancel_send_takes_nothing_back():
    can, stream = opened()
    stream.takes = 3
    assert can.send(0x123, b"\x01") == 0
    assert can.cancel_send(0) is False
    assert raises(IndexError, can.cancel_send, 1)
    stream.takes = 1000
    can.poll()
    can.recv()
    assert bytes(stream.written) == b"t123101\r", "what has begun leaves whole"


def test_counters():
    can, stream = opened()
    can.set_filters(None)
    stream.feed(b"F04\rF20\rF04\rF20\rF80\rt1230\r")
    can.poll()
    into = list(range(8))
    assert can.get_counters(into) is into
    assert into == [None, None, 1, 2, 1, 0, 1, 0]
    can.restart()
    assert can.get_counters()[2:5] == [0, 0, 0]
    stream.feed(b"F80\r")
    can.poll()
    assert can.get_counters()[2:5] == [1, 1, 1], "no step is left out"
    can.restart()
    stream.takes = 3
    can.send(1, b"")
    assert can.get_counters()[5] == 1


def test_the_handler_hears_of_frames():
    can, stream = opened()
    can.set_filters(None)
    seen = []

    def one_a_call(bus):
        assert bus is can and bus.irq().flags() & CAN.IRQ_RX
        seen.append(bus.recv()[0])

    irq = can.irq(one_a_call, trigger=CAN.IRQ_RX)
    assert can.irq() is irq and irq.trigger() == CAN.IRQ_RX
    stream.feed(b"t1230\rt1240\rt1250\r")
    can.poll()
    assert seen == [0x123, 0x124, 0x125]
    assert irq.flags() == 0
    can.irq(None)
    stream.feed(b"t1260\r")
    can.poll()
    assert len(seen) == 3


def test_a_handler_that_takes_nothing_is_not_called_for_ever():
    can, stream = opened()
    can.set_filters(None)
    calls = []
    can.irq(lambda bus: calls.append(bus.irq().flags()), CAN.IRQ_RX)
    stream.feed(b"t1230\rt1240\r")
    can.poll()
    assert calls == [CAN.IRQ_RX]


def test_the_handler_hears_of_sent_lines_and_of_the_state():
    can, stream = opened()
    seen = []

    def handler(bus):
        while flags := bus.irq().flags():
            seen.append(flags)

    can.irq(handler, CAN.IRQ_TX | CAN.IRQ_STATE)
    can.send(1, b"")
    assert seen == [CAN.IRQ_TX]
    assert seen[0] >> CAN.IRQ_TX_IDX_SHIFT & CAN.IRQ_TX_IDX_MASK == 0
    stream.takes = 3
    can.send(1, b"")
    assert len(seen) == 1, "half a line is not sent"
    stream.takes = 100
    can.recv()
    assert seen == [CAN.IRQ_TX] * 2
    stream.feed(b"F04\r")
    can.poll()
    assert seen[2] == CAN.IRQ_STATE and can.state() == CAN.STATE_WARNING
    stream.feed(b"F00\r")
    can.poll()
    assert len(seen) == 3, "only a worse state is told"
    assert raises(ValueError, can.irq, handler, CAN.IRQ_TX_FAILED)


def test_send_in_the_handler_does_not_call_it_again():
    can, stream = opened()
    can.set_filters(None)
    inside = []
    deepest = []

    def echo(bus):
        inside.append(1)
        deepest.append(len(inside))
        bus.irq().flags()
        frame = bus.recv()
        if frame:
            bus.send(frame[0] + 1, frame[1])
        inside.pop()

    can.irq(echo, CAN.IRQ_RX | CAN.IRQ_TX)
    stream.feed(b"t1231AA\rt2230\r")
    can.poll()
    assert bytes(stream.written) == b"t1241AA\rt2240\r"
    assert max(deepest) == 1 and len(deepest) >= 2
