# What the numbered tests share on the board. The runner (hw_tests/board_tests) sends it into RAM before each of them:
# nothing is written to the flash. Results are lines of JSON; a test that prints none has failed.
#
# A test that needs a reset goes in phases: again("name", ...) tells the runner, which waits for the board and sends the
# same file again with that phase and with what the test wants to remember.
import _thread
import json
import sys
import time

import machine

PHASE = ""
STATE = {}
WIRED = ()  # what the person at the desk says is wired: words of the tests' headers
GIVEN = {}  # other words of the command line: seconds=60, tls=10.0.0.1:8883 ...
HARD, SOFT, HANG = "hard", "soft", "hang"
_DESK_ms = 600000  # the watchdog may run already, and cannot be stopped: a hung test is reset after this
_DEAD_dV = 600


class Skip(Exception):
    # The test cannot be done here; the text says what is missing.
    pass


class Gone(Exception):
    # The reset that was asked for did not happen.
    pass


def begin(phase, state, wired, given):
    global PHASE, STATE, WIRED, GIVEN
    PHASE, STATE, WIRED, GIVEN = phase, state, wired, given


# --- verdicts ---
def result(name, good, value=None, limit=None, unit="", note=""):
    word = "pass" if good else "fail"
    say({"name": name, "result": word, "value": value, "limit": limit, "unit": unit, "note": note})
    return good


def at_most(name, value, limit, unit="", note=""):
    return result(name, value <= limit, value, limit, unit, note)


def at_least(name, value, limit, unit="", note=""):
    return result(name, value >= limit, value, limit, unit, note)


def skip(name, reason):
    say({"name": name, "result": "skip", "note": str(reason)})


def say(message):
    print(json.dumps(message))


def run(**phases):
    # phases: first=f, and one for each name given to again(). The last line says that the phase came to its end.
    try:
        machine.WDT(timeout=_DESK_ms)
        phases[PHASE or "first"]()
    except Skip as error:
        skip("all", error)
    except Gone as error:
        result("reset", False, note=str(error))
    except Exception as error:
        sys.print_exception(error)
        result("runs", False, note=repr(error))
    say({"done": 1})


def again(phase, how, within_ms, **state):
    # Reset, and go on in another phase. `within_ms`: longest way from here to the board's first word.
    say({"again": phase, "how": how, "within_ms": within_ms, "state": state})
    time.sleep_ms(50)  # the line shall leave the UART
    if how == HARD:
        machine.reset()
    elif how == SOFT:
        machine.soft_reset()
    else:
        hang()
    raise Gone("no reset came")


def hang():
    while True:
        pass


# --- the board ---
def the_board():
    # Its data, by the name in board.txt, as main.py and boot.py read it.
    try:
        with open("board.txt") as file:
            name = file.read(64).split()[0]
        return __import__("firmware.boards." + name, None, None, ("x",))
    except (OSError, IndexError, ImportError) as error:
        raise Skip("board.txt names no board of firmware/boards (%r): `make flash` writes it" % error)


def need(word, what):
    # A wiring that cannot be seen by looking: the person must have said so.
    if word not in WIRED:
        raise Skip("needs %s: wire it and say WIRED=%s" % (what, word))


def pad(board, name):
    # (Pin to read, level that energises) of an output; its mode is left alone.
    for output, pin, on in board.OUTPUTS:
        if output == name:
            if pin is None:
                raise Skip("this board has no output %r" % name)
            return machine.Pin(pin), on
    raise Skip("this board drives no pins of its own")


def bit(board, name):
    # Of io.write() for an output, slot of io.inputs for an input.
    for at, row in enumerate(board.OUTPUTS):
        if row[0] == name:
            return 1 << at
    raise Skip("this board has no output %r" % name)


def slot(board, name):
    for at, row in enumerate(board.INPUTS):
        if row[0] == name:
            return at
    raise Skip("this board has no input %r" % name)


def spi(board, name):
    id, sck, mosi, miso, rate_Hz = board.SPI[name]
    Pin = machine.Pin
    return machine.SPI(id, baudrate=rate_Hz, polarity=0, phase=0, sck=Pin(sck), mosi=Pin(mosi), miso=Pin(miso))


def pins(board):
    # The board's own driver on its own pins, every chip of the SPI deselected first.
    if not board.OUTPUTS:
        raise Skip("this board drives no pins of its own")
    from localio import ADC128S102, MCP23S17, LocalIO

    _deselect(board)
    adc = expander = None
    if board.ADC:
        adc = ADC128S102(spi(board, board.ADC[0]), machine.Pin(board.ADC[1], machine.Pin.OUT, value=1))
    if board.EXPANDER:
        expander = MCP23S17(spi(board, board.EXPANDER[0]), machine.Pin(board.EXPANDER[1], machine.Pin.OUT, value=1))
    return LocalIO(machine.Pin, board.OUTPUTS, board.INPUTS, adc, expander)


def _deselect(board):
    for row in (board.ADC, board.EXPANDER):
        if row:
            machine.Pin(row[1], machine.Pin.OUT, value=1)
    for row in (board.CAN_CAR, board.CAN_CONVERTER):
        if row[0] != "native":
            machine.Pin(row[2], machine.Pin.OUT, value=1)


def volts_dV(board, io, name):
    # None: the sensor is out of its range.
    offset, num, den, low, high = board.SCALE[name]
    raw = io.inputs[slot(board, name)]
    return (raw - offset) * num // den if low <= raw <= high else None


def dead(board, io):
    # Nothing is switched while the link or the inlet is live, or may be.
    io.sample()
    for name in ("link", "inlet"):
        value = volts_dV(board, io, name)
        if value is None:
            raise Skip("the sensor of the %s gives no number: outputs are not tried while it may be live" % name)
        if abs(value) > _DEAD_dV:
            raise Skip("%d V on the %s: outputs are not tried while it is live" % (value // 10, name))


def bus(board, which, bit_s):
    # A controller by the board's data, not yet listening. Skip where the build has none; an error where a chip that the
    # data names does not answer.
    row = board.CAN_CAR if which == "car" else board.CAN_CONVERTER
    _deselect(board)
    if row[0] == "native":
        if not hasattr(machine, "CAN"):
            raise Skip("this MicroPython has no machine.CAN, and the %s bus is on it" % which)
        return machine.CAN(row[1], bit_s)
    chip, spi_name, cs, interrupt, crystal_Hz = row[:5]
    try:
        driver = __import__(chip)
    except ImportError:
        raise Skip("there is no %s.py on the board: `make flash` brings it" % chip)
    if len(row) > 5:  # its reset pin
        machine.Pin(row[5], machine.Pin.OUT, value=0)
        time.sleep_ms(1)
        machine.Pin(row[5], machine.Pin.OUT, value=1)
        time.sleep_ms(10)
    line = None if interrupt is None else machine.Pin(interrupt, machine.Pin.IN)
    port = (spi(board, spi_name), machine.Pin(cs, machine.Pin.OUT, value=1), line, crystal_Hz)
    return driver.CAN(0, bit_s, sample_point=80, port=port)


def beside(thing):
    # Its run() on the second thread.
    _thread.start_new_thread(thing.run, (time.sleep_ms,))


# --- the whole station, on other wires ---
class Silence:
    # A CAN controller on which nobody speaks.
    overruns = bad_lines = FILTERS_MAX = 0

    def send(self, id, data, flags=0):
        return 0

    def recv(self, into=None):
        return None

    def state(self):
        return 1

    def restart(self):
        pass

    def cancel_send(self, index):
        return False

    def set_filters(self, filters):
        pass

    def poll(self):
        pass


class NoServices:
    def run(self, sleep_ms):
        pass

    def step(self, now):
        pass

    def stop(self):
        pass


class _Memory:
    # In place of the RTC memory: what the station keeps over a reset is not ours to change.
    def __init__(self):
        self.image = bytearray(256)

    def save(self):
        pass


class Wires:
    lockstep = wall_s = reset_cause = by_hand = 0

    def __init__(self, io):
        self.io = io
        self.car_can, self.converter_can = Silence(), Silence()
        self.rtc = _Memory()
        self.sleep_ms = time.sleep_ms
        self.start = _nothing
        self.feed = machine.WDT(timeout=_DESK_ms).feed

    def connect(self, board, protocol, watchdog=0):
        return self

    def keys(self, char):
        pass

    def field(self, bit_s, parity):
        raise Skip("the station asks for its field bus: config.json names a meter or a monitor")

    def end(self, by_hand):
        self.by_hand = by_hand


def _nothing():
    pass


class Proxy:
    # The pins in between: each() is called for each sample, that is once a tick.
    flags = 0

    def __init__(self, io, each):
        self._io, self._each = io, each
        self.inputs = io.inputs
        self.closed = 0
        self.outputs = 0

    def sample(self):
        if not self.closed:  # the way out samples too
            self._each(self)
        return self._io.sample()

    def write(self, mask):
        self.outputs = mask
        self._io.write(mask)


def station(io, serving=None):
    # main.run() as it is on this board, but for the wires; returns when io.closed is set, raises what it raises.
    # `serving`: in place of the services; None: the real ones.
    import main

    board = the_board()
    kept, services = sys.modules.get(board.WIRES), main.services
    sys.modules[board.WIRES] = Wires(io)
    if serving is not None:
        main.services = _Built(serving)
    try:
        main.run()
    finally:
        main.services = services
        if kept is None:
            del sys.modules[board.WIRES]
        else:
            sys.modules[board.WIRES] = kept


class _Built:
    def __init__(self, serving):
        self._serving = serving

    def build(self, *parts):
        return self._serving


# --- the field bus ---
class Line:
    # Modbus questions that wait for their answer, on the board's RS-485.
    def __init__(self, board, bit_s, parity):
        from modbus import Master

        if not getattr(board, "FIELD", None):
            raise Skip("this board has no field bus")
        id, tx, rx, de = board.FIELD
        uart = machine.UART(
            id, baudrate=bit_s, bits=8, parity=parity, stop=1, tx=machine.Pin(tx), rx=machine.Pin(rx), timeout=0
        )
        self.master = Master(uart, bit_s, 11, None if de is None else machine.Pin(de, machine.Pin.OUT, value=0))
        self.longest_ms = 0

    def ask(self, slave, request, tries=3):
        # True: the words are in master.word(); None after `tries` failures.
        from modbus import BUSY, DONE

        for _ in range(tries):
            while not self.master.ready(slave, time.ticks_ms()):
                time.sleep_ms(1)
            start = time.ticks_ms()
            self.master.ask(slave, request, start)
            state = BUSY
            while state == BUSY:
                state = self.master.step(time.ticks_ms())
            if state == DONE:
                self.longest_ms = max(self.longest_ms, time.ticks_diff(time.ticks_ms(), start))
                return True
        return None


def given(name, usual):
    # A number of the command line, or the usual one.
    return int(GIVEN.get(name, usual))
