# Eastron SDM230: as the SDM120.
from firmware.fieldbus import sdm120

FUNCTION = sdm120.FUNCTION
PROBE = sdm120.PROBE
TURNAROUND_ms = sdm120.TURNAROUND_ms
ROWS = sdm120.ROWS
