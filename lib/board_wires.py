# The wires of a real board: pins, CAN controllers, field bus, retained memory and watchdog, as the board's data name
# them. Only what is named is imported. The surface is that of lib/bench_wires.py.
#
#     SPI        {name: (id, SCK, MOSI, MISO, Hz)}
#     ADC        (SPI, CS); EXPANDER the same, or None
#     CAN_CAR    ("mcp2515", SPI, CS, INT, crystal in Hz), ("mcp2518fd", the same), or ("native", id, TX, RX); a sixth
#                word of the first two is the chip's reset pin
#     CAN_CONVERTER alike; CAN_RX_FRAMES: how many frames each holds while nobody reads
#     FIELD      (UART id, TX, RX, DE or None); None: no pins are free
#
# The watchdog of the ESP32 cannot be stopped, only made longer. It runs from here on, with a long time while the
# station is assembled: a part that fails at start is tried again after a reset. A hang takes up to twice the time until
# the reset, when not even interrupts run (task_wdt_impl_timergroup.c of the IDF).
import time

import machine
import micropython
from localio import ADC128S102, MCP23S17, LocalIO, RtcMemory
from micropython import const

_ASSEMBLE_ms = const(60000)
_DESK_ms = const(600000)  # somebody works at the prompt; forgotten there, the board starts by itself
_NO_CAN = (
    "the %s bus has no controller: this MicroPython has no machine.CAN. Flash a build that has it for this board, or "
    "wire an MCP2518FD and name it in the board's file"
)
_SAMPLE_POINT = const(80)  # per cent: what the car standards want, 75 is the class's default


class Wires:
    lockstep = 0
    wall_s = 0

    def __init__(self, board, protocol, watchdog):
        # A crash of the chip is told as a hard reset (modmachine.c), like machine.reset() at the prompt.
        unasked = machine.reset_cause() in (machine.WDT_RESET, machine.HARD_RESET)
        self.reset_cause = watchdog if unasked else 0
        self._watchdog_ms = board.WATCHDOG_ms
        self._watchdog = machine.WDT(timeout=_ASSEMBLE_ms)
        self.feed = self._watchdog.feed
        self._buses = {name: _spi(*row) for name, row in board.SPI.items()}
        # All chips of a bus are deselected before the first word on it.
        self._selects = {pin: machine.Pin(pin, machine.Pin.OUT, value=1) for pin in _selects(board)}
        self.car_can = self._can(board.CAN_CAR, board.CAN_CAR_bit_s[protocol])
        self.converter_can = self._can(board.CAN_CONVERTER, board.CAN_CONVERTER_bit_s)
        self.io = self._pins(board)
        self.rtc = RtcMemory(machine.RTC())
        self._field = board.FIELD

    def _pins(self, board):
        adc = expander = None
        if board.ADC:
            adc = ADC128S102(self._buses[board.ADC[0]], self._selects[board.ADC[1]])
        if board.EXPANDER:
            expander = MCP23S17(self._buses[board.EXPANDER[0]], self._selects[board.EXPANDER[1]])
        # One lock for all SPI controllers: any of them on the converter's bus has it (lib/canbase.py).
        lock = unlock = None  # type: ignore[assignment]
        for row, can in ((board.CAN_CAR, self.car_can), (board.CAN_CONVERTER, self.converter_can)):
            if board.ADC and row[0] != "native" and row[1] == board.ADC[0]:
                lock, unlock = can._lock, can._unlock
        return LocalIO(machine.Pin, board.OUTPUTS, board.INPUTS, adc, expander, lock, unlock)

    def _can(self, row, bit_s):
        if row[0] == "native":
            # Its pins are those of the build's board definition: the class takes none (machine.CAN, MicroPython 1.28).
            can = machine.CAN(row[1], bit_s, sample_point=_SAMPLE_POINT)  # type: ignore[attr-defined]
        else:
            can = self._external(row, bit_s)
        return can  # it hears nothing until whoever assembles says what is read: set_filters()

    def _external(self, row, bit_s):
        chip, spi, cs, interrupt, crystal_Hz = row[:5]
        if len(row) > 5:
            _reset(row[5])
        line = None if interrupt is None else machine.Pin(interrupt, machine.Pin.IN)
        port = (self._buses[spi], self._selects[cs], line, crystal_Hz)
        return __import__(chip).CAN(0, bit_s, sample_point=_SAMPLE_POINT, port=port)

    def field(self, bit_s, parity):
        # The RS-485 line, and the pin of its direction if the transceiver has one.
        if not self._field:
            raise ValueError("this board has no pins for meter or monitor: configure none")
        id, tx, rx, de = self._field
        parity = {"none": None, "even": 0, "odd": 1}[parity]
        uart = machine.UART(id, bit_s, 8, parity, 1, tx=machine.Pin(tx), rx=machine.Pin(rx), timeout=0)
        return uart, None if de is None else machine.Pin(de, machine.Pin.OUT, value=0)

    # --- the watchdog, and who may interrupt ---
    def start(self):
        # From now on a good tick must come in time.
        self._watchdog = machine.WDT(timeout=self._watchdog_ms)
        self.feed = self._watchdog.feed

    def sleep_ms(self, ms):
        # Of the way out, which is bounded by count and clock and longer than the watchdog's time.
        self.feed()
        time.sleep_ms(ms)

    def keys(self, char):
        micropython.kbd_intr(char)

    def end(self, by_hand):
        # Nobody feeds any more: the board resets within twice the time and starts anew, unless somebody at the desk
        # asked for the prompt.
        if by_hand:
            machine.WDT(timeout=_DESK_ms)
        micropython.kbd_intr(3)


def connect(board, protocol, watchdog=0, kind=Wires):
    # `watchdog`: what reset_cause says when it bit, or the chip crashed. A board that cannot work is a ValueError,
    # before any pin moves.
    from board_check import check

    check(board, protocol)
    for bus, row in (("car", board.CAN_CAR), ("converter", board.CAN_CONVERTER)):
        if row[0] == "native" and not hasattr(machine, "CAN"):
            raise ValueError(_NO_CAN % bus)
    return kind(board, protocol, watchdog)


def _spi(id, sck, mosi, miso, rate_Hz):
    Pin = machine.Pin
    return machine.SPI(id, baudrate=rate_Hz, polarity=0, phase=0, sck=Pin(sck), mosi=Pin(mosi), miso=Pin(miso))


def _selects(board):
    chips = [row for row in (board.ADC, board.EXPANDER) if row]
    cans = [row for row in (board.CAN_CAR, board.CAN_CONVERTER) if row[0] != "native"]
    return [row[1] for row in chips] + [row[2] for row in cans]


def _reset(pin):
    # Low for longer than any chip asks; then it may start its crystal.
    reset = machine.Pin(pin, machine.Pin.OUT, value=0)
    time.sleep_ms(2)
    reset(1)
    time.sleep_ms(5)
