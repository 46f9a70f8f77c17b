# The charger's states (facts 2.5), in the order of a session, and the phase that each shows to the house.
from micropython import const

from firmware.station import (
    PH_BLEED,
    PH_CHARGE,
    PH_CONFIGURE,
    PH_ENDED,
    PH_HANDSHAKE,
    PH_IDENTIFY,
    PH_IDLE,
    PH_INSULATION,
    PH_PLUGGED,
    PH_PRECHARGE,
    PH_STOPPING,
    PH_WELD_CHECK,
)

IDLE = const(0)
PLUGGED = const(1)  # nothing on yet
HELLO = const(2)  # d1 on: until the car speaks
OFFER = const(3)  # 108, 109: until the car permits (k and 102.5.0)
ACCEPT = const(4)  # permitted: until everything was said once more
LOCKING = const(5)
INSULATION = const(6)
DISCHARGED = const(7)  # after the insulation test, until the inlet is empty
CLOSING = const(8)  # d2 on: until the car's contactors are closed
PRECHARGE = const(9)  # until ours are closed, and the car asks for current
ENERGY = const(10)  # 109.5 = 05
STOPPING = const(11)  # 109.5 = 25: until no current flows
OPENING = const(12)  # 109.5 = 24: until the car has checked and opened its contactors
WELD = const(13)
RELEASE = const(14)  # d2 off
BLEEDING = const(15)  # d1 off: until the connector is dead
UNLOCKING = const(16)  # 109.5 = 20
ENDED = const(17)

PHASES = bytes(
    (PH_IDLE, PH_PLUGGED, PH_HANDSHAKE, PH_IDENTIFY, PH_CONFIGURE, PH_CONFIGURE, PH_INSULATION, PH_INSULATION,
     PH_PRECHARGE, PH_PRECHARGE, PH_CHARGE, PH_STOPPING, PH_WELD_CHECK, PH_WELD_CHECK, PH_BLEED, PH_BLEED, PH_BLEED,
     PH_ENDED)
)  # fmt: skip
