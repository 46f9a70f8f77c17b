"""What every CAN driver does when its SPI raises, its chip is not what it was, or handler and program both receive: see
can_driver_rig."""

from host_tests.unit.can_driver_faults import alone
from host_tests.unit.can_driver_rig import MS, US, raises
from hw_tests.bench.chips.wire import frame


def check_a_reset_is_seen_whatever_is_asked_for_after_it(make):
    desk = make(bitrate=500000)
    desk.chip.brown_out()
    desk.can.irq(None, desk.can.IRQ_RX)
    assert desk.can.state() == desk.can.STATE_STOPPED and "reset itself" in desk.can.reason


def check_a_stopped_one_hears_nothing_of_what_its_chip_still_has(make):
    desk = make()
    desk.from_peer(frame(0x1, b"old"))
    desk.clock.wait(2 * MS)
    assert desk.received() == [frame(0x1, b"old")]
    desk.chip.miso = 255
    assert desk.can.state() == desk.can.STATE_STOPPED
    desk.can.restart()
    desk.chip.miso = None
    desk.from_peer(frame(0x2, b"late"))
    desk.clock.wait(5 * MS)
    assert desk.can.state() == desk.can.STATE_STOPPED and desk.received() == []


def check_a_spi_that_raises_stops_it(make):
    desk = make()
    desk.spi.fails = True
    assert raises(OSError, desk.can.send, 1, b"", 0)
    assert desk.can.state() == desk.can.STATE_STOPPED and desk.can.recv(desk.held) is None
    desk.can.restart()
    desk.spi.fails = False
    desk.can.restart()
    assert desk.can.state() == desk.can.STATE_ACTIVE
    for call in (desk.can.deinit, desk.can.state, desk.can.restart):
        desk.spi.fails = True
        call()
        desk.spi.fails = False
        assert desk.can._state == desk.can.STATE_STOPPED, "and CS is high again, or the next one could not be selected"
        desk.can.restart()
        assert desk.can.state() == desk.can.STATE_ACTIVE
    desk.spi.fails = True
    assert raises(OSError, desk.can.set_filters, None) and desk.can.state() == desk.can.STATE_STOPPED


def check_a_dead_spi_cancels_nothing_and_raises_nothing(make):
    desk = alone(make)
    index = desk.can.send(0x300, b"")
    desk.spi.fails = True
    assert desk.can.cancel_send(index) is False and desk.can.state() == desk.can.STATE_STOPPED
    assert desk.can.cancel_send(index) is False, "of a stopped one nothing waits"
    desk.spi.fails = False
    desk.can.restart()
    desk.spi.fails = True
    desk.can.irq(None, desk.can.IRQ_TX)
    assert desk.can.state() == desk.can.STATE_STOPPED, "nor does irq() raise"


def check_what_the_handler_took_while_recv_polled_is_not_given_again(make):
    desk = make(overhead_ns=100 * US)
    frames = [frame(0x100 + n, bytes([n])) for n in range(24)]
    got, own = [], [0, memoryview(bytearray(8)), 0, 0]

    def handler(can):
        while can.flags() and can.recv(own) is not None:
            got.append(own[0])

    desk.can.irq(handler, desk.can.IRQ_RX)
    desk.from_peer(*frames)
    desk.clock.held = True
    desk.clock.pass_ns(600 * US)
    desk.clock._queue.clear()  # the edge is lost, others come while recv() empties the chip
    desk.clock.held = False
    while len(got) < len(frames) and desk.clock.now < 100 * MS:
        if desk.can.recv(desk.held) is not None:
            got.append(desk.held[0])
        desk.clock.wait(50 * US)
    assert len(set(got)) == len(got) == len(frames) - desk.chip.overflows > 12
