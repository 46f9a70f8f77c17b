# A plain ESP32 with two MCP2518FD: what a new board should have.
# Data only. Pins of the ESP32-WROOM-32 without PSRAM (with it 16 and 17 are not free, and a collection takes 80 ms).
# All 19 pins that a station may use are used: no straps (0, 2, 5, 12, 15), no flash (6 to 11), no console (1, 3).
NAME = "esp32_2x_mcp2518fd"
WIRES = "board_wires"  # of lib/
CHIP = "esp32"
PSRAM = 0
# One bus for all: id, SCK, MOSI, MISO, Hz. The converter is specified from 8 MHz on, the MCP23S17 up to 10.
SPI = {"main": (1, 14, 13, 35, 8000000)}
ADC = ("main", 4)  # ADC128S102: SPI, CS
EXPANDER = ("main", 33)  # MCP23S17: SPI, CS; GPA7 tied to 3.3 V and GPA6 to ground
# Chip, SPI, CS, INT, crystal in Hz. Click and bare boards have 40 MHz, some modules 20: look.
CAN_CAR = ("mcp2518fd", "main", 16, 34, 40000000)
CAN_CONVERTER = ("mcp2518fd", "main", 17, 36, 40000000)
CAN_RX_FRAMES = 32  # that a controller holds while nobody reads
FIELD = (2, 21, 39, None)  # RS-485: UART, TX, RX, DE. None: the transceiver finds its direction by itself
# 36 and 39 see a glitch of 80 ns when an RTC part is switched on (ESP32 errata 3.11): harmless to INT and to RX.
# In the order of the bits of firmware/signals.py: what, GPIO, level that energises. Each driver has its own resistor
# to "off": in a reset the pins float.
OUTPUTS = (
    ("contactor", 25, 1),
    ("bleed", 26, 1),
    ("lock", 27, 1),
    ("aux", 32, 1),
    ("enable", 22, 1),
    ("heartbeat", 23, 1),
    ("d1", 18, 1),
    ("d2", 19, 1),
)
# In the order of firmware/signals.py. Expander: bit, level that means 1; each has a resistor to 3.3 V.
INPUTS = (
    ("link", "adc", 0),
    ("inlet", "adc", 1),
    ("current", "adc", 2),
    ("cc1", "adc", 3),
    ("temp1", "adc", 4),
    ("temp2", "adc", 5),
    ("contactor", "expander", 0, 1),  # mirror contact: open while K1/K2 are closed, and so does a broken wire look
    ("estop", "expander", 1, 1),  # opens when pressed, and so does a broken wire look
    ("button", "expander", 2, 0),
    ("locked", "expander", 3, 0),  # a broken wire is not locked
    ("permission", "expander", 4, 0),  # CHAdeMO line k through its optocoupler
)
# The measuring front end of docs/boards/README.md: counts of 1 mV (reference 4.096 V) behind isolating amplifiers.
# value = (raw - offset) * num // den; raw outside low..high is a broken sensor: without its wire it is 0 or 4095.
SCALE = {
    #       offset num den low  high
    "link": (500, 10, 3, 200, 3800),  # dV: 500 mV + 3 mV/V, -100 to 1100 V
    "inlet": (500, 10, 3, 200, 3800),
    "current": (2048, 5, 8, 248, 3848),  # dA: 2048 mV + 16 mV/A, + charges the car, 112 A either way
    "cc1": (0, 4, 1, 25, 3900),  # mV: a quarter of it, 0.1 to 15.6 V
    "temp1": (1000, 200, 77, 800, 1600),  # 0.1 degC: Pt1000 at 1 mA, 3.85 ohm/K; 1 K too little at 150 degC
    "temp2": (1000, 200, 77, 800, 1600),
}
CAN_CAR_bit_s = {"gbt27930": 250000, "chademo": 500000}
CAN_CONVERTER_bit_s = 125000
RATED_dV = 7500  # what the station's own parts stand
RATED_dA = 600
RATED_W = 22000
RELAY_ms = 30  # K1/K2: command to contact. Of the contactors fitted: measure it
IDLE_ms = 0  # the tick's wait (see main): a longer sleep spins and starves the services
WATCHDOG_ms = 1000  # twice that until the reset, when not even interrupts run (docs/stalls.md)
