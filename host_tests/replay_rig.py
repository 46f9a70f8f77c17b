"""Logs for the tests of hw_tests/bench/replay: sessions from the bench, written in every format."""

import io
import json
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import can

from hw_tests.bench import vehicles
from hw_tests.bench.frame import Frame
from hw_tests.bench.gbt27930 import codec
from hw_tests.bench.gbt27930.messages import BY_NAME
from hw_tests.bench.gbt27930.transport import Receiver, Sender
from hw_tests.bench.replay.__main__ import arguments, run
from hw_tests.bench.replay.logs import open_log
from hw_tests.bench.replay.protocol import Counts, Told, recognise, told
from hw_tests.bench.replay.show import Show
from hw_tests.bench.world import StepWorld

Timed = tuple[float, Frame]
EPOCH_s = 1_700_000_000.0


def hex_id(frame: Frame) -> str:
    return f"{frame.id:08X}" if frame.ext else f"{frame.id:03X}"


# --- formats ---
def _python_can(frames: Iterable[Timed], path: Path, writer: Any) -> Path:
    with writer(path) as log:
        for t_s, frame in frames:
            log.on_message_received(
                can.Message(timestamp=EPOCH_s + t_s, arbitration_id=frame.id, is_extended_id=frame.ext,
                            data=frame.data, is_rx=True, channel=0)
            )  # fmt: skip
    return path


def candump_log(frames, path):
    return _python_can(frames, path, can.CanutilsLogWriter)


def asc(frames, path):
    return _python_can(frames, path, can.ASCWriter)


def blf(frames, path):
    return _python_can(frames, path, can.BLFWriter)


def candump_text(frames, path):
    rows = [f" ({EPOCH_s + t_s:.6f})  can0  {hex_id(frame):>8}   [{len(frame.data)}]  {frame.data.hex(' ').upper()}"
            for t_s, frame in frames]  # fmt: skip
    path.write_text("\n".join(rows) + "\n")
    return path


def savvycan(frames, path):
    rows = ["Time Stamp,ID,Extended,Dir,Bus,LEN,D1,D2,D3,D4,D5,D6,D7,D8"]
    for t_s, frame in frames:
        data = "".join(f"{byte:02X}," for byte in frame.data)
        rows.append(
            f"{round(t_s * 1e6) + 5_000_000},{frame.id:08X},{str(frame.ext).lower()},Rx,0,{len(frame.data)},{data}"
        )
    path.write_text("\n".join(rows) + "\n")
    return path


def _clock(t_s: float, hours: bool) -> str:
    """Begins at 58 minutes: the hour is crossed, and with `hours` midnight."""
    t_s += 3480.0 + (23 * 3600 if hours else 0)
    hour, minute, second = int(t_s // 3600) % 24, int(t_s // 60) % 60, t_s % 60
    return f"{hour:02d}:{minute:02d}:{second:07.4f}" if hours else f"{minute:02d}:{second:04.1f}"


def zlg(frames, path, encoding="gbk"):
    rows = ["序号,帧ID,时间标识,类型,报文描述,报文内容,长度,数据(Hex)"]
    for number, (t_s, frame) in enumerate(frames):
        kind = "扩展帧" if frame.ext else "标准帧"
        data = frame.data.hex(" ").upper()
        head = f"{number},0x{frame.id:08X},{_clock(t_s, False)},接收  CAN    {kind}  数据帧"
        rows.append(f"{head},PDU1,x,{len(frame.data)},{data} ")
    path.write_text("\n".join(rows) + "\n", encoding=encoding)
    return path


def zlg_utf8(frames, path):
    return zlg(frames, path, "utf-8-sig")


def canalyst_tabs(frames, path):
    rows = ["序号\t系统时间\t时间标识\tCAN通道\t传输方向\tID号\t帧类型\t帧格式\t长度\t数据"]
    for number, (t_s, frame) in enumerate(frames):
        kind = "扩展帧" if frame.ext else "标准帧"
        ticks = f"0x{round(t_s * 1e4) + 0xFFFFF000 & 0xFFFFFFFF:08X}"  # the counter wraps
        head = f"{number}\t{_clock(t_s, True)}\t{ticks}\tch1\t接收\t0x{frame.id:08X}\t数据帧\t{kind}"
        rows.append(f"{head}\t0x{len(frame.data):02X}\tx| {frame.data.hex(' ').upper()} ")
    path.write_text("\n".join(rows) + "\n", encoding="gbk")
    return path


def canalyst_english(frames, path):
    rows = ["Index,Direction,Time Stamp,Name,Frame ID,Format,Type,DLC,Data"]
    for number, (t_s, frame) in enumerate(frames):
        kind = "Extended" if frame.ext else "Standard"
        rows.append(
            f"{number},Receive,{_clock(t_s, True)},,{hex_id(frame)},Data,{kind},{len(frame.data)},{frame.data.hex(' ')}"
        )
    path.write_text("\n".join(rows) + "\n")
    return path


# format as replay names it: its writer, and how coarse its time is
FORMATS = {
    "candump -L": (candump_log, 1e-5), "candump text": (candump_text, 1e-5), "Vector ASC": (asc, 1e-5),
    "Vector BLF": (blf, 1e-5), "SavvyCAN CSV": (savvycan, 1e-5), "ZLG CSV, GBK": (zlg, 0.11),
    "ZLG CSV, UTF-8": (zlg_utf8, 0.11), "CANalyst text with tabs": (canalyst_tabs, 2e-4),
    "CANalyst CSV, English": (canalyst_english, 2e-4),
}  # fmt: skip


# --- contents ---
def long_message(name: str, data: bytes, t_s: float, answered: bool = True) -> list[Timed]:
    """A message by the transport protocol, both sides of it, 10 ms a packet."""
    sender, receiver, out = Sender(), Receiver(), []
    sender.start(BY_NAME[name].pgn, data, 0)
    for now_ms in range(0, 2000, 5):
        for frame in sender.step(now_ms):
            out.append((t_s + now_ms / 1000, frame))
            if not answered:
                return out
            if frame.id == 0x1CEC56F4:
                receiver.control(frame.data, now_ms)
            else:
                receiver.data(frame.data, now_ms)
        for frame in receiver.step(now_ms):
            out.append((t_s + now_ms / 1000 + 0.001, frame))
            sender.receive(frame.data, now_ms)
        if not sender.busy:
            return out
    raise AssertionError(f"{name} was not sent")


def small_session() -> list[Timed]:
    """Some GB/T frames of both sides, a long message among them."""
    bcp = codec.payload("BCP", cell_voltage_max_mV=4140, current_max_dA=1000, energy_Wh=7800, voltage_max_dV=6030,
                        temperature_max_dC=600, soc_permille=970, voltage_dV=4900)  # fmt: skip
    frames = [
        (0.0, codec.encode("CHM", version_minor=1, version_major=1)),
        (0.1, codec.encode("BHM", voltage_max_dV=6030)),
    ]
    for k in range(20):
        frames.append((0.25 * k + 0.25, codec.encode("CHM", version_minor=1, version_major=1)))
        frames.append((0.25 * k + 0.30, codec.encode("BHM", voltage_max_dV=6030)))
    frames += [(5.4, codec.encode("CRM", result=0, charger_number=1)), *long_message("BCP", bcp, 5.5)]
    frames.append((6.0, codec.encode("BRO", ready=0xAA)))
    return frames


def bench_session(vehicle: str = "gbt27930", watts: tuple[int, ...] = (8000, -8000), each_ms: int = 4000,
                  spoil: Any = None, **car: Any) -> list[Timed]:  # fmt: skip
    """A whole session of the bench's car at the firmware: plug, these powers one after the other, button."""
    kind = vehicles.vehicle(vehicle)
    car = {"vehicle": vehicle, **car}
    plant = {"soc_permille": 550, **kind.pack(car)}
    world = StepWorld(car, plant, {**kind.station, "floor_permille": 100}, services=False)
    frames: list[Timed] = []
    world.around.on_frame = lambda bus, us, frame: frames.append((us / 1e6, frame)) if bus == "car" else None
    world.around.rig.pins.plug()
    _until(world, lambda: world.around.observer.phase == "charge")
    for number, watt in enumerate(watts):
        world.fw.wishes.post_power(0, number + 1, watt, world.ticks_ms(), 600_000)
        world.run(each_ms)
    if spoil is not None:
        spoil(world)
        world.run(3000)
    else:
        world.around.rig.pins.press()
        _until(world, lambda: world.around.observer.phase == "ended")
        world.run(1500)
    return frames


def _until(world: StepWorld, done: Any, limit_ms: int = 30_000) -> None:
    for _ in range(limit_ms // 10):
        world.tick()
        if done():
            return
    raise AssertionError(f"still in the phase {world.around.observer.phase}")


# --- reading ---
def read(path: Path, asked: str = "") -> tuple[list[Told], Counts, str]:
    """Everything that a log tells, what was skipped, and the format's name."""
    log = open_log(path)
    dialect, taken = recognise(log.entries, asked)
    counts = Counts()
    return list(told(chain(taken, log.entries), dialect, counts)), counts, log.format


def lines(path: Path, *words: str) -> tuple[int, list[dict[str, Any]]]:
    """What the command line writes into a pipe, and its exit status."""
    stream = io.StringIO()
    status = run(arguments([str(path), *words]), Show(stream, False))
    return status, [json.loads(line) for line in stream.getvalue().splitlines()]
