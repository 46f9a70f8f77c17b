# The names of the board's inputs and outputs: slots of io.inputs and bits of io.write(). No scale, no polarity:
# those are the board's (firmware/boards/).
from micropython import const

# io.inputs, an array("i"): raw counts as the converter gave them; digital ones 0 or 1 after the board's polarity.
IN_LINK = const(0)  # DC-link voltage, converter side of K1/K2
IN_INLET = const(1)  # inlet voltage, car side of K1/K2
IN_CURRENT = const(2)  # DC current, + charges the car
IN_CC1 = const(3)  # control pilot detection point 1
IN_TEMP1 = const(4)  # connector temperature, DC+
IN_TEMP2 = const(5)  # connector temperature, DC-
IN_CONTACTOR = const(6)  # feedback contact of K1/K2: 1 closed
IN_ESTOP = const(7)  # 1 pressed (or wire broken)
IN_BUTTON = const(8)  # start/stop button: 1 pressed
IN_LOCKED = const(9)  # connector lock feedback: 1 locked
IN_PERMISSION = const(10)  # CHAdeMO line k / optocoupler j: 1 the car permits
INPUTS = const(11)

# io.write(mask): bits of what is energised.
OUT_CONTACTOR = const(1)  # K1 and K2
OUT_BLEED = const(2)  # discharge resistor across the link and the inlet
OUT_LOCK = const(4)  # connector lock
OUT_AUX = const(8)  # K3/K4: the car's auxiliary supply
OUT_ENABLE = const(16)  # module-enable of the converter
OUT_HEARTBEAT = const(32)  # toggled by every good tick; its hardware drops enable at once and the coils 100 ms later
OUT_D1 = const(64)  # CHAdeMO d1
OUT_D2 = const(128)  # CHAdeMO d2
OUT_ALL = const(255)
