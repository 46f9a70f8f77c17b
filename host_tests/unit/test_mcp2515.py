"""The MCP2515 driver against the chip's model: the checks of every driver (can_driver_rig). Both interpreters."""

from host_tests.unit import can_driver_faults, can_driver_lost, can_driver_traffic
from host_tests.unit.can_driver_rig import Desk, collect
from hw_tests.bench.chips.mcp2515 import Mcp2515
from lib.mcp2515 import CAN


class McpDesk(Desk):
    """A 16 MHz chip on a 10 MHz SPI."""

    def controller(self, bus, spi, bitrate, miso=None, **how):
        chip = Mcp2515(spi._clock, 16000000)
        chip.miso = miso
        bus.attach(chip, on=False)
        return chip, CAN(1, bitrate, port=(spi, spi.select(chip), chip.int_pin, 16000000), **how)


collect(__name__, McpDesk, can_driver_traffic, can_driver_faults, can_driver_lost)
