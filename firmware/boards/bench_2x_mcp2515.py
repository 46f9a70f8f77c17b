# The ESP32 with two MCP2515 on the bench (`make bench`, docs/bench.md). Data only: chips and safe levels are that
# board's; pins and their scales are the bench's, over the console. Nothing ever writes one of its outputs.
from firmware.boards import esp32_2x_mcp2515 as CHIPS
from firmware.boards.bench import (  # noqa: F401
    RATED_W,
    SCALE,
    CAN_CAR_bit_s,
    CAN_CONVERTER_bit_s,
    RATED_dA,
    RATED_dV,
    RELAY_ms,
)

NAME = "bench_2x_mcp2515"
WIRES = "console_wires"  # of lib/
OUTPUTS = CHIPS.OUTPUTS  # for boot.py
CAN_RX_FRAMES = CHIPS.CAN_RX_FRAMES
IDLE_ms = CHIPS.IDLE_ms
WATCHDOG_ms = CHIPS.WATCHDOG_ms
