"""Golden vectors of GB/T 27930: bytes, what they mean, and where each comes from. Data only; runs on MicroPython too.

House units and sign: positive current charges the car. "log" is a real car or charger; "example" stands in the facts
(gbt27930.md section 1.4 or 1.8a); "table" is built by hand from the layout there.
"""

# What the car says: name, number of the message in frames.py by name, bytes, values of Told, source.
FROM_CAR = (
    ("BHM", "A5 10", {"hello_dV": 4261}, "example, log 1"),
    ("BHM", "8E 17", {"hello_dV": 6030}, "log"),
    (
        "BRM",
        "01 01 00 06 B4 00 39 13 4B 4C 49 45 01 00 00 00 1E 01 01 01 00 00 01 FF 00 00 00 00 00 00 00 00 00 00 00 00 00"
        " 00 00 00 00 83 FF FF FF FF FF FF FF",
        {"capacity_dAh": 180, "rated_dV": 4921},
        "log, 49 bytes",
    ),
    (
        "BRM",
        "01 01 00 03 D0 07 10 0E FF FF FF FF FF FF FF FF FF FF FF FF FF FF FF FF 4C 53 4C 55 49 43 45 30 30 30 30 30 30"
        " 30 30 30 31",
        {"capacity_dAh": 2000, "rated_dV": 3600},
        "table, 41 bytes",
    ),
    (
        "BCP",
        "72 01 DA 05 2A 02 A5 10 73 08 03 C6 0E",
        {"charge_max_dA": 2502, "energy_Wh": 55400, "pack_max_dV": 4261, "soc_permille": 776, "pack_dV": 3782},
        "example, log 1",
    ),
    (
        "BCP",
        "9E 01 B8 0B 4E 00 8E 17 6E CA 03 24 13",
        {"charge_max_dA": 1000, "energy_Wh": 7800, "pack_max_dV": 6030, "soc_permille": 970, "pack_dV": 4900},
        "log",
    ),
    ("BRO", "00", {"ready": 0}, "log"),
    ("BRO", "AA", {"ready": 0xAA}, "log"),
    ("BRO", "FF", {"ready": 0xFF}, "table: invalid"),
    ("BCL", "52 17 82 0F 02", {"demand_dV": 5970, "demand_dA": 30, "mode": 2}, "log"),
    ("BCL", "D8 0E A0 0F 01", {"demand_dV": 3800, "demand_dA": 0, "mode": 1}, "table"),
    ("BCL", "D8 0E 00 00 01", {"demand_dV": 3800, "demand_dA": 4000, "mode": 1}, "table: the most, 400 A"),
    ("BCL", "80 0C 04 10 03", {"demand_dV": 3200, "demand_dA": -100, "mode": 3}, "1.8a BCLP: raw 4000 + 10 A"),
    ("BCL", "D8 0E FF FF 02", {"demand_dA": 0}, "table: not told is no demand"),
    (
        "BCS",
        "25 13 A0 0F 73 11 61 00 00",
        {"voltage_dV": 4901, "current_dA": 0, "cell_high_cV": 371, "soc_permille": 970, "remaining_min": 0},
        "log",
    ),
    (
        "BCS",
        "6A 13 82 0F 8A 11 61 0A 00",
        {"voltage_dV": 4970, "current_dA": 30, "cell_high_cV": 394, "soc_permille": 970, "remaining_min": 10},
        "log",
    ),
    ("BCS", "6A 13 68 10 8A 11 32 0A 00", {"current_dA": -200, "soc_permille": 500}, "1.1: discharging 20 A is 4200"),
    ("BSM", "42 4B 01 4A 1B 00 D0", {"temp_dC": 250, "fault": 0, "low": 0, "permission": 1}, "log"),
    ("BSM", "42 4B 01 4A 1B 00 10", {"fault": 0, "permission": 1}, "example: reserved bits 0"),
    ("BSM", "42 4B 01 4A 1B 00 C0", {"fault": 0, "permission": 0}, "table: pause"),
    ("BSM", "42 4B 01 4A 1B 00 E0", {"fault": 0, "permission": 2}, "1.8a: discharge allowed; 2015: untrusted"),
    ("BSM", "42 4B 01 4A 1B 01 D0", {"fault": 0x001}, "table: cell voltage high"),
    ("BSM", "42 4B 01 4A 1B 04 D0", {"fault": 0x004}, "table: SOC high"),
    ("BSM", "42 4B 01 4A 1B 10 D0", {"fault": 0x010}, "table: over-current"),
    ("BSM", "42 4B 01 4A 1B 40 D0", {"fault": 0x040}, "table: over-temperature"),
    ("BSM", "42 4B 01 4A 1B 00 D1", {"fault": 0x100}, "table: insulation"),
    ("BSM", "42 4B 01 4A 1B 00 D4", {"fault": 0x400}, "table: connector"),
    ("BSM", "42 4B 01 4A 1B AA DA", {"fault": 0, "low": 5, "permission": 1}, "table: 10 everywhere is no alarm"),
    ("BSM", "42 4B 01 4A 1B FF DF", {"fault": 0, "low": 0}, "table: 11 everywhere is no alarm"),
    ("BST", "40 00 00 00", {"stop": 0x40, "stop_fault": 0}, "example: answer to CST"),
    ("BST", "01 00 00 F0", {"stop": 1, "stop_fault": 0}, "table: SOC target; reserved bits 1"),
    ("BST", "00 01 00 00", {"stop_fault": 0x010000}, "table: insulation"),
    ("BST", "00 00 04 00", {"stop_fault": 0x000400}, "table: relay"),
    ("BST", "00 00 00 01", {"stop_fault": 0x000001}, "table: over-current"),
    ("BST", "AA AA AA FA", {"stop": 0, "stop_fault": 0}, "table: untrusted"),
    ("BSD", "50 2C 01 90 01 46 4B", {"soc_permille": 800}, "table"),
    ("BEM", "F4 F0 F0 FC", {"error": 0x040000}, "log: CRM AA"),
    ("BEM", "F0 F1 F0 FC", {"error": 0x000100}, "log: CTS/CML"),
    ("BEM", "F0 F0 F1 FC", {"error": 0x000001}, "log: CCS"),
    (
        "BDC",
        "4C 53 4C 55 49 43 45 30 30 30 30 30 30 30 30 30 31 3C 58 02 0A 00 03 00 F4 01 E8 03",
        {"cycles_left": 500},
        "1.8a",
    ),
    (
        "BCPP",
        "68 10 80 0C 18 01 14",
        {"discharge_max_dA": 200, "pack_min_dV": 3200, "cell_min_cV": 280, "floor_permille": 200},
        "1.8a: 20 A is 4200",
    ),
    (
        "BCPP",
        "D8 0E 80 0C 18 01 C8",
        {"discharge_max_dA": 0, "floor_permille": 1000},
        "table: no discharge; nonsense SOC",
    ),
    ("BCSP", "78 00 E8 03 FF FF FF FF", {"remaining_min": 120}, "1.8a"),
)

# What the charger says: name, length, encoder in frames.py, its arguments, bytes, source.
FROM_CHARGER = (
    ("CRM", 8, "crm", (0x00, 1), "00 01 00 00 00 FF FF FF", "table"),
    ("CRM", 8, "crm", (0xAA, 0x12345678), "AA 78 56 34 12 FF FF FF", "table"),
    ("CML", 8, "cml", (7500, 2000, 2500, 0), "4C 1D D0 07 DC 05 A0 0F", "example: 250 A, 0 A"),
    ("CML", 8, "cml", (7000, 2000, 200, 0), "58 1B D0 07 D8 0E A0 0F", "log"),
    ("CMLP", 8, "cml", (7500, 2000, -600, 0), "4C 1D D0 07 F8 11 A0 0F", "1.8a: I - 400, positive"),
    ("CCS", 8, "ccs", (42, 0, 0, 1), "2A 00 A0 0F 00 00 FD FF", "log"),
    ("CCS", 8, "ccs", (5406, 29, 0, 1), "1E 15 83 0F 00 00 FD FF", "log"),
    ("CCS", 7, "ccs", (5406, 29, 0, 0), "1E 15 83 0F 00 00 FC", "log: 7 bytes; pause"),
    ("CCS", 8, "ccs", (3700, -200, 61, 2), "74 0E 68 10 3D 00 FE FF", "1.8a: discharge 20 A"),
    ("CCS", 8, "ccs", (-5, 9000, 65535, 1), "00 00 00 00 FF FF FD FF", "table: never beyond the range"),
    ("CST", 4, "cst", (0x04, 0, 0, 0), "04 00 F0 F0", "log: manual stop"),
    ("CST", 4, "cst", (0x40, 0, 0, 0), "40 00 F0 F0", "table: answer to BST"),
    ("CST", 4, "cst", (0x10, 0x04, 0, 0), "10 04 F0 F0", "table: connector"),
    ("CST", 4, "cst", (0x10, 0, 0x01, 0x04), "10 00 F1 F4", "table: emergency stop, voltage"),
    ("CSD", 8, "csd", (61, 123, 1), "3D 00 7B 00 01 00 00 00", "table"),
    ("CEM", 4, "cem", (0x00,), "F1 F0 F0 FC", "table: BRM"),
    ("CEM", 4, "cem", (0x10,), "F0 F1 F0 FC", "table: BCP"),
    ("CEM", 4, "cem", (0x12,), "F0 F4 F0 FC", "table: BRO"),
    ("CEM", 4, "cem", (0x20,), "F0 F0 F1 FC", "table: BCS"),
    ("CEM", 4, "cem", (0x22,), "F0 F0 F4 FC", "table: BCL"),
    ("CEM", 4, "cem", (0x24,), "F0 F0 D0 FC", "table: BST"),
    ("CEM", 4, "cem", (0x30,), "F0 F0 F0 FD", "table: BSD"),
)

# What the charger sends unchanged.
FIXED = (
    ("CHM", 0x1826F456, "01 01 00", "example: V1.1"),
    ("CTS", 0x1807F456, "FF FF FF FF FF FF FF", "log: time not provided"),
    ("CRO", 0x100AF456, "00", "log"),
    ("CRO", 0x100AF456, "AA", "log"),
    ("CDC", 0x1828F456, "0C 01 00", "1.8a, settings.cdc"),
    ("CCD", 0x1832F456, "00", "1.8a: charge"),
    ("CCD", 0x1832F456, "01", "1.8a: discharge"),
)

# Ids of every message by facts 1.2 and 1.8a.
CAR_IDS = {
    "BHM": 0x182756F4, "BRO": 0x100956F4, "BCL": 0x181056F4, "BSM": 0x181356F4, "BST": 0x101956F4, "BSD": 0x181C56F4,
    "BEM": 0x081E56F4, "BCPP": 0x183056F4, "BCSP": 0x1C3456F4, "TP_CM": 0x1CEC56F4, "TP_DT": 0x1CEB56F4,
}  # fmt: skip
CHARGER_IDS = {
    "CHM": 0x1826F456, "CRM": 0x1801F456, "CTS": 0x1807F456, "CML": 0x1808F456, "CRO": 0x100AF456, "CCS": 0x1812F456,
    "CST": 0x101AF456, "CSD": 0x181DF456, "CEM": 0x081FF456, "CDC": 0x1828F456, "CMLP": 0x1831F456, "CCD": 0x1832F456,
    "TP": 0x1CECF456,
}  # fmt: skip
TP_PF = {"BRM": 0x02, "BCP": 0x06, "BCS": 0x11, "BMV": 0x15, "BMT": 0x16, "BSP": 0x17, "BDC": 0x29}


def octets(text):
    """ "0A FF" to bytes."""
    return bytes([int(part, 16) for part in text.split()])
