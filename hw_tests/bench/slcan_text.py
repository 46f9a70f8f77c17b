"""slcan (LAWICEL ASCII) as the bench reads and writes it, and candump's log lines."""

from hw_tests.bench.frame import Frame

BITRATES = {b"0": 10_000, b"1": 20_000, b"2": 50_000, b"3": 100_000, b"4": 125_000, b"5": 250_000, b"6": 500_000,
            b"7": 800_000, b"8": 1_000_000}  # fmt: skip
FRAMES = (b"t", b"T", b"r", b"R")


class Remote(Frame):
    """A remote frame: it has a length (that of `data`) and carries nothing."""


def line_of(frame: Frame) -> bytes:
    """With the carriage return."""
    length = len(frame.data)
    if isinstance(frame, Remote):
        return (b"R%08X%d\r" if frame.ext else b"r%03X%d\r") % (frame.id, length)
    head = (b"T%08X%d" if frame.ext else b"t%03X%d") % (frame.id, length)
    return head + frame.data.hex().upper().encode() + b"\r"


def frame_of(line: bytes) -> Frame:
    """A line that begins with t, T, r or R, without the carriage return; ValueError if it is no frame."""
    kind, ext = line[:1], line[:1] in (b"T", b"R")
    digits = 8 if ext else 3
    can_id = int(line[1 : 1 + digits], 16)
    length = int(line[1 + digits : 2 + digits])
    text = line[2 + digits :]
    if length > 8 or can_id >= 1 << (29 if ext else 11):
        raise ValueError(f"no CAN frame: {line!r}")
    if kind in (b"r", b"R"):
        return Remote(can_id, ext, bytes(length))
    data = bytes.fromhex(text.decode("ascii"))
    if len(data) != length:
        raise ValueError(f"no CAN frame: {line!r}")
    return Frame(can_id, ext, data)


def candump(time_s: float, interface: str, frame: Frame) -> str:
    """One line of `candump -L`, without the end of line."""
    data = "R" if isinstance(frame, Remote) else frame.data.hex().upper()
    can_id = f"{frame.id:08X}" if frame.ext else f"{frame.id:03X}"
    return f"({time_s:.6f}) {interface} {can_id}#{data}"
