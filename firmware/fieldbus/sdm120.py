# Eastron SDM120: one phase, otherwise as the SDM630. It leaves its maker with 2400 bit/s.
from firmware.fieldbus.meter import FLOAT
from firmware.station import G_POWER_W, G_EXPORT_Wh, G_FREQUENCY_mHz, G_IMPORT_Wh, G_VOLTAGE_dV

FUNCTION = 4
PROBE = (4, 0, 1, 3)
TURNAROUND_ms = 200
ROWS = (
    (G_POWER_W, 0x0C, FLOAT, 1, 1),
    (G_IMPORT_Wh, 0x48, FLOAT, 1000, 1),
    (G_EXPORT_Wh, 0x4A, FLOAT, 1000, 1),
    (G_FREQUENCY_mHz, 0x46, FLOAT, 1000, 1),
    (G_VOLTAGE_dV, 0x00, FLOAT, 10, 1),
)
