# A car and an account of it, for the tests of the floor.
from firmware.safety.soc import Soc
from firmware.units import UNKNOWN


class Car:
    def __init__(self, soc_permille=600, step=10, capacity_Wh=1000):
        self.vin = 0
        self.capacity_Wh = capacity_Wh
        self.soc_permille = soc_permille
        self.soc_step_permille = step
        self.soc_reports = 0
        self.voltage_min_dV = 3200
        self.cell_min_cV = 280
        self.highest_cV = self.lowest_cV = UNKNOWN
        self.floor_permille = UNKNOWN
        self.offer = 1

    def offered(self):
        return self.offer

    def report(self, soc_permille):
        self.soc_permille = soc_permille
        self.soc_step_permille = 10
        self.soc_reports += 1


def made(floor_permille=200, **car):
    car = Car(**car)
    soc = Soc(car, floor_permille)
    soc.judge(3800, 0)
    return car, soc


def flow(soc, Wh, current_dA=0):
    # So much energy through the sensors, + into the car, in one judgement.
    left = Wh * 1000 * 45000
    while left:
        part = max(-900000000, min(900000000, left))
        soc._energy += part
        left -= part
        soc.judge(3800, current_dA)
