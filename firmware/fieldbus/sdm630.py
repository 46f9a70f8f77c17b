# Eastron SDM630-V2: three phases, input registers, IEEE 754, high word first. Watts below zero are export.
from firmware.fieldbus.meter import FLOAT
from firmware.station import (
    G_POWER_W,
    G_EXPORT_Wh,
    G_FREQUENCY_mHz,
    G_IMPORT_Wh,
    G_VOLTAGE2_dV,
    G_VOLTAGE3_dV,
    G_VOLTAGE_dV,
)

FUNCTION = 4
PROBE = (4, 0, 4, 6)  # the phase voltages and currents
TURNAROUND_ms = 200
ROWS = (
    (G_POWER_W, 0x34, FLOAT, 1, 1),
    (G_IMPORT_Wh, 0x48, FLOAT, 1000, 1),
    (G_EXPORT_Wh, 0x4A, FLOAT, 1000, 1),
    (G_FREQUENCY_mHz, 0x46, FLOAT, 1000, 1),
    (G_VOLTAGE_dV, 0x00, FLOAT, 10, 1),
    (G_VOLTAGE2_dV, 0x02, FLOAT, 10, 1),
    (G_VOLTAGE3_dV, 0x04, FLOAT, 10, 1),
)
