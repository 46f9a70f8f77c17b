# Plays one numbered on-board test in one variant of the world, phase after phase as the runner does. In MicroPython:
#
#     micropython -X heapsize=8M host_tests/onboard/play.py /root/of/the/repository 01_pins_safe good
#
# in an empty directory, which stands for the board's file system. Prints the test's own lines of JSON.
import json
import os
import struct
import sys

ROOT, TEST, VARIANT = sys.argv[1:4]
sys.path[:] = [ROOT, ROOT + "/lib", ROOT + "/hw_tests", ".frozen"]

from host_tests.onboard import parts, world  # noqa: E402


class Given:
    # What the person at the desk says.
    def __init__(self):
        self.wired = ["relays"] if TEST == "02_relays" else []
        self.words = {"seconds": 2, "minutes": 1}


class Services:
    # In place of the services: `cost` of a step, in us with the interpreter held, and what it never gives back.
    def __init__(self, clock, cost_us=0, leak_B=0):
        self._clock, self._cost_us, self._leak_B = clock, cost_us, leak_B
        self._kept, self._steps = [], 0

    def step(self, now):
        self._steps += 1
        if self._steps % 50 == 0:
            self._clock._pass(self._cost_us)
            if self._leak_B:
                self._kept.append(bytearray(self._leak_B))

    def stop(self):
        pass


# --- what is broken ---
def no_boot_file(w, given):
    w.boots = False


def way_out_broken(w, given):
    import main

    main.safe_stop = lambda *rooms: None


def live(w, given):
    w.converter.volts[1] = 1700  # 400 V at the inlet


def sensor_gone(w, given):
    w.converter.dead = 0xFF


def no_board_file(w, given):
    os.remove("board.txt")


def stuck_relay(w, given):
    w.stuck = True


def slow_relay(w, given):
    w.relay_ms = 80


def no_chain(w, given):
    w.no_chain = True


def not_wired(w, given):
    given.wired = []


def no_chip(w, given):
    parts.Can.absent = True


def spoilt(w, given):
    parts.Can.spoils = True


def lossy(w, given):
    parts.Can.cable.loses = 7


def native(w, given):
    board = sys.modules["firmware.boards." + world.NAME]
    board.CAN_CAR = ("native", 0, 7, 6)


def cut(w, given):
    parts.Can.cable.cut = True


def cut_declared(w, given):
    cut(w, given)
    given.wired = ["can_bus"]


def silent(w, given):
    parts.Slave.silent = True


def silent_declared(w, given):
    silent(w, given)
    given.wired = ["meter", "insulation"]


def export_falls(w, given):
    left = [500]

    def falling():
        left[0] -= 1
        return parts.number(left[0])

    parts.Slave.registers[0x4A] = falling


def mains_gone(w, given):
    parts.Slave.registers[0x00] = parts.number(3.0)


def no_field_bus(w, given):
    sys.modules["firmware.boards." + world.NAME].FIELD = None


def alarm(w, given):
    parts.Slave.registers[1000] = parts.number(900000.0) + struct.pack(">HH", 5 << 8, 0)


def leaky(w, given):
    parts.Slave.registers[1000] = parts.number(40000.0) + struct.pack(">HH", 0, 0)


def test_for_ever(w, given):
    parts.Slave.registers[1000] = parts.number(900000.0) + struct.pack(">HH", 1 << 14, 0)


def slow_flash(w, given):
    w.write_ms = 700


def full_flash(w, given):
    w.free_blocks = 3


def holding(w, given):
    w.services = Services(w.clock, 40000)


def with_tls(w, given):
    given.words["tls"] = "10.0.0.1:8883"


def slow_tls(w, given):
    given.words["tls"] = "10.0.0.1:8883"
    w.tls_ms = 700


def spinning(w, given):
    sys.modules["firmware.boards." + world.NAME].IDLE_ms = 10


def leaking(w, given):
    w.services = Services(w.clock, 0, 64)


def deaf(w, given):
    w.watchdog_bites = False


def other_reset(w, given):
    w.wrong_cause = True


def toggled(w, given):
    w.toggler = True


def good(w, given):
    pass


class Disk:
    # The module `os`, of a board's file system with pages of 4 KB.
    def __init__(self, free):
        self._free = free

    def statvfs(self, path):
        return (4096, 4096, 500, self._free, self._free, 0, 0, 0, 0, 255)

    def remove(self, path):
        os.remove(path)


# --- the world and the test ---
def furnish(w):
    # What the modules of the board import, and what they find.
    board = __import__("firmware.boards." + world.NAME, None, None, ("x",))
    w.write_ms, w.free_blocks, w.tls_ms = 90, 200, 300
    w.services = Services(w.clock)
    parts.Can.cable = parts.Cable()
    sys.modules["mcp2515"] = parts.Driver
    sys.modules["machine"].UART = parts.Slave
    parts.Slave.number = 3 if TEST == "06_insulation" else 1
    parts.Slave.registers = {
        0x00: parts.number(231.5), 0x46: parts.number(49.98), 0x48: parts.number(1234.5), 0x4A: parts.number(17.25),
        1000: parts.number(900000.0) + struct.pack(">HH", 0, 0),
    }  # fmt: skip
    with open("board.txt", "w") as file:
        file.write(world.NAME)
    with open("config.json", "w") as file:
        file.write(json.dumps({"site": "desk", "station": "1", "floor_permille": 500, "mqtt_host": "10.0.0.1"}))
    return board


def patch(w):
    import onboard

    import main

    w.thread = None
    main.time, onboard.time = w.clock, w.clock
    main.serve = w.beside
    onboard.beside = w.beside
    onboard.hang = w.hang
    main.services = type("services", (), {"build": lambda *rooms: w.services})
    return onboard


def flash(w):
    # open() and statvfs() of a file system that takes its time.
    import builtins

    opened = builtins.open

    def slow(name, mode="r"):
        if name == "onboard.tmp":
            w.clock._pass(w.write_ms * 1000)
        return opened(name, mode)

    builtins.open = slow
    sys.modules["os"] = Disk(w.free_blocks)


def play(w, given):
    tls = parts.Tls(w.clock, w.tls_ms)
    sys.modules["socket"] = sys.modules["ssl"] = tls
    onboard = patch(w)
    phase, state = "", {}
    with open(ROOT + "/hw_tests/" + TEST + ".py") as file:
        source = file.read()
    said = []
    onboard.say = lambda message: (said.append(message), print(json.dumps(message)))
    while phase is not None:
        onboard.begin(phase, state, given.wired, given.words)
        phase = None
        try:
            exec(source, {"__name__": "__main__"})
        except world.Reset as reset:
            asked = [each for each in said if "again" in each][-1]
            away_ms = w.restart(str(reset.args[0]))
            phase, state = asked["again"], dict(asked["state"], away_ms=away_ms)


w, given = world.World(), Given()
furnish(w)
globals()[VARIANT](w, given)
if TEST == "07_flash":
    flash(w)
play(w, given)
