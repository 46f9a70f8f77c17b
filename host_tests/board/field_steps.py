# ruff: noqa: E402 (the image must be on the path before it is imported)
# MicroPython's side of host_tests/fieldbus_rig.py: field_steps.py BOARD CONFIG
#
# The field bus of the flashed image, a step a line. In: "now contactor stage bytes", the bytes that have arrived as hex
# or "-". Out, as JSON: what was written as hex, the records grid and insulation, the faults that are active.
import sys

board_dir, config_file = sys.argv[1:3]
sys.path[:0] = [board_dir, board_dir + "/lib"]
import binascii
import json

from firmware import config, fieldbus
from firmware.faults import Active
from firmware.station import Station

S_CONTACTOR, K_STAGE = 7, 5  # the image has its constants written out


class Line:
    def __init__(self):
        self.came = self.left = b""

    def readinto(self, into):
        count = min(len(into), len(self.came))
        into[:count] = self.came[:count]
        self.came = self.came[count:]
        return count or None

    def write(self, data):
        self.left = bytes(data)

    def txdone(self):
        return True


def told(line, station, faults):
    active = [code for code in range(64) if faults.has(code)]
    left = binascii.hexlify(line.left).decode()
    line.left = b""
    return json.dumps((left, list(station.grid.now), list(station.insulation.now), active))


def run():
    line, station = Line(), Station()
    faults = Active(station.events)
    meter, bus = fieldbus.build(config.load(config_file), station, faults, 22000, lambda bit_s, parity: (line, None))
    while True:
        row = sys.stdin.readline().split()
        if not row:
            return
        now, station.sense.now[S_CONTACTOR], station.control.now[K_STAGE] = [int(word) for word in row[:3]]
        line.came += b"" if row[3] == "-" else binascii.unhexlify(row[3])
        meter.step(now)
        bus.step(now)
        print(told(line, station, faults))


run()
