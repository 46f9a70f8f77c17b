# Acrel DJSF1352-RN: direct current, at the connector: with it power and energies of the record are DC. Holding
# registers; the power with its decimal point beside it, the energies as 32 bits. That these are Wh is how EVerest's
# driver reads them: read a known value when it is fitted.
from firmware.fieldbus.meter import DECIMAL, WHOLE
from firmware.station import G_POWER_W, G_EXPORT_Wh, G_IMPORT_Wh

FUNCTION = 3
PROBE = (3, 0, 1, 3)
TURNAROUND_ms = 200
ROWS = (
    (G_POWER_W, 8, DECIMAL, 1, 1),
    (G_IMPORT_Wh, 12, WHOLE, 1, 1),
    (G_EXPORT_Wh, 14, WHOLE, 1, 1),
)
