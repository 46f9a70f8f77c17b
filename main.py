# Assembles the station for this board, runs it, and always ends in safe_stop.
import _thread
import gc
import socket
import sys
import time

from firmware import services
from firmware.arbiter import Arbiter
from firmware.boards import NAMES
from firmware.config import load
from firmware.control import Control, TICK_ms
from firmware.converter import infypower
from firmware.energy import Energy
from firmware.faults import F_TICK, F_WATCHDOG, Active
from firmware.limits import Limits
from firmware.safety import infypower_rules
from firmware.safety.gate import Gate
from firmware.safety.safe_stop import safe_stop
from firmware.sense import Sense
from firmware.stage import Stage
from firmware.starts import Starts
from firmware.station import K_RESET_CAUSE, K_TICKS, Station, energised
from firmware.units import after
from firmware.wishes import Wishes

SERVICES_EVERY = 6  # lockstep: ticks between two steps of the services
CONFIG_FILE = "config.json"
BOARD_FILE = "board.txt"  # the board's name, written by whoever flashes; none: the bench
IMAGE_FILE = "image.txt"  # the hash of what was flashed, by the same
SERVICES_STACK_B = 16 * 1024  # the ESP32's default of 4 KiB is too small for JSON over MQTT


def the_board():
    # The data of this board. One image runs on every board: the name decides, and boot.py goes by the same one.
    name = first_word(BOARD_FILE, "bench")
    if name not in NAMES.split():
        raise ValueError("%s: there is no board %r: write one of %s" % (BOARD_FILE, name, NAMES.replace(" ", ", ")))
    return __import__("firmware.boards." + name, None, None, ("x",))


def first_word(path, otherwise):
    try:
        with open(path) as file:
            return (file.read(64).split() or [otherwise])[0]
    except OSError:
        return otherwise


class Firmware:
    # The rooms of one station, by name, each built from those before it.
    def __init__(self, board, config, io, car_can, converter_can, rtc, field):
        self.board, self.config, self.io, self.rtc = board, config, io, rtc
        self.car_can, self.converter_can = car_can, converter_can
        self.station = station = Station()
        self.wishes = Wishes()
        self.faults = faults = Active(station.events)
        car_rules, self.session = vehicle(config, station, faults, board)
        self.gate = Gate(car_rules, infypower_rules.Rules(), board.SCALE, board, config["floor_permille"], rtc.image)
        self.sense = Sense(station, faults, board.SCALE)
        self.arbiter = Arbiter(station, self.wishes)
        self.limits = Limits(station, self.wishes, board, config)
        self.stage = Stage(station, faults, board, config)
        self.driver = infypower.Driver(station, faults, config)
        self.energy, self.fieldbus = metering(config, station, faults, board, field)
        self.starts = Starts(rtc, faults)
        listen(car_can, car_rules, self.session)
        listen(converter_can, self.gate.converter, self.driver)
        self.control = Control(self)


def assemble(board, config, io, car_can, converter_can, rtc, field=None):
    # field: a function of bit/s and parity that gives the RS-485 line and the pin of its direction.
    return Firmware(board, config, io, car_can, converter_can, rtc, field)


def listen(can, *readers):
    # A controller lets in what somebody here reads: the gate's rules by their own list, the session or the driver by
    # theirs. One that has too few filters for it lets in everything.
    wanted = []
    for reader in readers:
        for each in reader.LISTENS:
            if each not in wanted:
                wanted.append(each)
    can.set_filters(wanted if len(wanted) <= can.FILTERS_MAX else None)


def metering(config, station, faults, board, field):
    # What keeps the record `grid`, and the line of meter and insulation monitor. Without them their room is not loaded.
    if config["meter"] == config["insulation_monitor"] == "none":
        return Energy(station), None
    from firmware import fieldbus

    meter, line = fieldbus.build(config, station, faults, board.RATED_W, field)
    return meter or Energy(station), line


def vehicle(config, station, faults, board):
    # The gate's rules and the session of the configured protocol. Only that room is loaded: code is RAM.
    if config["protocol"] == "chademo":
        from firmware.safety import chademo_rules
        from firmware.vehicle.chademo import session, settings

        chosen = settings.Settings(config)
        return chademo_rules.Rules(chosen.number), session.Session(station, faults, chosen)
    return gbt27930(config, station, faults, board)


def gbt27930(config, station, faults, board):
    from firmware.safety import gbt27930_rules
    from firmware.vehicle.gbt27930 import session, settings

    rules = gbt27930_rules.Rules(config["discharge_v112"], config["ccs_length"])
    return rules, session.Session(station, faults, settings.Settings(config, board.CAN_RX_FRAMES))


class Lost(Exception):
    # The tick failed. The outputs are safe; only a reset makes a new, clean station.
    pass


def run_control(fw, hardware):
    # sleep_ms(0) and not sleep_ms(10): on the ESP32 a sleep within one system tick spins and starves the services.
    tick, ticks_ms, sleep_ms = fw.control.tick, time.ticks_ms, time.sleep_ms
    sense, idle_ms = fw.station.sense.now, fw.board.IDLE_ms
    live = 2  # neither: the first tick says
    due = ticks_ms()
    while not fw.io.closed:
        while time.ticks_diff(due, ticks_ms()) > 0:
            sleep_ms(idle_ms)
        now = ticks_ms()
        tick(now)
        hardware.feed()  # only here: a tick that hangs or raises is not fed for, and no service can do it instead
        if energised(sense) != live:
            live = energised(sense)
            hardware.keys(-1 if live else 3)  # no Ctrl-C stops an energised station
        due = after(due, TICK_ms)
        if time.ticks_diff(now, due) > TICK_ms:
            due = now  # late by more than a tick: begin anew instead of running after the lost ones


def run_lockstep(fw, serving):
    # The bench owns time: one tick a record, the services on this thread between the ticks.
    io = fw.io
    tick = fw.control.tick
    while True:
        io.wait()
        before = io.allocated()
        tick(io.now_ms)
        io.answer(before)
        if serving and fw.station.control.now[K_TICKS] % SERVICES_EVERY == 0:
            serving.step(io.now_ms)


def clocks(hardware):
    # Wall time and ticks for the services. In lockstep the bench owns both.
    if not hardware.lockstep:
        return time.time, time.ticks_ms
    io, wall_s = hardware.io, hardware.wall_s
    return lambda: wall_s + io.now_ms // 1000, lambda: io.now_ms


def radio(config, rtc):
    # The radio of a board whose network is configured, else None. Before the station is assembled: it takes its memory
    # from what the heap grows into, and its first start writes flash (firmware/net/wifi.py).
    if not config["wifi_ssid"]:
        return None
    try:
        import network
    except ImportError:
        print("wifi: this MicroPython has no `network`; the station runs without one of its own")
        return None
    from firmware.net.wifi import power_up

    return power_up(network, print, rtc)


def serve(serving):
    # What a board is flashed with decides what runs here; the stack is set before the thread starts.
    _thread.stack_size(SERVICES_STACK_B)
    _thread.start_new_thread(serving.run, (time.sleep_ms,))


def run():
    gc.collect()  # what the imports left, or the file finds no whole piece
    board, config = the_board(), load(CONFIG_FILE)
    hardware = __import__(board.WIRES).connect(board, config["protocol"], F_WATCHDOG)
    wlan = radio(config, hardware.rtc)
    fw = assemble(
        board, config, hardware.io, hardware.car_can, hardware.converter_can, hardware.rtc, hardware.field
    )
    fw.station.control.now[K_RESET_CAUSE] = hardware.reset_cause
    read_s, ticks_ms = clocks(hardware)
    serving = services.build(fw, config, read_s, ticks_ms, socket, print, wlan)
    gc.collect()
    gc.threshold(-1)  # set by boot.py for the time of loading
    print("config", config.hash)
    print("ready", first_word(IMAGE_FILE, "none"))
    if hardware.lockstep:
        fw.starts.begin(hardware.reset_cause, ticks_ms())
        run_lockstep(fw, serving)
    serve(serving)
    hardware.start()
    by_hand = raised = 0
    try:
        fw.starts.begin(hardware.reset_cause, ticks_ms())  # whoever does not come so far energised nothing
        run_control(fw, hardware)
    except KeyboardInterrupt:  # from the desk, and only while safe
        hardware.keys(-1)  # its second Ctrl-C does not cut the way out short
        by_hand = 1
        raise
    except Exception as error:
        hardware.keys(-1)  # it may have been the tick that closed the contactors
        sys.print_exception(error)
        raised = 1
        fw.faults.set(F_TICK, 0, time.ticks_ms())
        raise Lost(error)
    finally:
        safe_stop(fw.io, fw.converter_can, fw.gate, time.ticks_ms, hardware.sleep_ms)
        fw.starts.end(raised)
        serving.stop()
        hardware.end(by_hand)


if __name__ == "__main__":
    run()
