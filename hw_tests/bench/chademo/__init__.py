"""The other side of the car's CAN: an emulated CHAdeMO car with V2X, with a codec of its own.

Nothing here looks at the firmware: it is written from the facts of the protocol alone, so that two independent readings
meet on the wire. "facts 2.4" in a comment is clause 2.4 of the digest of CHAdeMO (IEEE 2030.1.1, EVPS-002) that the
project works from, "log" the recorded session of a Leaf ZE0 on a bidirectional home charger.
"""
