# Bender isoCHA425HV. One measurement is four holding registers: ohms as IEEE 754, a word of alarm(10:8), test(15:14)
# and valid(7:6), and the channel.
from registers import float32

FUNCTION_SELF_TEST = (6, 8005, 0x5445)
FUNCTION_AFTER = ()
PROBE = (3, 1000, 8, 12)  # the next measurements, too
TURNAROUND_ms = 200
ROWS = ((3, 1000, 4),)
SELF_TEST_ms = 35000  # its own is over within 30 s


def took(monitor, row, line):
    status = line.word(2)
    alarm = status >> 8 & 7
    valid = status >> 6 & 3
    ohm = float32(line.word(0), line.word(1), 1)
    if valid == 1:
        ohm = 0  # less than is shown: no evidence of anything
    elif valid == 3 or ohm is None:
        ohm = -1
    # 2 is an error of the device, 4 a warning, 5 an alarm.
    kohm = ohm // 1000 if ohm >= 0 else -1
    monitor.told(kohm, 1 if alarm >= 4 else 0, 1 if alarm == 2 else 0, 1 if status >> 14 else 0)
