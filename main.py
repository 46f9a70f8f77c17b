# Assembles the station for this board, runs it, and always ends in safe_stop.
import sys
import time

from firmware.arbiter import Arbiter
from firmware.config import load
from firmware.control import TICK_ms, Control
from firmware.converter import infypower
from firmware.energy import Energy
from firmware.faults import Active
from firmware.limits import Limits
from firmware.safety import gbt27930_rules, infypower_rules
from firmware.safety.gate import Gate
from firmware.sense import Sense
from firmware.stage import Stage
from firmware.station import Station
from firmware.units import age_ms, after
from firmware.vehicle.gbt27930.session import Session
from firmware.vehicle.gbt27930.settings import Settings
from firmware.wishes import Wishes


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
    fw.gate = Gate(
        gbt27930_rules.Rules(), infypower_rules.Rules(), board.SCALE, board, config["floor_permille"], rtc.image
    )
    fw.sense = Sense(fw.station, fw.faults, board.SCALE)
    fw.session = Session(fw.station, fw.faults, Settings(config))
    fw.arbiter = Arbiter(fw.station, fw.wishes)
    fw.limits = Limits(fw.station, fw.wishes, board, config)
    fw.stage = Stage(fw.station, fw.faults, board, config)
    fw.driver = infypower.Driver(fw.station, fw.faults, config)
    fw.energy = Energy(fw.station)
    fw.control = Control(fw)
    return fw
