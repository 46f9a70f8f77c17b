# Chint DTSU666: three phases, holding registers, IEEE 754, high word first. Its documents disagree on whether V, W and
# Hz come plain or in units of 0.1 V, 0.1 W and 0.01 Hz: the latter is dtsu666_tenths.py. Read a known value when it is
# fitted.
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

FUNCTION = 3
PROBE = (3, 0x2006, 4, 6)  # the phase voltages
TURNAROUND_ms = 200
ROWS = (
    (G_POWER_W, 0x2012, FLOAT, 1, 1),
    (G_IMPORT_Wh, 0x101E, FLOAT, 1000, 1),
    (G_EXPORT_Wh, 0x1028, FLOAT, 1000, 1),
    (G_FREQUENCY_mHz, 0x2044, FLOAT, 1000, 1),
    (G_VOLTAGE_dV, 0x2006, FLOAT, 10, 1),
    (G_VOLTAGE2_dV, 0x2008, FLOAT, 10, 1),
    (G_VOLTAGE3_dV, 0x200A, FLOAT, 10, 1),
)
