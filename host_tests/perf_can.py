"""`make perf`, the CAN drivers: SPI transactions and bytes a frame, CPU a frame, frames a second that can be kept up.

The driver runs on 32-bit MicroPython over a stub of the SPI that answers from a list (host_tests/board/can_bench.py),
so that callgrind counts the driver alone: the instructions of a frame are the difference of two loop lengths, with what
the stub itself takes subtracted. Transactions and bytes are counted by the stub. Time of a frame on an ESP32 =
instructions x 11 ns + bytes at 10 MHz + 50 us for every SPI call (the low end of 50 to 110 us that are published for
ESP-IDF; a guess until a board has measured it).
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CALLGRIND = ROOT / "build" / "bin" / "callgrind"
NS_AN_INSTRUCTION = 11
BYTE_ns = 800
CALL_ns = 50_000
DRIVERS = ("mcp2515", "mcp2518fd")
SHORT, LONG = 100, 300


def counted(driver: str, what: str, frames: int) -> tuple[int, float, float]:
    """Instructions of the whole run; transactions and bytes a frame."""
    out = ROOT / "build" / "perf" / "can.callgrind"
    out.parent.mkdir(parents=True, exist_ok=True)
    command = [str(CALLGRIND), f"--out={out}", "-X", "heapsize=1M", "host_tests/board/can_bench.py"]
    done = subprocess.run([*command, driver, what, str(frames)], cwd=ROOT, capture_output=True, text=True, timeout=300)
    text = done.stdout + done.stderr
    told = re.search(r"transactions (\d+) bytes (\d+) frames (\d+)", text)
    if done.returncode or not told:
        sys.exit(f"perf: {driver} {what}: {text[-500:]}")
    totals = [int(line.split()[1]) for line in out.read_text().splitlines() if line.startswith(("totals:", "summary:"))]
    out.unlink()
    return max(totals), int(told[1]) / int(told[3]), int(told[2]) / int(told[3])


def row(driver: str, what: str) -> str:
    """One line of the table."""
    short, _, _ = counted(driver, what, SHORT)
    long, transactions, size = counted(driver, what, LONG)
    stub_short, _, _ = counted(driver, f"{what}_stub", SHORT)
    stub_long, _, _ = counted(driver, f"{what}_stub", LONG)
    instructions = ((long - short) - (stub_long - stub_short)) / (LONG - SHORT)
    cpu_us = instructions * NS_AN_INSTRUCTION / 1000
    spi_us = (transactions * CALL_ns + size * BYTE_ns) / 1000
    return (
        f"{driver:12} {what:8} {transactions:5.2f} transactions {size:5.1f} bytes {instructions:8,.0f} instructions "
        f"= {cpu_us:4.0f} us CPU + {spi_us:4.0f} us SPI = {1e6 / (cpu_us + spi_us):5.0f} frames/s"
    )


def main() -> None:
    """Print the table."""
    print("CAN drivers, a frame of 8 bytes:")
    for driver in DRIVERS:
        for what in ("receive", "send"):
            print(row(driver, what), flush=True)


if __name__ == "__main__":
    main()
