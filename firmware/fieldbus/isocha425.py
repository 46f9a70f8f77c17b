# Bender isoCHA425HV. One measurement is four holding registers: ohms as IEEE 754, a word of alarm(10:8), test(15:14)
# and valid(7:6), and the channel.
from registers import float32

from firmware.fieldbus.monitor import ALARM, ERROR, TESTS

FUNCTION_SELF_TEST = (6, 8005, 0x5445)
FUNCTION_AFTER = ()
PROBE = (3, 1000, 8, 12)  # the next measurements, too
TURNAROUND_ms = 200
ROWS = ((3, 1000, 4),)
SELF_TEST_ms = 35000  # its own is over within 30 s


def took(monitor, row, line):
    status = line.word(2)
    kohm = _kohm(line, status >> 6 & 3)
    says = TESTS if status >> 14 else 0
    status = status >> 8 & 7  # 2 is an error of the device, 4 a warning, 5 an alarm
    if status == 2:
        says |= ERROR
    elif status >= 4:
        says |= ALARM
    monitor.told(kohm, says)


def _kohm(line, valid):
    if valid == 1:
        return 0  # less than is shown: no evidence of anything
    if valid == 3:
        return -1
    ohm = float32(line.word(0), line.word(1), 1)
    return ohm // 1000 if ohm is not None and ohm >= 0 else -1
