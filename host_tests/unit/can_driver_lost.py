"""What every CAN driver does when its SPI raises or its chip is not what it was: see can_driver_rig."""

from host_tests.unit.can_driver_faults import alone
from host_tests.unit.can_driver_rig import MS, raises
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
