# Relays move when told, in the time that the board's data say, and their feedback tells it.
# Needs: WIRED=relays: supply of the coils, K1/K2 with their mirror contact, the lock with its feedback, and the
# heartbeat's chain. Link and inlet dead: checked.
import time

import onboard

_LOCK_ms = 500
_BEAT_ms = 10
_BETWEEN_ms = 200


def first():
    board = onboard.the_board()
    io = onboard.pins(board)
    onboard.need("relays", "coils, feedback and the heartbeat's chain")
    onboard.dead(board, io)
    hold = onboard.bit(board, "heartbeat")
    try:
        _relay(board, io, "contactor", "contactor", board.RELAY_ms, hold)
        _relay(board, io, "lock", "locked", _LOCK_ms, hold)
        _chain(board, io, hold)
    finally:
        io.write(0)


def _relay(board, io, output, feedback, limit_ms, hold):
    out, into = onboard.bit(board, output), onboard.slot(board, feedback)
    _beat(io, 0, hold, _BETWEEN_ms)  # the chain gives the coils their supply
    before = _read(io, into)
    onboard.result(output + " is open before", before == 0, before, 0)
    closed_ms = _until(io, out, hold, into, 1, limit_ms + _BETWEEN_ms)
    _judge(output + " closes", closed_ms, limit_ms)
    _beat(io, out, hold, _BETWEEN_ms)
    opened_ms = _until(io, 0, hold, into, 0, limit_ms + _BETWEEN_ms)
    _judge(output + " opens", opened_ms, limit_ms)


def _judge(name, took_ms, limit_ms):
    if took_ms is None:
        onboard.result(name, False, None, limit_ms, "ms", "the feedback does not change: coil, contact or wire")
    else:
        onboard.at_most(name, took_ms, limit_ms, "ms")


def _chain(board, io, hold):
    # Without the heartbeat the chain takes the coils' supply away, whatever the output says.
    out, into = onboard.bit(board, "contactor"), onboard.slot(board, "contactor")
    if _until(io, out, hold, into, 1, board.RELAY_ms + _BETWEEN_ms) is None:
        return
    start = time.ticks_ms()
    while time.ticks_diff(time.ticks_ms(), start) < 1000 and _read(io, into):
        pass
    lost_ms = time.ticks_diff(time.ticks_ms(), start)
    onboard.at_most("coils drop without a heartbeat", lost_ms, 150 + board.RELAY_ms, "ms", "50 ms to notice, 100 ms on")
    onboard.at_least("and not before module-enable had its time", lost_ms, 100, "ms")


def _until(io, mask, hold, into, wanted, limit_ms):
    # ms until the feedback shows it, the heartbeat beating; None: it never did.
    start = beat_at = time.ticks_ms()
    beat = 0
    io.write(mask)
    while time.ticks_diff(time.ticks_ms(), start) <= limit_ms:
        if time.ticks_diff(time.ticks_ms(), beat_at) >= _BEAT_ms:
            beat_at = time.ticks_ms()
            beat ^= hold
            io.write(mask | beat)
        if _read(io, into) == wanted:
            return time.ticks_diff(time.ticks_ms(), start)
    return None


def _beat(io, mask, hold, ms):
    for _ in range(ms // _BEAT_ms):
        io.write(mask | hold)
        time.sleep_ms(_BEAT_ms // 2)
        io.write(mask)
        time.sleep_ms(_BEAT_ms // 2)


def _read(io, into):
    io.sample()
    return io.inputs[into]


onboard.run(first=first)
