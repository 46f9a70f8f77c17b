# Outputs are at their safe level after a reset, after a soft reset and after an exception in the tick.
# Needs: a flashed board. Its drivers may be wired; link and inlet dead: checked, or nothing is switched.
# For half a second every output is on, the heartbeat still: the chain keeps coils and module-enable off.
import onboard

_ALL = 0xFF
_TICKS = 5


def first():
    onboard.the_board()
    onboard.again("after_reset", onboard.HARD, 15000)


def after_reset():
    board = onboard.the_board()
    _judge(board, "after a reset")
    io = onboard.pins(board)
    onboard.dead(board, io)
    _all_on(board, io)
    onboard.again("after_soft_reset", onboard.SOFT, 15000)


def after_soft_reset():
    # boot.py alone has run: a soft reset leaves the pads as they were (machine_pin.c), and they were all on.
    board = onboard.the_board()
    _judge(board, "after a soft reset")
    io = onboard.pins(board)
    onboard.dead(board, io)
    _exception(board, io)


def _exception(board, io):
    ticks = [0]

    def fail(proxy):
        ticks[0] += 1
        if ticks[0] == _TICKS:
            _all_on(board, io)
            proxy.outputs = _ALL
            raise RuntimeError("asked for by 01_pins_safe")

    try:
        onboard.station(onboard.Proxy(io, fail), onboard.NoServices())
        name = "nothing"
    except Exception as error:
        name = type(error).__name__
    onboard.result("the tick's exception ends the station", name == "Lost", name, "Lost")
    _judge(board, "after an exception")


def _all_on(board, io):
    # Pad by pad: what is judged is how they are taken back, not the mask that somebody believes in.
    for name, pin, on in board.OUTPUTS:
        if pin is not None:
            onboard.pad(board, name)[0].value(on)
    off = [name for name, pin, on in board.OUTPUTS if pin is not None and onboard.pad(board, name)[0].value() != on]
    onboard.result("every output can be switched on", not off, " ".join(off) or "all", "all", "", "at its pad")
    io.outputs = _ALL


def _judge(board, when):
    live = [name for name, pin, on in board.OUTPUTS if pin is not None and onboard.pad(board, name)[0].value() == on]
    onboard.result("outputs off " + when, not live, " ".join(live) or "all off", "all off")


onboard.run(first=first, after_reset=after_reset, after_soft_reset=after_soft_reset)
