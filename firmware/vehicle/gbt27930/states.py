# The charger's states (facts 1.6), in the order of a session.
from micropython import const

IDLE = const(0)
PLUGGED = const(1)  # nothing on yet
LOCKING = const(2)
PROPOSE = const(3)  # CDC: V1.12 trial
HELLO = const(4)  # CHM
INSULATION = const(5)
DISCHARGED = const(6)  # after the insulation test, until the link is bled
IDENTIFY = const(7)  # CRM 00
ACCEPT = const(8)  # CRM AA
CONFIGURE = const(9)  # CTS, CML
PRECHARGE = const(10)  # CRO 00
CLOSED = const(11)  # CRO AA
ENERGY = const(12)  # CCS
RETRY = const(13)  # after CEM or BEM, on the way back to IDENTIFY
STOPPING = const(14)  # CST
STATISTICS = const(15)  # CSD
WELD = const(16)
BLEEDING = const(17)
UNLOCKING = const(18)
ENDED = const(19)
