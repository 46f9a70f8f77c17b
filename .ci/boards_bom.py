"""What a station's controller costs: typical prices of single pieces in euros, as of November 2026. They are estimates
from experience, not quotations and not looked up: for a first look at the sum, not for an order."""

AS_OF = "November 2026"
ALL = ("esp32_2x_mcp2515", "esp32_2x_mcp2518fd", "lilygo_t2can")
ESP32 = ALL[:2]

# part, pieces, EUR a piece, boards that have it
PARTS: tuple[tuple[str, int, float, tuple[str, ...]], ...] = (
    ("ESP32-WROOM-32E on a carrier board, no PSRAM", 1, 8, ESP32),
    ("LilyGo T-2CAN", 1, 28, ALL[2:]),
    ("MCP2515 with crystal", 2, 2.5, ALL[:1]),
    ("MCP2518FD with crystal", 2, 5, ALL[1:2]),
    ("isolated CAN transceiver (ISO1042) with its supply", 2, 9, ESP32),
    ("ADC128S102 converter", 1, 6, ALL),
    ("REF5040 reference", 1, 5, ALL),
    ("AMC1311B isolated amplifier", 2, 6, ALL),
    ("AMC1302 isolated amplifier", 1, 6, ALL),
    ("isolated 5 V supply, 1 W, reinforced", 3, 6, ALL),
    ("divider 5 x 1 Mohm + 10.02 kohm, 0.1 %", 2, 4, ALL),
    ("shunt 0.4 mohm, 100 A", 1, 12, ALL),
    ("operational amplifiers, Pt1000 current sources, filters", 1, 12, ALL),
    ("MCP23S17 expander", 1, 2, ESP32),
    ("optocouplers and filters of the inputs", 1, 7, ALL),
    ("monoflop, AND gates, off-delay, window comparator", 1, 6, ALL),
    ("output drivers with pull-downs", 8, 1.5, ALL),
    ("coil supply switch: relay with force-guided contacts", 1, 14, ALL),
    ("isolated RS-485 transceiver, direction by itself", 1, 8, ALL),
    ("24 V supply, 60 W, DIN rail, and 5 V from it", 1, 32, ALL),
    ("E-stop, two NC contacts", 1, 18, ALL),
    ("printed board, terminals, housing", 1, 45, ALL),
)
BESIDE = (
    ("two DC contactors with mirror contacts, 1000 V, 100 A", "150 to 300"),
    ("insulation monitor for charging stations", "300 to 600"),
    ("AC meter, bidirectional, MID", "60 to 150"),
    ("connector with cable, lock and two sensors", "250 to 600"),
    ("DC fuses, surge protection, breaker, residual current device", "150 to 300"),
    ("converter module, 22 kW, bidirectional", "ask the maker"),
)


def rows(name: str) -> list[tuple[str, int, float]]:
    """(part, pieces, EUR together) of one board's controller."""
    return [(part, pieces, pieces * price) for part, pieces, price, boards in PARTS if name in boards]


def total_EUR(name: str) -> float:
    """The sum."""
    return sum(price for _, _, price in rows(name))
