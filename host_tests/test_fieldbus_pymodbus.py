"""The firmware's field bus with pymodbus as every meter and monitor that it knows, on a line whose noise is raised.

A spoiled frame passes the CRC once in 65,536; with the seeds here none does.
"""

import time
from collections import deque
from pathlib import Path

import pytest

from firmware.contract import OFF, RUN
from firmware.faults import F_INSULATION, F_METER, F_METER_SILENT, F_MONITOR
from firmware.station import (
    G_METER,
    G_POWER_W,
    I_ALARM,
    I_TEST,
    METER_DOUBTED,
    METER_GOOD,
    TEST_FAILED,
    TEST_PASSED,
    TEST_RUNS,
    G_AGE_ms,
    G_EXPORT_Wh,
    G_FREQUENCY_mHz,
    G_IMPORT_Wh,
    G_VOLTAGE_dV,
    I_AGE_ms,
    I_R_kohm,
)
from firmware.units import TICKS_MASK, UNKNOWN
from host_tests import size
from host_tests.fieldbus_rig import INTERPRETER, METER_AT, MONITOR_AT, Here, MicroPython, Rig, STEP_ms
from host_tests.pymodbus_parts import METERS, MONITORS
from host_tests.test_modbus_pymodbus import serving

NOISES = (0.0, 0.02)  # the chance of each byte to be hurt
TAKES_ms = 320  # from a register's reading to its value: 17 characters, the slave, two steps; then the age's own step

SILENT_ms = 5000  # after that its number is gone


def _lives(rig: Rig, ms: int, oldest_ms: int = SILENT_ms) -> None:
    """The power changes every 400 ms; whatever is told was true when its age says so."""
    before = [(rig.line.now - back_ms, rig.meter.power_W) for back_ms in range(0, 8000, STEP_ms)]
    truth: deque[tuple[int, int]] = deque(before, maxlen=400)
    noisy = rig.line.noise > 0
    for step in range(ms // STEP_ms):
        if step % 10 == 0:
            rig.meter.power_W = -10_000 + 10 * (step * 7919 % 2000)
        rig.meter.export_Wh += 10_000 * STEP_ms / 3.6e6
        truth.append((rig.line.now, rig.meter.power_W))
        rig.step()
        told_W, age_ms = rig.grid[G_POWER_W], rig.grid[G_AGE_ms]
        if told_W != UNKNOWN:
            then_ms = rig.line.now - age_ms
            assert age_ms <= oldest_ms, step
            assert told_W in {power_W for at_ms, power_W in truth if then_ms - TAKES_ms <= at_ms <= then_ms}, step
        assert told_W != UNKNOWN or noisy, step


def _exported(rig: Rig, Wh: float) -> bool:
    return abs(rig.grid[G_EXPORT_Wh] - Wh) <= 1


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("meter", METERS)
def test_every_meter_tells_the_truth_and_its_age(meter: str, noise: float) -> None:
    for start_ms in (0, TICKS_MASK - 15_000):
        rig = Rig(Here, meter, "isocha425", noise, start_ms=start_ms)
        rig.until(lambda rig: rig.grid[G_METER] == METER_GOOD and rig.grid[G_EXPORT_Wh] != UNKNOWN)
        _lives(rig, 20_000, 520 if not noise else SILENT_ms)
        rig.line.noise = 0.0
        rig.run(5000)
        assert abs(rig.grid[G_POWER_W] - rig.meter.power_W) < 1
        assert _exported(rig, rig.meter.export_Wh) and abs(rig.grid[G_IMPORT_Wh] - rig.meter.import_Wh) <= 1
        assert rig.grid[G_METER] == METER_GOOD and F_METER not in rig.active
        volts = [value for value in rig.grid[G_VOLTAGE_dV : G_VOLTAGE_dV + 3] if value != UNKNOWN]
        assert volts == [10 * value for value in rig.meter.volts]
        assert rig.grid[G_FREQUENCY_mHz] == (49_987 if rig.meter.tells_grid else UNKNOWN)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("meter", METERS)
@pytest.mark.parametrize("shift_Wh", (-1000, 100_000))
def test_a_register_that_steps_back_or_jumps_is_a_fault_and_no_number(meter: str, shift_Wh: int, noise: float) -> None:
    rig = Rig(Here, meter, "rn5893", noise)
    rig.until(lambda rig: UNKNOWN not in rig.grid[G_IMPORT_Wh : G_EXPORT_Wh + 1] and rig.grid[G_METER] == METER_GOOD)
    assert _exported(rig, rig.meter.export_Wh) and F_METER not in rig.active
    before_Wh = rig.meter.export_Wh
    rig.meter.export_Wh += shift_Wh
    rig.until(lambda rig: F_METER in rig.active)
    for _ in range(300):
        rig.step()
        assert rig.grid[G_METER] == METER_DOUBTED and F_METER in rig.active
        assert _exported(rig, before_Wh) and abs(rig.grid[G_IMPORT_Wh] - rig.meter.import_Wh) <= 1
    rig.meter.export_Wh += 12.0  # what flows from there on is counted
    rig.until(lambda rig: _exported(rig, before_Wh + 12)).run(2000)
    assert _exported(rig, before_Wh + 12) and F_METER in rig.active
    rig.meter.export_Wh -= shift_Wh
    rig.until(lambda rig: F_METER not in rig.active and rig.grid[G_METER] == METER_GOOD)
    assert _exported(rig, rig.meter.export_Wh)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("monitor", MONITORS)
def test_every_monitor_is_self_tested_and_watched(monitor: str, noise: float) -> None:
    rig = Rig(Here, "sdm630", monitor, noise).until(lambda rig: rig.insulation[I_TEST] == TEST_RUNS)
    assert F_MONITOR not in rig.active
    rig.until(lambda rig: rig.insulation[I_TEST] == TEST_PASSED)
    assert rig.monitor.written[0] == rig.monitor.begins
    for kohm in (4000, 800, 100) if monitor == "isocha425" else (1900, 800, 100):
        rig.monitor.kohm = kohm
        rig.until(lambda rig, kohm=kohm: rig.insulation[I_R_kohm] == kohm, 1000 if not noise else 8000)
        assert rig.insulation[I_AGE_ms] == 0
    rig.contactor, rig.stage = 1, RUN
    rig.run(3000)
    assert F_INSULATION not in rig.active and F_MONITOR not in rig.active
    rig.monitor.kohm = 99
    rig.until(lambda rig: F_INSULATION in rig.active, 1000 if not noise else 8000)


@pytest.mark.parametrize("monitor", MONITORS)
def test_an_alarm_and_an_error_of_the_device(monitor: str) -> None:
    rig = Rig(Here, "dtsu666", monitor).until(lambda rig: rig.insulation[I_TEST] == TEST_PASSED)
    rig.contactor, rig.stage = 1, RUN
    rig.monitor.alarm = True
    rig.run(1000)
    assert rig.insulation[I_ALARM] == 1 and F_INSULATION in rig.active
    rig.monitor.alarm, rig.monitor.error = False, True
    rig.run(1000)
    assert rig.insulation[I_TEST] == TEST_FAILED and F_MONITOR in rig.active


@pytest.mark.parametrize(("monitor", "register"), [("rn5893", (4, 0)), ("rn5893", (4, 2000)), ("isocha425", (3, 1000))])
def test_a_monitor_that_refuses_to_say_how_it_is_falls_silent(monitor: str, register: tuple[int, int]) -> None:
    """Exceptions are answers, but no evidence: neither the last state nor the last number lives on."""
    rig = Rig(Here, "sdm630", monitor).until(lambda rig: rig.insulation[I_TEST] == TEST_PASSED)
    rig.contactor, rig.stage = 1, RUN
    rig.run(1000).monitor.refused.add(register)
    rig.run(4500)
    assert F_MONITOR not in rig.active and rig.insulation[I_AGE_ms] > 4000
    rig.run(1000)
    assert F_MONITOR in rig.active and rig.insulation[I_R_kohm] == UNKNOWN
    assert rig.insulation[I_TEST] != TEST_PASSED, "it must show again that it works"
    rig.contactor, rig.stage = 0, OFF
    rig.monitor.refused.clear()
    rig.until(lambda rig: rig.insulation[I_TEST] == TEST_PASSED and F_MONITOR not in rig.active)


@pytest.mark.parametrize("slot", (G_POWER_W, G_EXPORT_Wh, G_FREQUENCY_mHz))
def test_a_meter_that_refuses_one_register(slot: int) -> None:
    """Its number goes, or stays where it was counted to; the others are told on."""
    rig = Rig(Here, "sdm630", "isocha425").run(10_000)
    address = {G_POWER_W: 52, G_EXPORT_Wh: 74, G_FREQUENCY_mHz: 70}[slot]
    rig.meter.refused.add((4, address))
    rig.run(32_000)
    assert (rig.grid[slot] == UNKNOWN) == (slot != G_EXPORT_Wh)
    assert (F_METER_SILENT in rig.active) == (slot != G_FREQUENCY_mHz)
    rig.meter.power_W = 4711
    rig.run(1000)
    assert rig.grid[G_VOLTAGE_dV] == 2300 and (rig.grid[G_POWER_W] == 4711) == (slot != G_POWER_W)
    rig.meter.refused.clear()
    rig.run(10_000)
    assert rig.grid[slot] != UNKNOWN and F_METER_SILENT not in rig.active and rig.grid[G_METER] == METER_GOOD


def test_a_line_with_everything_against_it() -> None:
    """Noise, another master, a slave that answers late: what is told stays true, and all is well afterwards."""
    rig = Rig(Here, "sdm630", "isocha425", 0.03, seed=5)
    rig.line.strangers, rig.line.late = 0.2, 0.05
    rig.run(20_000)
    _lives(rig, 60_000)
    assert F_METER not in rig.active and F_INSULATION not in rig.active
    rig.line.noise = rig.line.strangers = rig.line.late = 0.0
    rig.run(40_000)
    assert F_METER_SILENT not in rig.active and F_MONITOR not in rig.active
    assert rig.insulation[I_TEST] == TEST_PASSED and rig.insulation[I_R_kohm] == 5000
    assert abs(rig.grid[G_EXPORT_Wh] - rig.meter.export_Wh) <= 1


@pytest.mark.parametrize(("meter", "monitor"), [("dtsu666", "isocha425"), ("sdm120", "rn5893")])
def test_the_server_of_pymodbus_on_a_pseudo_terminal(meter: str, monitor: str) -> None:
    """Meter and monitor, its self-test included, with spoiled bytes. No time of it is judged: that of the station
    runs by itself, 10 ms for every look at the line."""
    rig = Rig(Here, meter, monitor)
    rig.meter.power_W = -7000
    devices = [rig.meter.device(METER_AT), rig.monitor.device(MONITOR_AT)]
    ends = time.monotonic() + 60
    now = 0
    with serving(devices) as line:
        line.spoil = 100
        rig.room.bus._line._uart = line
        while rig.insulation[I_TEST : I_TEST + 1] != [TEST_PASSED] or rig.grid[G_POWER_W] != -7000:
            assert time.monotonic() < ends, (rig.grid, rig.insulation)
            now += 10
            _, rig.grid, rig.insulation, rig.active = rig.room.step(now, 0, OFF, b"")
            time.sleep(0.001)
    assert rig.monitor.written[0] == rig.monitor.begins and F_INSULATION not in rig.active


@pytest.mark.parametrize(("meter", "monitor"), [("sdm630", "isocha425"), ("djsf1352", "rn5893"),
                                                ("dtsu666_tenths", "rn5893")])  # fmt: skip
def test_the_image_on_micropython_does_the_same_step_by_step(meter: str, monitor: str, tmp_path: Path) -> None:
    if not INTERPRETER.exists():
        pytest.skip("no MicroPython: `make bootstrap`")
    size.image()
    both = [Rig(where, meter, monitor, 0.02, 3, TICKS_MASK - 9000, tmp_path) for where in (Here, MicroPython)]
    for step in range(1000):
        if step == 600:
            for rig in both:
                rig.contactor, rig.stage, rig.monitor.alarm = 1, RUN, True
                rig.meter.export_Wh -= 1000
        told = []
        for rig in both:
            rig.meter.power_W = -10 * step
            rig.meter.import_Wh += 0.1
            rig.step()
            told.append((rig.grid, rig.insulation, rig.active))
        assert told[0] == told[1], step
    assert told[0][0][G_METER] == METER_DOUBTED and F_INSULATION in told[0][2]
    both[1].room.close()
