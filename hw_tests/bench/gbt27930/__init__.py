"""The other side of the car's CAN: an emulated GB/T 27930 car, with a codec of its own.

Nothing here looks at the firmware: it is written from the facts of the standard alone, so that two independent readings
meet on the wire. "facts 1.4" in a comment is clause 1.4 of the digest of GB/T 27930-2015 that the project works from.
"""
