# A Chint DTSU666 whose units are 0.1 V, 0.1 W and 0.01 Hz (see dtsu666.py); its energies are plain.
from firmware.fieldbus import dtsu666
from firmware.station import G_POWER_W, G_FREQUENCY_mHz, G_VOLTAGE2_dV, G_VOLTAGE3_dV, G_VOLTAGE_dV

FUNCTION = dtsu666.FUNCTION
PROBE = dtsu666.PROBE
TURNAROUND_ms = dtsu666.TURNAROUND_ms
_SCALES = {G_POWER_W: (1, 10), G_FREQUENCY_mHz: (10, 1), G_VOLTAGE_dV: (1, 1), G_VOLTAGE2_dV: (1, 1),
           G_VOLTAGE3_dV: (1, 1)}  # fmt: skip
ROWS = tuple([row[:3] + _SCALES.get(row[0], row[3:]) for row in dtsu666.ROWS])
