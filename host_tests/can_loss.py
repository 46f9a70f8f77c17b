"""What a CAN controller loses while the interpreter is held: `python -m host_tests.can_loss` prints the tables.

The bus is full of extended frames of 8 bytes back to back, the worst there is. The chip's model and the real driver
take them; once the interpreter is held, at eight moments of a frame. Lost is what the chip had no buffer for. Each SPI
call costs 50 us besides its bytes; the driver's own instructions take no time here. The numbers stand in docs/can.md,
and test_can_loss.py holds them against this measurement.
"""

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
for _path in (ROOT / "host_tests" / "shims", ROOT / "lib", ROOT):
    if str(_path) not in sys.path:
        sys.path.insert(0, str(_path))

from hw_tests.bench.chips.board import Clock, Spi  # noqa: E402  (the shims must be on the path)
from hw_tests.bench.chips.bus import Bus  # noqa: E402
from hw_tests.bench.chips.mcp2515 import Mcp2515  # noqa: E402
from hw_tests.bench.chips.mcp2518fd import Mcp2518fd  # noqa: E402
from hw_tests.bench.chips.node import Peer  # noqa: E402
from hw_tests.bench.chips.wire import frame, length_bits  # noqa: E402
from lib import mcp2515, mcp2518fd  # noqa: E402

RATES = (250_000, 500_000)
HOLDS_ms = {"mcp2515": (1, 2, 5), "mcp2518fd": (1, 2, 5, 20)}
_MADE: dict[str, tuple[Any, Any, int]] = {
    "mcp2515": (Mcp2515, mcp2515.CAN, 16_000_000),
    "mcp2518fd": (Mcp2518fd, mcp2518fd.CAN, 40_000_000),
}
_SPI_CALL_ns = 50_000
_MS = 1_000_000


def lost(kind: str, bitrate: int, hold_ns: int, phase_ns: int) -> int:
    """Frames lost by one hold that begins `phase_ns` after a steady state was reached."""
    bus = Bus(bitrate)
    clock = Clock(bus)
    spi = Spi(clock, overhead_ns=_SPI_CALL_ns)
    peer = bus.attach(Peer())
    model, driver, crystal_Hz = _MADE[kind]
    chip = model(clock, crystal_Hz)
    bus.attach(chip, on=False)
    can = driver(1, bitrate, port=(spi, spi.select(chip), chip.int_pin, crystal_Hz), rx_frames=200)
    can.set_filters(None)
    frames = [frame(0x181056F4, bytes([n, 0x5A, 7 * n & 255, 0, 0xFF, n ^ 0x33, 0x11, n]), ext=1) for n in range(130)]
    for f in frames:
        peer.send(f, clock.now)
    clock.wait(2 * _MS + phase_ns)
    if chip.overflows:
        raise RuntimeError("the driver does not keep up even without a hold")
    clock.hold(hold_ns)
    clock.wait(130 * 160 * 1_000_000_000 // bitrate)
    if len(peer.outbox) != len(frames):
        raise RuntimeError("the peer could not send all")
    return chip.overflows


def measure(kind: str = "mcp2515") -> dict[tuple[int, int], tuple[int, int]]:
    """(bit rate, hold in ms) -> fewest and most frames lost, over eight moments of a frame."""
    table = {}
    for bitrate in RATES:
        frame_ns = length_bits(frame(0x181056F4, bytes(range(8)), ext=1)) * 1_000_000_000 // bitrate
        for hold_ms in HOLDS_ms[kind]:
            found = [lost(kind, bitrate, hold_ms * _MS, frame_ns * phase // 8) for phase in range(8)]
            table[bitrate, hold_ms] = min(found), max(found)
    return table


def rows(kind: str = "mcp2515") -> list[str]:
    """The table as docs/can.md has it."""
    holds = HOLDS_ms[kind]
    out = ["| bit rate | " + " | ".join(f"held {hold} ms" for hold in holds) + " |", "|---" * (1 + len(holds)) + "|"]
    table = measure(kind)
    for bitrate in RATES:
        cells = [f"{least} to {most}" for least, most in (table[bitrate, hold] for hold in holds)]
        out.append(f"| {bitrate // 1000} kbit/s | " + " | ".join(cells) + " |")
    return out


if __name__ == "__main__":
    for name in HOLDS_ms:
        print(name, *rows(name), sep="\n")
