# Assembles the station for this board, runs it, and always ends in safe_stop.
import _thread
import gc
import socket
import sys
import time

import bench_wires

import firmware.boards.bench as board
from firmware import services
from firmware.arbiter import Arbiter
from firmware.config import load
from firmware.control import TICK_ms, Control
from firmware.converter import infypower
from firmware.energy import Energy
from firmware.faults import F_TICK, Active
from firmware.limits import Limits
from firmware.safety import infypower_rules
from firmware.safety.gate import Gate
from firmware.safety.safe_stop import safe_stop
from firmware.sense import Sense
from firmware.stage import Stage
from firmware.station import K_RESET_CAUSE, K_TICKS, Station
from firmware.units import after
from firmware.wishes import Wishes

SERVICES_EVERY = 6  # lockstep: ticks between two steps of the services
CONFIG_FILE = "config.json"
SERVICES_STACK_B = 16 * 1024  # the ESP32's default of 4 KiB is too small for JSON over MQTT


class Firmware:
    # The rooms of one station, by name.
    pass


def assemble(board, config, io, car_can, converter_can, rtc):
    fw = Firmware()
    fw.board, fw.config, fw.io, fw.rtc = board, config, io, rtc
    fw.car_can, fw.converter_can = car_can, converter_can
    fw.station = Station()
    fw.wishes = Wishes()
    fw.faults = Active(fw.station.events)
    car_rules, session, settings = vehicle(config)
    fw.gate = Gate(car_rules, infypower_rules.Rules(), board.SCALE, board, config["floor_permille"], rtc.image)
    fw.sense = Sense(fw.station, fw.faults, board.SCALE)
    fw.session = session(fw.station, fw.faults, settings)
    fw.arbiter = Arbiter(fw.station, fw.wishes)
    fw.limits = Limits(fw.station, fw.wishes, board, config)
    fw.stage = Stage(fw.station, fw.faults, board, config)
    fw.driver = infypower.Driver(fw.station, fw.faults, config)
    fw.energy = Energy(fw.station)
    fw.control = Control(fw)
    return fw


def vehicle(config):
    # The gate's rules, the session and its settings. Only the configured room is loaded: code is RAM.
    if config["protocol"] == "chademo":
        from firmware.safety.chademo_rules import Rules
        from firmware.vehicle.chademo.session import Session
        from firmware.vehicle.chademo.settings import Settings

        settings = Settings(config)
        return Rules(settings.number), Session, settings
    from firmware.safety.gbt27930_rules import Rules
    from firmware.vehicle.gbt27930.session import Session
    from firmware.vehicle.gbt27930.settings import Settings

    return Rules(config["discharge_v112"], config["ccs_length"]), Session, Settings(config)


class Lost(Exception):
    # The tick failed. The outputs are safe; only a reset makes a new, clean station.
    pass


def run_control(fw):
    # sleep_ms(0) and not sleep_ms(10): on the ESP32 a sleep within one system tick spins and starves the services.
    tick, ticks_ms, sleep_ms = fw.control.tick, time.ticks_ms, time.sleep_ms
    due = ticks_ms()
    while not fw.io.closed:
        while time.ticks_diff(due, ticks_ms()) > 0:
            sleep_ms(board.IDLE_ms)
        now = ticks_ms()
        tick(now)
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


def serve(serving):
    # What a board is flashed with decides what runs here; the stack is set before the thread starts.
    _thread.stack_size(SERVICES_STACK_B)
    _thread.start_new_thread(serving.run, (time.sleep_ms,))


def run():
    gc.collect()  # what the imports left, or the file finds no whole piece
    config = load(CONFIG_FILE)
    hardware = bench_wires.connect(board.CAN_CAR_bit_s[config["protocol"]], board.CAN_CONVERTER_bit_s)
    fw = assemble(board, config, hardware.io, hardware.car_can, hardware.converter_can, hardware.rtc)
    fw.station.control.now[K_RESET_CAUSE] = hardware.reset_cause
    read_s, ticks_ms = clocks(hardware)
    serving = services.build(fw, config, read_s, ticks_ms, socket, print)
    gc.collect()
    print("ready", config.hash)
    if hardware.lockstep:
        run_lockstep(fw, serving)
    serve(serving)
    try:
        run_control(fw)
    except Exception as error:
        sys.print_exception(error)
        fw.faults.set(F_TICK, 0, time.ticks_ms())
        raise Lost(error)
    finally:
        safe_stop(fw.io, fw.converter_can, fw.gate, time.ticks_ms, time.sleep_ms)
        serving.stop()


if __name__ == "__main__":
    run()
