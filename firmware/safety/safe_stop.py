# The way out of everything: an exception in the tick, `finally`, the end of the program. Short, bounded in time, and it
# trusts nobody: not the gate that may be what broke, not the link to the sensors, not the bus. Same order as
# firmware/safety/sequence.py. The heartbeat is not toggled: its hardware drops module-enable now and the coils 100 ms
# later, should this not get that far.
from micropython import const

from firmware.safety.infypower_rules import OFF, OFF_ID, ZERO
from firmware.signals import OUT_AUX, OUT_BLEED, OUT_CONTACTOR, OUT_D1, OUT_D2, OUT_LOCK
from firmware.units import age_ms

_EXT = const(2)  # machine.CAN FLAG_EXT_ID
_OPEN_dA = const(50)
_SAFE_dV = const(600)
_OPEN_AFTER_ms = const(60)  # contacts part by 90 ms with a relay of 30 ms
_SETTLE_ms = const(50)  # the relay
_BLEED_ms = const(5000)
_D1_ms = const(500)  # CHAdeMO: d1 so long after d2


def safe_stop(io, converter_can, gate, ticks_ms, sleep_ms):
    # 1 zero and OFF, module-enable off; 2 open; 3 bleed; 4 auxiliary supply, d2, d1 off; 5 unlock at a safe voltage.
    held = gate.sequence.held & (OUT_CONTACTOR | OUT_LOCK | OUT_AUX | OUT_D1 | OUT_D2)
    _tell(converter_can, gate, ticks_ms)
    _hold(io, gate, held, ticks_ms, sleep_ms, _OPEN_AFTER_ms, _current_gone)
    held &= ~OUT_CONTACTOR
    _hold(io, gate, held, ticks_ms, sleep_ms, _SETTLE_ms, _is_open)
    _tell(converter_can, gate, ticks_ms)
    _hold(io, gate, held | OUT_BLEED, ticks_ms, sleep_ms, _BLEED_ms, _is_low)
    if held & OUT_D2:
        _hold(io, gate, held & (OUT_LOCK | OUT_D1), ticks_ms, sleep_ms, _D1_ms, _never)
    held &= OUT_LOCK
    _hold(io, gate, held, ticks_ms, sleep_ms, 0, _is_low)
    sensed, safe_dV = gate.sensed, gate.car.UNLOCK_dV
    if sensed.fresh and not sensed.contactor and sensed.link_dV < safe_dV and sensed.inlet_dV < safe_dV:
        _hold(io, gate, 0, ticks_ms, sleep_ms, 0, _is_low)


def _tell(can, gate, ticks_ms):
    # Broadcast OFF, then no current. A dead bus does not keep the contactors closed.
    for data in (OFF, ZERO):
        try:
            if gate.vet_converter(OFF_ID, 1, data, ticks_ms()):
                can.send(OFF_ID, data, _EXT)
        except Exception as error:
            _say(error)


def _hold(io, gate, mask, ticks_ms, sleep_ms, limit_ms, done):
    # Energise `mask`, then wait until `done`, at most `limit_ms` by the clock and by count (a clock may stand still).
    try:
        io.write(mask)
    except Exception as error:
        _say(error)
    start = ticks_ms()
    for _ in range(limit_ms):
        if age_ms(ticks_ms(), start) >= limit_ms or (_sampled(io, gate, ticks_ms()) and done(gate.sensed)):
            return
        sleep_ms(1)


def _sampled(io, gate, now):
    try:
        gate.observe_inputs(io.inputs, io.sample(), now)
    except (
        Exception
    ):  # said once by whoever called us; a word each millisecond would cost the time that is bounded here
        return False
    return gate.sensed.fresh


def _current_gone(sensed):
    return -_OPEN_dA <= sensed.current_dA <= _OPEN_dA


def _is_open(sensed):
    return not sensed.contactor


def _is_low(sensed):
    return not sensed.contactor and sensed.link_dV < _SAFE_dV and sensed.inlet_dV < _SAFE_dV


def _never(sensed):
    return False


def _say(error):
    print("safe_stop:", error)
