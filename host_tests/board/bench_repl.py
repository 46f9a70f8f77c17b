# An ESP32 on the bench, played by MicroPython on a PC: desk_repl.py with a chip behind it. What the board's own parts
# are stood in by: pins by fake_machine.py, every level that a pad is driven to noted in a file; the two MCP2518FD by
# slcan over sockets, told apart by their chip selects; the UART of the field bus by another socket; Wi-Fi by
# fake_network.py, which notes whom it was asked to join.
#
#   PINS: the file; CAN_CAR, CAN_CONVERTER, FIELD: TCP ports (environment); the words of desk_repl.py
import os
import socket
import sys
import time

ROOT = __file__.rsplit("/", 3)[0]
PORTS = {16: "CAN_CAR", 17: "CAN_CONVERTER"}  # chip select: firmware/boards/esp32_2x_mcp2518fd.py
sys.path.insert(1, ROOT)

from host_tests.unit import fake_machine, fake_network  # noqa: E402

NOTES = open(os.getenv("PINS"), "a")


def note(*words):
    NOTES.write(" ".join([str(word) for word in words]) + "\n")
    NOTES.flush()


def connected(name):
    stream = socket.socket()
    stream.connect(socket.getaddrinfo("127.0.0.1", int(os.getenv(name)))[0][-1])
    stream.setsockopt(6, 1, 1)  # TCP_NODELAY
    stream.setblocking(False)
    return stream


class Chip(fake_machine.Chip):
    def drive(self, pin, output, level):
        if output:
            note("pin", pin, level)
        fake_machine.Chip.drive(self, pin, output, level)


class Rtc(fake_machine._RTC):
    def datetime(self, now):
        note("rtc", *now)


class Driver:
    # In the place of mcp2518fd.
    @staticmethod
    def CAN(id, bit_s, sample_point, port):
        from slcan_core import CAN

        return CAN(connected(PORTS[port[1].id]), bit_s)


class Uart:
    def __init__(self, id, bit_s, bits, parity, stop, tx, rx, timeout):
        note("uart", id, bit_s, bits, parity, stop, tx.id, rx.id, timeout)
        stream = connected("FIELD")
        self.readinto, self.write = stream.readinto, stream.write

    def txdone(self):
        return True


class Network:
    class WLAN(fake_network.WLAN):
        def connect(self, ssid, key=None):
            note("wifi", ssid)
            fake_network.WLAN.connect(self, ssid, key)
            self.pass_time()


class Time:
    # The time module of a chip whose interpreter has it to itself: waiting for the tick leaves the PC to others.
    def __getattr__(self, name):
        return getattr(time, name)

    @staticmethod
    def sleep_ms(ms):
        time.sleep_ms(ms or 1)


fake_machine._Module.RTC, fake_machine._Module.UART = Rtc, Uart
fake_machine.install(Chip())
sys.modules["mcp2518fd"], sys.modules["network"], sys.modules["time"] = Driver, Network(), Time()
sys.path[:2] = [sys.path[0]]

import desk_repl  # noqa: E402, F401
