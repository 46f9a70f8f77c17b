# The bench board: every wire ends in the emulators of hw_tests/bench. Data only.
# Scale of an analog input: value = (raw - offset) * num // den; raw outside low..high is a broken sensor.
NAME = "bench"
WIRES = "bench_wires"  # of lib/: who makes pins and buses of it
OUTPUTS = ()  # no pins of its own; safe until the first write
SCALE = {
    #          offset num den   low   high
    "link": (1000, 1, 2, 500, 25000),  # dV: 0.05 V a count
    "inlet": (1000, 1, 2, 500, 25000),  # dV
    "current": (32768, 1, 10, 2768, 62768),  # dA: 0.01 A a count, + charges the car
    "cc1": (0, 1, 1, 0, 15000),  # mV
    "temp1": (500, 1, 1, 0, 2000),  # 0.1 degC, -50 to 150
    "temp2": (500, 1, 1, 0, 2000),
}
CAN_CAR_bit_s = {"gbt27930": 250000, "chademo": 500000}
CAN_CONVERTER_bit_s = 125000
CAN_RX_FRAMES = 32  # that a controller holds while nobody reads: the ring of lib/slcan.py
RATED_dV = 7500  # what the station's own parts stand
RATED_dA = 600
RATED_W = 22000
RELAY_ms = 30  # K1/K2: command to contact
IDLE_ms = 1  # the tick's wait: 1 on a PC, 0 on an ESP32 (see main)
WATCHDOG_ms = 1000
