# Each CAN controller hears itself in loopback: every length, both kinds of id, nothing lost, in bounded time.
# Needs: nothing wired. A chip that the board's data name and that does not answer is a failure, not a skip.
import time

import onboard

_FRAMES = 54
_LIMIT_us = 2000  # of sending one and reading it back: two frames at 500 kbit/s are 0.5 ms
_WAIT_ms = 20


def first():
    board = onboard.the_board()
    for which in ("car", "converter"):
        try:
            can = onboard.bus(board, which, 500000)
        except onboard.Skip as reason:
            onboard.skip(which, reason)
        except OSError as error:
            onboard.result(which + " answers", False, note=str(error))
        else:
            _loop(which, can)
            can.deinit()


def _loop(which, can):
    onboard.result(which + " answers", True)
    can.init(500000, mode=can.MODE_SILENT_LOOPBACK)  # inside the chip: nothing leaves, all chips have it
    can.set_filters(None)
    wrong = lost = 0
    into = [0, memoryview(bytearray(8)), 0, 0]
    start = time.ticks_us()
    for number in range(_FRAMES):
        ext, length = number & 1, number % 9
        frame = (0x18FF0000 | number if ext else 0x100 | number, bytes(range(number, number + length)), 2 * ext)
        got = _there_and_back(can, frame, into)
        lost += got is None
        wrong += got is not None and got != frame
    spent_us = time.ticks_diff(time.ticks_us(), start)
    onboard.at_most(which + " frames lost", lost, 0, "of %d" % _FRAMES)
    onboard.at_most(which + " frames spoilt", wrong, 0, "of %d" % _FRAMES)
    onboard.at_most(which + " time a frame, sent and read", spent_us // _FRAMES, _LIMIT_us, "us")


def _there_and_back(can, frame, into):
    if can.send(frame[0], frame[1], frame[2]) is None:
        return None
    start = time.ticks_ms()
    while time.ticks_diff(time.ticks_ms(), start) < _WAIT_ms:
        got = can.recv(into)
        if got is not None:
            return (got[0], bytes(got[1]), got[2] & 2)
    return None


onboard.run(first=first)
