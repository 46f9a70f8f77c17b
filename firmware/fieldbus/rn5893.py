# Dold RN5893: input registers fault and state, and the resistance in 100 ohm; bit 4 of the control register begins the
# self-test.
from micropython import const

from firmware.fieldbus.monitor import ALARM, ERROR, TESTS

FUNCTION_SELF_TEST = (6, 0, 0x10)
FUNCTION_AFTER = (6, 0, 0)
PROBE = (4, 0, 3, 4)
TURNAROUND_ms = 200
ROWS = ((4, 0, 2), (4, 2000, 1))
SELF_TEST_ms = 35000

_MEASURES = const(1)
_TESTS = const(3)
_ALARM = const(6)
_WARNS = const(7)


def took(monitor, row, line):
    # The state is asked before each resistance, and without it the resistance says nothing.
    if row == 0:
        monitor.state = line.word(1)
        monitor.fault = ERROR if line.word(0) else 0
        if monitor.state == _TESTS or monitor.fault:
            monitor.told(-1, monitor.fault | (TESTS if monitor.state == _TESTS else 0))
        return
    if monitor.state == _MEASURES or _ALARM <= monitor.state <= _WARNS:
        tenths = line.word(0)  # FFFF: more than 2 Mohm
        says = monitor.fault | (ALARM if monitor.state == _ALARM else 0)
        monitor.told(2000 if tenths == 0xFFFF else tenths // 10, says)
