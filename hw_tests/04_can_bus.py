# The two controllers, wired together, hear each other at the rates of a station.
# Needs: CANH to CANH and CANL to CANL of both, two resistors of 120 ohm, nobody else on the bus. It is there if a frame
# is acknowledged; if not, the test is skipped, or with WIRED=can_bus failed.
import time

import onboard

_FRAMES = 200
_RATES = (125000, 250000, 500000)
_WAIT_ms = 100
_ERRORS = 0
_LOOK = 4


def first():
    board = onboard.the_board()
    pair = [onboard.bus(board, which, _RATES[0]) for which in ("car", "converter")]
    for can in pair:
        can.init(_RATES[0])
        can.set_filters(None)
    if not _there(pair):
        for can in pair:
            can.deinit()
        if "can_bus" in onboard.WIRED:
            onboard.result("the buses are wired together", False, note="no frame arrives: CANH, CANL, 120 ohm twice")
            return
        raise onboard.Skip("no frame arrives: wire CANH to CANH and CANL to CANL, with 120 ohm twice")
    for rate in _RATES:
        _both_ways(pair, rate)
    for can in pair:
        can.deinit()


def _there(pair):
    pair[0].send(0x7F0, b"wired?")
    got = _next(pair[1])
    if got is None:
        pair[0].cancel_send(0)
    return got is not None


def _both_ways(pair, rate):
    for can in pair:
        can.init(rate)
        can.set_filters(None)
    worst = 0
    for name, sender, receiver in (("car to converter", 0, 1), ("converter to car", 1, 0)):
        lost, disorder, spent_us, errors = _stream(pair[sender], pair[receiver])
        worst = max(worst, errors)
        kbit = "%d kbit/s, " % (rate // 1000)
        onboard.at_most(kbit + name + ": lost", lost, 0, "of %d" % _FRAMES)
        onboard.at_most(kbit + name + ": out of order", disorder, 0, "of %d" % _FRAMES)
        # An extended frame of 8 bytes is at most 160 bits; as much again for both drivers at 500 kbit/s.
        limit_us = 160 * 1000000 // rate + 2500
        onboard.at_most(kbit + name + ": time a frame", spent_us // _FRAMES, limit_us, "us")
    onboard.at_most("%d kbit/s, error counters" % (rate // 1000), worst, _ERRORS, "", "highest of both, meanwhile")


def _stream(sender, receiver):
    lost = disorder = errors = 0
    start = time.ticks_us()
    for number in range(_FRAMES):
        sender.send(0x18FF1234, bytes((number & 255, number >> 8, 0, 1, 2, 3, 4, 5)), 2)
        got = _next(receiver)
        if got is None:
            lost += 1
        elif got[0] != 0x18FF1234 or got[1][0] | got[1][1] << 8 != number:
            disorder += 1
        if number % _LOOK == 0:  # a frame that was sent takes 1 from what an error has added
            errors = max(errors, _errors(sender), _errors(receiver))
    return lost, disorder, time.ticks_diff(time.ticks_us(), start), errors


def _errors(can):
    tec, rec = can.get_counters()[:2]
    return tec + rec


def _next(can):
    start = time.ticks_ms()
    while time.ticks_diff(time.ticks_ms(), start) < _WAIT_ms:
        got = can.recv()
        if got is not None:
            return got
    return None


onboard.run(first=first)
