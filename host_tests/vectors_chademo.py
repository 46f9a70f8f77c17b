"""Golden vectors of CHAdeMO: bytes, what they mean, and where each comes from. Data only; runs on MicroPython too.

House units and sign. "log" is the recorded session of a Leaf ZE0 on a bidirectional home charger; "ZE1" a Leaf ZE1 of
40 kWh on a public charger, 2022-06-02 (logs.candump of github.com/F1atline/Nissan-Leaf-ZE1-CHAdeMO-CAN-Logs), and a
second ZE1 sent the same 110, 201 and 700 in July 2023 (ZE1-chademo-starting-and-charging.csv of
github.com/dalathegreat/EV-CANlogs); "facts" stands in chademo.md section 2; "table" is built by hand
from the layout there.
"""

CAR_IDS = {
    "V100": 0x100, "V101": 0x101, "V102": 0x102, "V103": 0x103, "V110": 0x110, "V200": 0x200, "V201": 0x201,
    "V700": 0x700,
}  # fmt: skip
CHARGER_IDS = {"c108": 0x108, "c109": 0x109, "c118": 0x118, "c208": 0x208, "c209": 0x209}

# What the car says: name, bytes, values of Told, source.
FROM_CAR = (
    ("V100", "00 00 00 00 B3 01 F0 00", {"battery_max_dV": 4350, "constant": 240, "least_dA": 0}, "log, first"),
    ("V100", "00 00 00 00 B3 01 64 00", {"battery_max_dV": 4350, "constant": 100}, "log"),
    ("V100", "06 00 2C 01 B3 01 FF 00", {"least_dA": 60, "battery_min_dV": 3000, "constant": 255}, "table"),
    ("V100", "06 00 00 00 B3 01 F0 00", {"least_dA": 60, "battery_max_dV": 4350, "constant": 240}, "ZE1, first"),
    ("V101", "00 00 00 00 00 00 00 00", {"minutes": 0, "capacity_Wh": 0}, "log, first"),
    ("V101", "00 00 00 00 00 F0 00 00", {"minutes": 0, "capacity_Wh": 24000}, "log, before k"),
    ("V101", "00 FF 3C 00 00 DE 00 00", {"minutes": 60, "capacity_Wh": 22200}, "log"),
    ("V101", "00 5A 00 00 00 62 01 00", {"minutes": 15, "capacity_Wh": 35400}, "facts (Leaf 40), table"),
    (
        "V102",
        "02 9A 01 00 00 C8 03 00",
        {"number": 2, "target_dV": 4100, "request_dA": 0, "errors": 0, "status": 0xC8, "soc_raw": 3},
        "log, first",
    ),
    ("V102", "02 9A 01 00 00 C9 49 00", {"status": 0xC9, "soc_raw": 73}, "log, permitted"),
    ("V102", "02 9A 01 0C 00 C1 49 00", {"status": 0xC1, "request_dA": 120}, "log, running"),
    ("V102", "02 9A 01 00 00 C0 49 00", {"status": 0xC0}, "log, stopping"),
    ("V102", "02 9A 01 00 00 80 03 00", {"status": 0x80, "target_dV": 4100, "soc_raw": 3}, "ZE1, first"),
    ("V102", "01 68 01 2C 04 01 8F 00", {"number": 1, "target_dV": 3600, "errors": 4, "soc_raw": 143}, "table"),
    ("V102", "02 9A 01 00 E5 C1 49 00", {"errors": 5}, "table: bits that are none of the five"),
    ("V103", "77 01 00 00 00 00 00 00", {"voltage_dV": 3750}, "table"),
    ("V110", "01 00 00 00 00 00 00 00", {"abilities": 1, "extended_dA": 0}, "ZE1"),
    ("V110", "03 2C 01 00 00 00 00 00", {"abilities": 3, "extended_dA": 3000}, "table"),
    (
        "V200",
        "FF 00 00 00 FA 00 FF FF",
        {"discharge_dA": 0, "discharge_min_dV": 2500, "least_raw": 255, "most_raw": 255},
        "log, first: garbage",
    ),
    ("V200", "FF 00 00 00 FA 00 1A FF", {"least_raw": 26, "most_raw": 255}, "ZE1, first"),
    ("V200", "FF 00 00 00 FA 00 43 B2", {"discharge_dA": 0, "least_raw": 67, "most_raw": 178}, "log"),
    ("V200", "F0 00 00 00 FA 00 43 B2", {"discharge_dA": 150}, "log, running"),
    ("V201", "02 00 00 00 00 00 00 00", {"sequence": 2, "discharge_min": 0, "available_Wh": 0}, "ZE1"),
    ("V201", "02 2C 01 64 00 00 00 00", {"sequence": 2, "discharge_min": 300, "available_Wh": 10000}, "facts, table"),
    ("V700", "01 02 00 00 06 00 00 00", {"maker": 1}, "ZE1"),
)

# What the charger says: encoder, arguments, bytes, source.
FROM_CHARGER = (
    ("c108", (1, 5000, 150, 4350), "01 F4 01 0F B3 01 00 00", "log"),
    ("c108", (1, 5000, 0, 4350), "01 F4 01 00 B3 01 00 00", "log, 108.3 steered"),
    ("c108", (0, 5000, 159, 4350), "00 F4 01 0F B3 01 00 00", "table: never promised more than there is"),
    ("c108", (1, 5000, 9000, 4350), "01 F4 01 FE B3 01 00 00", "table: FF has a meaning of its own"),
    ("c109", (2, 0, 0, 1, 0x20, -1), "02 00 00 00 01 20 FF FF", "log, first"),
    ("c109", (2, 0, 0, 1, 0x20, 0), "02 00 00 00 01 20 00 00", "log"),
    ("c109", (2, 4490, 0, 1, 0x24, 0), "02 C1 01 00 01 24 00 00", "log, insulation test"),
    ("c109", (2, 3742, 8, 1, 0x05, 60), "02 76 01 01 01 05 FF 3C", "log, 374 V and 1 A, rounded"),
    ("c109", (2, 3760, 140, 1, 0x25, 60), "02 78 01 0E 01 25 FF 3C", "log, stopping"),
    ("c109", (2, 3760, -140, 1, 0x05, 60), "02 78 01 00 01 05 FF 3C", "facts: 0 while discharging"),
    ("c109", (2, -0x40000000, 0, 0, 0x20, 400), "02 00 00 00 00 20 FF FE", "table: voltage unknown, long time"),
    ("c118", (1,), "01 00 00 00 00 00 00 00", "table"),
    ("c208", (0, 5000, 0, 0), "FF F4 01 FF 00 00 00 00", "log, first"),
    ("c208", (0, 5000, 150, 2500), "FF F4 01 F0 00 00 FA 00", "log"),
    ("c208", (-147, 5000, 150, 2500), "F0 F4 01 F0 00 00 FA 00", "table: 15 A out"),
    ("c208", (140, 5000, 150, 2500), "FF F4 01 F0 00 00 FA 00", "table: charging"),
    ("c209", (2, 0), "02 00 00 00 00 00 00 00", "log"),
    ("c209", (2, 5), "02 05 00 00 00 00 00 00", "log, running"),
    ("c209", (1, 300), "01 2C 01 00 00 00 00 00", "table"),
)


def octets(text):
    """Bytes of a row."""
    return bytes([int(part, 16) for part in text.split(" ")])
