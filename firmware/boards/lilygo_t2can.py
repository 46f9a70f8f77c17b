# LilyGo T-2CAN: an ESP32-S3 (N16R8) with its own CAN on one isolated connector and an MCP2515 on the other. Data only.
# CAN pins: pin_config.h of github.com/Xinyuan-LilyGO/T-2Can; INT, crystal and header: hw_lilygo2can.h of
# github.com/dalathegreat/Battery-Emulator. Two sources agree on the CAN pins, one has the INT: check yours.
#
# Its own CAN needs a MicroPython with machine.CAN, and no released one for the ESP32 has it (pull request 19461 adds
# it, with this board). Flash a build without PSRAM support: with it a collection takes 80 ms and more.
NAME = "lilygo_t2can"
WIRES = "board_wires"  # of lib/
CHIP = "esp32s3"
PSRAM = 1  # octal: 33 to 37 are its, whether it is used or not
# id, SCK, MOSI, MISO, Hz: the MCP2515 on the board, and the header's
SPI = {"can": (1, 12, 11, 13, 8000000), "adc": (2, 38, 42, 39, 8000000)}
ADC = ("adc", 41)  # ADC128S102 on the header: SPI, CS
EXPANDER = None
CAN_CAR = ("native", 0, 7, 6)  # CAN B: id, TX, RX; the pins are those of the build
CAN_CONVERTER = ("mcp2515", "can", 10, 8, 16000000, 9)  # CAN A: SPI, CS, INT, crystal in Hz, RST
CAN_RX_FRAMES = 2  # that a controller holds while nobody reads
FIELD = (1, 1, 2, None)  # RS-485 on the small connector: UART, TX, RX, DE. 43 and 44 would hear the start-up words
# In the order of the bits of firmware/signals.py: what, GPIO, level that energises. Each driver has its own resistor
# to "off": in a reset the pins float.
OUTPUTS = (
    ("contactor", 4, 1),
    ("bleed", 5, 1),
    ("lock", 15, 1),
    ("aux", 16, 1),
    ("enable", 17, 1),
    ("heartbeat", 18, 1),
    ("d1", 14, 1),
    ("d2", 21, 1),
)
# In the order of firmware/signals.py. "pin": GPIO, level that means 1, each with a resistor to 3.3 V. The last two
# analog channels have switches to 3.3 V: 1 from 2 V on, and 0 when the converter is silent.
INPUTS = (
    ("link", "adc", 0),
    ("inlet", "adc", 1),
    ("current", "adc", 2),
    ("cc1", "adc", 3),
    ("temp1", "adc", 4),
    ("temp2", "adc", 5),
    ("contactor", "pin", 40, 1),  # mirror contact: open while K1/K2 are closed, and so does a broken wire look
    ("estop", "pin", 47, 1),  # opens when pressed, and so does a broken wire look
    ("button", "adc", 6, 2000, 1),
    ("locked", "adc", 7, 2000, 1),
    ("permission", "pin", 48, 0),  # CHAdeMO line k through its optocoupler
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
