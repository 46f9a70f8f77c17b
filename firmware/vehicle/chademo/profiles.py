# What differs between cars, each under a name, chosen by what the car shows once line k is on (facts 2.2, 2.7). The
# name stands in the station's record: nothing is guessed silently. What is harmless to every car is done for all: the
# target is frozen at d2 (XPeng G3 raises it after closing), 109 tells our own measured voltage (Leafs compare it, and
# an Outlander judges its contactors by it), 108 precedes 109, the remaining time never reaches 0.
from micropython import const

from firmware.units import UNKNOWN
from firmware.vehicle.chademo.frames import CAN_DISCHARGE, DYNAMIC, FOLLOWS_108

FIRST = const(1)  # 0.9 (i-MiEV): as the next, without 102.5.3: closing and opening are seen by voltage and time
CHARGE_ONLY = const(2)  # 1.0 and later without 102.5.7: 108.3 is kept just above what flows (102.4.2 on undersupply)
CHARGE_DYNAMIC = const(3)  # the same, but 110.0.0 or 102.5.6: it stands less than it asks for
V2X_ENERGY = const(4)  # 102.5.7, 201 absent or 0 (Leaf ZE0): 200.6 and 7 are 0.1 kWh
V2X_PERCENT = const(5)  # 102.5.7, 201.0 is 1 or 2 (Leaf ZE1): they are %
V2X_DOUBT = const(6)  # 102.5.7, 201.0 is something else: the reading that gives the higher floor
NAMES = ("none", "0.9", "charge_only", "charge_dynamic", "v2x_energy", "v2x_percent", "v2x_doubt")

_ENERGY = const(0)
_PERCENT = const(1)
_DOUBT = const(2)
_FULL_permille = const(1000)


def number(ours, theirs):
    # The effective protocol number: 0 under 0.9, 1 0.9, 2 1.0 to 1.2, 3 2.0.
    return min(ours, theirs)


def choose(effective, t):
    if effective < 2:
        return FIRST
    if not t.status & CAN_DISCHARGE:
        return CHARGE_DYNAMIC if t.status & FOLLOWS_108 or t.abilities & DYNAMIC else CHARGE_ONLY
    unit = _unit(t.sequence)
    return V2X_ENERGY if unit == _ENERGY else V2X_PERCENT if unit == _PERCENT else V2X_DOUBT


def ends_idle(profile, t):
    # Some Leafs end a session in which 109.3 stays 0 (facts 2.6), also while they are discharged. 102.5.6 and 102.5.7
    # are what shows such a car; another that does it too is let go.
    return profile >= V2X_ENERGY and t.status & FOLLOWS_108


def _unit(sequence):
    # Of 200.6 and 200.7, by 201.0 and never by 102.0. Absent: as 0.
    if sequence == UNKNOWN or sequence == 0:
        return _ENERGY
    return _PERCENT if sequence <= 2 else _DOUBT


def floor_permille(raw, sequence, capacity_Wh):
    # 200.6. What cannot be read as its unit wants is read as full: no discharge.
    if raw == 0:
        return UNKNOWN  # not used
    percent = raw * 10 if raw <= 100 else _FULL_permille
    energy = _FULL_permille
    if capacity_Wh > 0:
        energy = min((raw * 100000 + capacity_Wh - 1) // capacity_Wh, _FULL_permille)
    unit = _unit(sequence)
    return percent if unit == _PERCENT else energy if unit == _ENERGY else max(percent, energy)


def ceiling_permille(raw, sequence, capacity_Wh):
    # 200.7. Doubtful: the lower one. UNKNOWN: none.
    if raw == 0:
        return UNKNOWN
    percent = min(raw * 10, _FULL_permille)
    energy = min(raw * 100000 // capacity_Wh, _FULL_permille) if capacity_Wh > 0 else percent
    unit = _unit(sequence)
    return percent if unit == _PERCENT else energy if unit == _ENERGY else min(percent, energy)
