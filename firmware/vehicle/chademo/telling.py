# What the charger says, written into the frame in the tick in which it leaves (facts 2.3). Present values are the
# board's own measurement: a car compares them with its own.
from firmware.contract import CHARGE, DISCHARGE
from firmware.station import S_CURRENT_dA, S_INLET_dV
from firmware.units import UNKNOWN
from firmware.vehicle.chademo.frames import CHARGING, DYNAMIC, c108, c109, c118, c208, c209
from firmware.vehicle.chademo.outbox import O_108, O_109, O_118, O_208
from firmware.vehicle.chademo.settings import SEQUENCE, WELD_CHECK, INPUT_dV


def tell(s, slot):
    d = s.out.frames[slot].data
    if slot == O_109:
        voltage_dV = s.sense[S_INLET_dV]
        charge_dA = flowing_dA(s) if s.want.direction != DISCHARGE else 0
        c109(d, s.settings.number, voltage_dV, charge_dA, s.compatible, s.status, s.minutes)
    elif slot == O_108:
        c108(d, WELD_CHECK, s.most_dV, s.most_dA, min(s.told.battery_max_dV, s.most_dV))
    elif slot == O_208:
        discharge_dA = flowing_dA(s) if s.want.direction != CHARGE else 0
        # The first 208 of the recording offers nothing yet; so does ours until line k is on.
        c208(d, discharge_dA, INPUT_dV, s.own_dA if s.profile else 0, s.least_dV)
    elif slot == O_118:
        c118(d, DYNAMIC)
    else:
        c209(d, SEQUENCE, s.discharge_min)


def flowing_dA(s):
    # House sign. Nothing flows unless 109.5 says so: a sensor's noise is not told.
    current_dA = s.sense[S_CURRENT_dA]
    return current_dA if s.status & CHARGING and current_dA != UNKNOWN else 0
