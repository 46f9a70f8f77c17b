"""The serial port: which there are, how it is opened, and why it cannot be.

The port is opened once, by mpremote's own class, and DTR and RTS are left as it sets them: with both asserted, or both
released, the two transistors on an ESP32 board pull neither EN nor IO0. Asking pyserial for "released" before opening
is the mistake: the kernel asserts both on open, pyserial then releases DTR first, and DTR off with RTS on is a reset.
"""

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import serial
from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport
from serial.tools import list_ports

from hw_tests.desk.trouble import Trouble

BAUD = 115200  # what MicroPython's serial port on the ESP32 is built for
READ_TIMEOUT_s = 5.0  # of one read inside mpremote, which has none of its own
MOST_s = 60.0  # of one answer: no piece of work that the tools send takes a board longer
_LOOK_s = 0.002
_HELD_s = 2.0  # a port may still be held when it just came or was just let go: by a modem manager, by a child process


class Busy(str):
    """The sentence for a port that another program has locked: alone worth a second try."""


class Transport(SerialTransport):
    """mpremote's transport with deadlines that hold while the board keeps talking. Its own are looked at only in a
    silence, and on a pseudo-terminal never: a station that tells its state would hold the tool for ever."""

    def read_until(
        self,
        min_num_bytes: int,
        ending: bytes,
        timeout: float | None = 10,
        data_consumer: Callable[[bytes], None] | None = None,
        timeout_overall: float | None = None,
    ) -> bytes:
        """As mpremote's: what came up to `ending`, or up to a deadline."""
        data = b""
        last = begun = time.monotonic()
        while not data.endswith(ending):
            now = time.monotonic()
            if now - begun > (timeout_overall or MOST_s) or (timeout is not None and now - last > timeout):
                break
            if not self.serial.in_waiting:
                time.sleep(_LOOK_s)
                continue
            piece, last = self.serial.read(1), now
            if data_consumer:
                data_consumer(piece)
            data = piece if data_consumer else data + piece
        return data


def candidates() -> list[str]:
    """The ports that may have a board: those of USB, each with what it calls itself."""
    found = sorted(port for port in list_ports.comports() if port.vid is not None)
    return [f"{port.device} ({port.product or port.description})" for port in found]


def no_port_given(target: str) -> Trouble:
    """The sentence for a target that was called without PORT."""
    found = candidates()
    if not found:
        return Trouble(f"no PORT given, and no USB serial port is there: connect a board, then make {target} PORT=...")
    return Trouble(f"no PORT given: make {target} PORT=...; there is {', '.join(found)}")


@contextmanager
def opened(device: str) -> Iterator[Transport]:
    """mpremote's transport on a port of this machine, closed at the end whatever happens.

    Raises:
        Trouble: the port is not there, is busy, or may not be opened; or it went away meanwhile.
    """
    transport = connect(device)
    try:
        yield transport
    except (serial.SerialException, OSError) as error:
        raise Trouble(f"{device} went away ({error}): connect the board again and repeat this.") from None
    finally:
        disconnect(transport)


def connect(device: str) -> Transport:
    """The port, opened; what `opened` does where no `with` fits.

    Raises:
        Trouble: it is not there, busy for longer than a moment, or may not be opened.
    """
    begun = time.monotonic()
    while True:
        try:
            return Transport(device, baudrate=BAUD, timeout=READ_TIMEOUT_s)
        except (TransportError, serial.SerialException, OSError, ValueError):
            why = why_not(device)
        if not isinstance(why, Busy) or time.monotonic() - begun > _HELD_s:
            raise Trouble(why)
        time.sleep(_LOOK_s)


def disconnect(transport: SerialTransport) -> None:
    """Close it, also if it went away."""
    try:
        transport.close()  # RTS before DTR: the other way round would reset the board
    except (serial.SerialException, OSError):  # a pseudo-terminal has no such lines, a port that went away has nothing
        with contextlib.suppress(OSError):
            transport.serial.close()


def why_not(device: str) -> str:
    """One sentence on why a port could not be opened."""
    if not Path(device).exists():
        found = candidates()
        there = f"there is {', '.join(found)}" if found else "no USB serial port is there: is the board connected?"
        return f"there is no port {device}: {there}"
    if not os.access(device, os.R_OK | os.W_OK):
        return f"no rights on {device}: join its group (sudo usermod -aG dialout $USER), log in again and repeat this."
    try:
        serial.Serial(device, BAUD, exclusive=True).close()
    except serial.SerialException as error:
        if error.errno in (errno.EAGAIN, errno.EBUSY) or "lock" in str(error):
            return Busy(f"{device} is busy: close the program that has it open (a console?) and repeat this.")
        return f"{device} cannot be opened ({error}): is it a serial port?"
    return f"{device} could not be opened at the first try: repeat this."
