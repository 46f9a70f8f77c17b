"""`make car` and `make converter`: an emulator alone on an adapter, against scripted stations."""

import errno
import io
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import can
import pytest

from host_tests.bench_desk import PEERS, Alone, play
from hw_tests.bench import adapter, alone
from hw_tests.bench import infypower as infy
from hw_tests.bench.adapter import Adapter, AdapterError, open_adapter, parse, why_not
from hw_tests.bench.alone.__main__ import arguments, run_car, run_converter
from hw_tests.bench.alone.car_plant import CarPlant
from hw_tests.bench.alone.keys import Keys
from hw_tests.bench.alone.menu import LETTERS, Menu, faults_of_car, faults_of_converter, words
from hw_tests.bench.alone.view import DeskView
from hw_tests.bench.converter import OFF, ON
from hw_tests.bench.frame import Frame
from hw_tests.bench.infypower import READ, WRITE, request
from hw_tests.bench.vehicles import VEHICLES, vehicle
from hw_tests.bench.wire import Wire

ROOT = Path(__file__).resolve().parent.parent


class Lines(DeskView):
    """A view whose lines a test reads."""

    def __init__(self) -> None:
        self.text = io.StringIO()
        self.shown: dict = {}
        super().__init__("test", [], {}, stream=self.text, live=False)

    def show(self, facts, menu, raised):
        self.shown = {**facts, "raised": set(raised)}


def until(condition, patience_s=20.0):
    deadline_s = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen"
        time.sleep(0.01)


# --- the word that names an adapter ---
@pytest.mark.parametrize(("text", "interface", "channel", "bitrate", "options"), [
    ("slcan:/dev/ttyACM0@250000", "slcan", "/dev/ttyACM0", 250_000, {}),
    ("socketcan:can0", "socketcan", "can0", None, {}),
    ("socket://127.0.0.1:5001", "slcan", "socket://127.0.0.1:5001", None, {}),
    ("slcan:socket://10.0.0.1:5001@500000", "slcan", "socket://10.0.0.1:5001", 500_000, {}),
    ("virtual:x", "virtual", "x", None, {}),
    ("pcan:PCAN_USBBUS1,state=ACTIVE,tries=3,slow=true", "pcan", "PCAN_USBBUS1", None,
     {"state": "ACTIVE", "tries": 3, "slow": True}),
])  # fmt: skip
def test_words_for_adapters(text, interface, channel, bitrate, options):
    assert parse(text) == Adapter(text, interface, channel, bitrate, options)


@pytest.mark.parametrize(("text", "says"), [
    ("", "no CAN adapter was named: say CAN=interface:channel"), ("can0", "names no adapter"),
    ("slcan:", "names no adapter"), ("canable:/dev/ttyACM0", "has no interface 'canable'; it has "),
    ("slcan:/dev/ttyACM0@fast", "bit/s, not 'fast'"), ("slcan:/dev/ttyACM0@125", "5000 to 1000000"),
    ("socketcan:can0@250000", "ip link set can0 up type can bitrate 250000"),
    ("virtual:x,loud", "'loud' is no option"),
])  # fmt: skip
def test_wrong_words_are_explained(text, says):
    with pytest.raises(AdapterError, match=says.replace("(", r"\(")):
        parse(text)


@pytest.mark.parametrize(("number", "says"), [
    (errno.EACCES, "no rights to open it: join the group dialout"), (errno.EBUSY, "another program has it open"),
    (errno.ENODEV, "there is no such adapter"), (errno.ENETDOWN, "ip link set"), (errno.EAFNOSUPPORT, "modprobe can"),
])  # fmt: skip
def test_errors_of_the_system_are_explained(number, says):
    wrapped = can.CanInitializationError(f"could not open: [Errno {number}] whatever")
    for error in (OSError(number, "x"), wrapped):
        assert says in why_not(Adapter("", "slcan", "/dev/ttyACM0"), 250_000, error)


def test_a_missing_adapter_and_a_busy_one():
    with pytest.raises(AdapterError, match="there is no such adapter"):
        open_adapter("slcan:/dev/ttyNEVER", 250_000)
    with pytest.raises(AdapterError, match="nobody listens there"):
        open_adapter("socket://127.0.0.1:1", 250_000)
    master, slave = pty.openpty()
    name = os.ttyname(slave)
    try:
        first = open_adapter(f"slcan:{name},sleep_after_open=0", 250_000)
        assert b"S5\r" in os.read(master, 100)
        with pytest.raises(AdapterError, match="another program has it open"):
            open_adapter(f"slcan:{name},sleep_after_open=0", 250_000)
        first.shutdown()
        with pytest.raises(AdapterError, match="123456 bit/s cannot be opened"):
            open_adapter(f"slcan:{name}@123456,sleep_after_open=0", 250_000)
    finally:
        os.close(master)
        os.close(slave)


# --- keys ---
def test_every_fault_that_scenarios_know_has_a_key():
    for name in VEHICLES:
        assert len(faults_of_car(name)) <= len(LETTERS)
    assert "runaway" in faults_of_converter()
    menu = Menu(["deaf", "flood"], {"1": "plug"})
    assert menu.take("bz1") == [("fault", "flood"), ("own", "1")]
    assert menu.take(":late ms=") == [] and menu.line == "late ms="
    assert menu.take("51\x7f\n") == [("line", "late ms=5")] and menu.line is None
    assert menu.take(":x\x1ba") == [("fault", "deaf")]


def test_a_typed_line():
    assert words("bsm_fault bit=insulation value=1 for_ms=2000") == (
        "bsm_fault", {"bit": "insulation", "value": 1, "for_ms": 2000},
    )  # fmt: skip
    with pytest.raises(ValueError, match="key=value"):
        words("late 5")


# --- the car's surroundings ---
def test_current_flows_as_the_station_tells_and_only_through_closed_contactors():
    clock = [0.0]
    plant = CarPlant(vehicle("gbt27930"), {"kind": "v2g", "soc_permille": 500}, lambda: clock[0])
    ccs = Frame(0x1812F456, True, bytes.fromhex("a00f" "740e" "0000" "fd" "ff"))  # 400.0 V, 30.0 A (facts 1.4)
    plant.hear(ccs)
    assert plant.sensed()["current_A"] == 0 and plant.sensed()["inlet_V"] == 400
    plant.send({"close_contactors": True, "permission": False, "coil_by_station": False})
    for _ in range(100):
        clock[0] += 0.01
        plant.hear(ccs)
        sensed = plant.receive()[0]
    assert sensed["contactors_closed"] and sensed["current_A"] == 30 and sensed["inlet_V"] > 380
    assert plant.pack.soc > 0.5
    clock[0] += 2.0  # the station falls silent
    assert plant.receive()[0]["current_A"] == 0
    plant.type_in("current_A", -7.5)
    assert plant.sensed()["current_A"] == -7.5
    plant.type_in("current_A", None)
    plant.type_in("soc_permille", 800)
    assert plant.sensed()["current_A"] == 0 and round(plant.pack.soc, 3) == 0.8
    with pytest.raises(ValueError, match="cannot be typed"):
        plant.type_in("phase", 1)


def test_d2_follows_the_lock_and_falls_without_d1():
    clock = [0.0]
    plant = CarPlant(vehicle("chademo"), {}, lambda: clock[0])
    locked = Frame(0x109, False, bytes((2, 0, 0, 0, 1, 0x24, 0, 0)))
    for _ in range(300):
        clock[0] += 0.01
        plant.hear(locked)
        plant.receive()
    assert plant.d2_closed
    plant.supply = False
    assert not plant.d2_closed and not plant.sensed()["d1"]
    assert CarPlant(vehicle("gbt27930"), {"kind": "truck_24V"}).pack.ocv_V == pytest.approx(600, abs=1)


# --- whole emulators over python-can's virtual bus ---
@pytest.fixture
def make_alone():
    running = []

    def make(run, *arguments_):
        channel = f"desk{len(running)}-{time.monotonic()}"
        view = Lines()
        mine = can.Bus(interface="virtual", channel=channel)
        made = Alone(run, arguments(list(arguments_)), open_adapter(f"virtual:{channel}", 250_000), view)
        running.append((made, mine))
        return made, mine

    yield make
    for made, mine in running:
        made.end()
        mine.shutdown()


def key_of(name: str, fault: str) -> str:
    return LETTERS[faults_of_car(name).index(fault)]


@pytest.mark.parametrize(("name", "fault", "seen"), [
    ("gbt27930", "refuse_current", lambda charger: charger.heard["BCL"][1]["current_dA"] == 0),
    ("chademo", "refuse_current", lambda charger: charger.heard["102"]["request_dA"] == 0),
])  # fmt: skip
def test_a_car_alone_charges_and_a_key_raises_a_fault(make_alone, name, fault, seen):
    car, bus = make_alone(run_car, "car", "--vehicle", name)
    peer = PEERS[name]()
    if name == "chademo":
        peer.charger.wanted_A = 20.0
    play(bus, peer, lambda: car.view.shown.get("phase") == "charge" and car.view.shown["current_A"] > 5)
    assert car.view.shown["bus_received"] > 10 and car.view.shown["contactors_closed"]
    assert not seen(peer.charger)
    car.keys.type(key_of(name, fault))
    play(bus, peer, lambda: fault in car.view.shown["raised"] and seen(peer.charger))
    car.keys.type(key_of(name, fault))
    play(bus, peer, lambda: fault not in car.view.shown["raised"] and not seen(peer.charger))
    car.keys.type(":sense temperature_C=71\n:sings\n:sense x=1\n")
    play(bus, peer, lambda: car.view.shown["temperature_C"] == 71 and car.view.text.getvalue().count("refused") == 2)
    car.keys.type("1")  # unplugged
    play(bus, peer, lambda: car.view.shown["phase"] == "asleep")
    assert "phase charge" in car.view.text.getvalue()


def ask(bus, command, item, value=0):
    frame = request(command, item, value)
    bus.send(can.Message(arbitration_id=frame.id, is_extended_id=True, data=frame.data))
    deadline_s = time.monotonic() + 3
    while time.monotonic() < deadline_s:
        message = bus.recv(0.2)
        if message is not None and message.arbitration_id == 0x02C0F000 | command << 16:
            return int.from_bytes(message.data[4:8], "big", signed=True)
    raise AssertionError("no reply")


def test_a_converter_alone_gives_current_and_obeys_its_keys(make_alone):
    converter, bus = make_alone(run_converter, "converter", "--set", '{"soc_permille": 600}')
    until(lambda: converter.view.shown.get("enabled"))
    for item, value in ((infy.VOLTAGE, 385_000), (infy.CURRENT, 10_000), (infy.ON_OFF, ON)):
        assert ask(bus, WRITE, item, value) == value
    until(lambda: converter.view.shown.get("link_V", 0) > 380)
    assert ask(bus, READ, infy.CURRENT) == pytest.approx(0, abs=100)
    converter.keys.type("2")  # K1/K2 close
    until(lambda: converter.view.shown["current_A"] > 9)
    converter.keys.type(LETTERS[faults_of_converter().index("reads_wrong")] + ":reads_wrong current_A=3\n")
    until(lambda: ask(bus, READ, infy.CURRENT) > 12_000)
    until(lambda: "reads_wrong" in converter.view.shown["raised"])
    converter.keys.type("1")  # module-enable falls
    until(lambda: not converter.view.shown["on"])
    assert ask(bus, WRITE, infy.ON_OFF, OFF) == OFF
    converter.keys.type(":pins what=contactor kind=melted\n:pins what=pack soc=0.8\n")
    until(lambda: converter.view.shown["soc_permille"] > 790 and "refused" in converter.view.text.getvalue())


# --- whole programs, over slcan ---
@pytest.fixture
def wire():
    made = Wire(250_000)
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    yield made
    made.running = False
    thread.join(2)
    made.close()


def command(*words_: str) -> list[str]:
    return [sys.executable, "-m", "hw_tests.bench.alone", *words_]


def test_piped_it_tells_a_line_an_event_and_ends_on_ctrl_c(wire):
    car = subprocess.Popen(command("car", "--can", f"socket://127.0.0.1:{wire.port}"), cwd=ROOT, text=True,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
    bus = can.Bus(interface="slcan", channel=f"socket://127.0.0.1:{wire.port}", bitrate=250_000, sleep_after_open=0)
    peer = PEERS["gbt27930"]()
    play(bus, peer, lambda: peer.charger.phase == "charge" and peer.vehicle.current_A > 5)
    bus.shutdown()
    car.send_signal(signal.SIGINT)
    text, _ = car.communicate(timeout=20)
    lines = text.splitlines()
    assert car.returncode == 0 and lines[-1].split(" s ", 1)[1].split() == ["end", "stopped"], text
    phases = [line.split()[-1] for line in lines if " phase " in line]
    assert phases[0] == "awake"  # each is told when it is seen: a busy computer may miss a short one
    assert "identify" in phases and "charge" in phases[phases.index("identify") :]


def test_an_adapter_that_goes_ends_the_program_with_a_sentence():
    door = socket.create_server(("127.0.0.1", 0))
    word = f"socket://127.0.0.1:{door.getsockname()[1]}"
    converter = subprocess.Popen(command("converter", "--can", word), cwd=ROOT, text=True, stdin=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE)  # fmt: skip
    adapter_, _ = door.accept()
    adapter_.settimeout(10)
    heard = b""
    while b"O\r" not in heard:  # in as many pieces as the stream likes
        heard += adapter_.recv(100)
    assert b"S4\r" in heard
    adapter_.close()
    door.close()
    _, text = converter.communicate(timeout=20)
    assert converter.returncode == 1 and "the adapter is gone" in text and "Traceback" not in text


def test_on_a_terminal_there_is_a_live_view_with_keys(wire):
    master, slave = pty.openpty()
    car = subprocess.Popen(command("car", "--can", f"socket://127.0.0.1:{wire.port}", "--vehicle", "chademo"), cwd=ROOT,
                           stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                           env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "118", "LINES": "40"})  # fmt: skip
    os.close(slave)
    screen = b""

    def shows(text: bytes) -> bool:
        nonlocal screen
        while select.select([master], [], [], 0.05)[0]:
            screen += os.read(master, 65536)
        return text in screen

    until(lambda: shows(b"contactor_welded") and shows(b"Ctrl-C"))
    os.write(master, b"1")
    until(lambda: shows(b"unplugged"))
    car.send_signal(signal.SIGINT)
    assert car.wait(20) == 0
    os.close(master)


def test_wrong_words_end_with_a_sentence():
    for words_, status, says in (
        (("car", "--can", "nope"), 1, "names no adapter"),
        (("car", "--can", "virtual:x", "--vehicle", "tesla"), 2, "there is no vehicle 'tesla'"),
        (("car", "--can", "virtual:x", "--profile", "beetle"), 2, "there is no car 'beetle'"),
        (("converter", "--can", "virtual:x", "--set", '{"wheels": 4}'), 2, "no parameter 'wheels'"),
        (("car", "--can", "virtual:x", "--set", "{bad"), 2, "car: --set {bad is no JSON object: "),
        (("converter", "--can", "virtual:x", "--set", "[1]"), 2, "converter: --set [1] is no JSON object: "),
    ):
        done = subprocess.run(command(*words_), cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == status and says in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("kind", VEHICLES)
def test_a_parameter_that_the_car_has_not_is_told_with_those_it_has(kind):
    with pytest.raises(ValueError, match="^the car has no parameter 'nokey'; there are: .*_ohm, .*soc_permille, "):
        run_car(arguments(["car", "--can", "virtual:x", "--vehicle", kind, "--set", '{"nokey": 1}']), Keys(0))


@pytest.mark.parametrize(("given", "says"), [
    (("--soc", "800"), "--soc 800 is no state of charge: it takes 0 to 100 per cent"),
    (("--soc", "-5"), "--soc -5 is no state of charge: it takes 0 to 100 per cent"),
    (("--soc", "nan"), "--soc nan is no state of charge: it takes 0 to 100 per cent"),
    (("--soc", "half"), "--soc half is no state of charge: it takes 0 to 100 per cent"),
    (("--set", '{"soc_permille": 1001}'), "soc_permille 1001 is no state of charge: it takes 0 to 1000"),
    (("--set", '{"soc_permille": "full"}'), "soc_permille 'full' is no state of charge: it takes 0 to 1000"),
])  # fmt: skip
def test_a_state_of_charge_that_is_none_is_refused(given, says):
    with pytest.raises(ValueError, match=f"^{says}$"):
        run_car(arguments(["car", "--can", "virtual:x", *given]), Keys(0))


def test_the_parts_are_documented():
    text = (ROOT / "docs" / "bench.md").read_text()
    for word in ("CAN=slcan:/dev/ttyACM0@250000", "make car", "make converter", "socketcan:can0"):
        assert word in text
    assert adapter.SYNTAX and alone.__doc__
