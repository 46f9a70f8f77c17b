# What a rules file can say of a frame that is about to leave, after decoding its bytes. The gate judges by these
# words and never by a protocol. `rules.value` goes with some of them.
from micropython import const

NEVER = const(0)  # not listed: id, extended or not, length, content
ALWAYS = const(1)  # zero and OFF to the converter
FREE = const(2)  # listed and harmless
# to the converter
ON = const(3)
MODE = const(4)  # value: +1 charges the car, -1 discharges it
CURRENT = const(5)  # value: magnitude, dA
VOLTAGE = const(6)  # value: dV
SETUP = const(7)  # may change only while the modules report OFF
# to the car
READY = const(8)  # "our contactors are closed"
PERMIT = const(9)  # value: the direction in which current may flow now
OFFER = const(10)  # values: the largest voltage (dV) and current (dA) that we promise
TURN = const(11)  # asks the car to discharge
