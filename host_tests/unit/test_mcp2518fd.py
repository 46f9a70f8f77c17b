"""The MCP2518FD driver against the chip's model: the checks of every driver (can_driver_rig). Both interpreters."""

from host_tests.unit import can_driver_faults, can_driver_lost, can_driver_traffic
from host_tests.unit.can_driver_rig import Desk, collect
from hw_tests.bench.chips.mcp2518fd import Mcp2518fd
from lib.mcp2518fd import CAN


class FdDesk(Desk):
    """A chip on an SPI of 10 MHz, or of 8 with a crystal of 20 MHz."""

    holds = 32

    def controller(self, bus, spi, bitrate, miso=None, crystal_Hz=40000000, kind=2518, **how):
        chip = Mcp2518fd(spi._clock, crystal_Hz, kind)
        chip.miso = miso
        chip.sck_Hz = 8000000 if crystal_Hz == 20000000 else 10000000
        bus.attach(chip, on=False)
        return chip, CAN(1, bitrate, port=(spi, spi.select(chip), chip.int_pin, crystal_Hz), **how)


collect(__name__, FdDesk, can_driver_traffic, can_driver_faults, can_driver_lost)
