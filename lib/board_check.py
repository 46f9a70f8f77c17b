# Judges a board's data before a pin moves: pins that the chip needs for itself, pins used twice, inputs that shall be
# outputs, channels and scales. Pure functions over the data: problems() lists what is wrong, each with the pin's name
# and what to do; check() raises the first of them. Needed at start only: it forgets itself, code is RAM.
import sys

# GPIO: what it is for. ESP32: datasheet v4.x section 3.3 and GPIO programming guide; ESP32-S3: the same guides.
_STRAPS = {
    "esp32": {0: "boot mode", 2: "boot mode", 5: "SDIO timing", 12: "flash voltage", 15: "boot log"},
    "esp32s3": {0: "boot mode", 3: "JTAG source", 45: "flash voltage", 46: "boot mode"},
}
_FLASH = {"esp32": (6, 7, 8, 9, 10, 11), "esp32s3": (26, 27, 28, 29, 30, 31, 32)}
_PSRAM = {"esp32": (16, 17), "esp32s3": (33, 34, 35, 36, 37)}
_CONSOLE = {"esp32": (1, 3), "esp32s3": (19, 20, 43, 44)}
_INPUT_ONLY = {"esp32": (34, 35, 36, 37, 38, 39), "esp32s3": ()}
_NONE = {"esp32": (20, 24, 28, 29, 30, 31), "esp32s3": (22, 23, 24, 25)}
_LAST = {"esp32": 39, "esp32s3": 48}
# boot.py lets go of these when it cannot read the board's data: a pin that it leaves alone must drive nothing.
_KEPT = {"esp32": (16, 17), "esp32s3": ()}

OUTPUTS = "contactor bleed lock aux enable heartbeat d1 d2"
INPUTS = "link inlet current cc1 temp1 temp2 contactor estop button locked permission"
_NEEDED = {
    "gbt27930": "contactor bleed lock aux enable heartbeat",
    "chademo": "contactor bleed lock enable heartbeat d1 d2",
}
_NEEDED_IN = {"gbt27930": "contactor estop locked", "chademo": "contactor estop locked permission"}
_FULL = 4095  # of the converter
_CHIPS = ("mcp2515", "mcp2518fd", "native")


def check(board, protocol):
    found = problems(board, protocol)
    sys.modules.pop(__name__, None)
    if found:
        raise ValueError("board %s: %s" % (board.NAME, "; ".join(found[:3])))


def problems(board, protocol):
    if board.CHIP not in _STRAPS:
        return ["CHIP is %r: write one of %s" % (board.CHIP, ", ".join(sorted(_STRAPS)))]
    found = _names(board) or _complete(board, protocol)
    for name, pin, drives in uses(board):
        found += _wrong(board, name, pin, drives)
    return found + _twice(board) + _channels(board) + _scales(board) + _chips(board) + _times(board)


# --- who uses which pin ---
def uses(board):
    # (what for, GPIO, 1 if it drives) of every wire at the chip, in the order of the data.
    found = [("output " + name, pin, 1) for name, pin, _ in board.OUTPUTS if pin is not None]
    found += [("input " + row[0], row[2], 0) for row in board.INPUTS if row[1] == "pin" and row[2] is not None]
    for name in sorted(board.SPI):
        _, sck, mosi, miso, _ = board.SPI[name]
        found += [("SPI %s SCK" % name, sck, 1), ("SPI %s MOSI" % name, mosi, 1), ("SPI %s MISO" % name, miso, 0)]
    for name, row in (("ADC", board.ADC), ("expander", board.EXPANDER)):
        if row:
            found.append((name + " CS", row[1], 1))
    for name, row in (("car", board.CAN_CAR), ("converter", board.CAN_CONVERTER)):
        found += _can_uses("CAN " + name, row)
    if board.FIELD:
        _, tx, rx, de = board.FIELD
        found += [("field bus TX", tx, 1), ("field bus RX", rx, 0)]
        found += [] if de is None else [("field bus DE", de, 1)]
    return found


def _can_uses(name, row):
    if row[0] == "native":
        return [(name + " TX", row[2], 1), (name + " RX", row[3], 0)]
    found = [(name + " CS", row[2], 1)] + ([] if row[3] is None else [(name + " INT", row[3], 0)])
    return found + ([(name + " RST", row[5], 1)] if len(row) > 5 else [])


# --- what is wrong ---
def _wrong(board, name, pin, drives):
    chip = board.CHIP
    if type(pin) is not int or not 0 <= pin <= _LAST[chip] or pin in _NONE[chip]:
        return ["%s: there is no GPIO%s on an %s: choose another" % (name, pin, chip)]
    why = ""
    if pin in _STRAPS[chip]:
        why = "decides at reset about the %s" % _STRAPS[chip][pin]
    elif pin in _FLASH[chip]:
        why = "is the flash's"
    elif board.PSRAM and pin in _PSRAM[chip]:
        why = "is the PSRAM's"
    elif pin in _CONSOLE[chip]:
        why = "is the console's"
    elif drives and pin in _INPUT_ONLY[chip]:
        why = "can only be an input"
    elif name.startswith("output") and pin in _KEPT[chip]:
        why = "may be the PSRAM's, so boot.py does not let go of it"
    return ["%s: GPIO%d %s: choose another pin" % (name, pin, why)] if why else []


def _twice(board):
    seen = {}  # type: dict
    found = []
    for name, pin, _ in uses(board):
        if pin in seen:
            found.append("GPIO%s serves both %s and %s: give one of them another pin" % (pin, seen[pin], name))
        else:
            seen[pin] = name
    return found


def _names(board):
    found = []
    for what, rows, names in (("OUTPUTS", board.OUTPUTS, OUTPUTS), ("INPUTS", board.INPUTS, INPUTS)):
        if " ".join([row[0] for row in rows]) != names:
            found.append("%s must be, in this order: %s" % (what, names))
    return found


def _complete(board, protocol):
    wired = [name for name, pin, _ in board.OUTPUTS if pin is not None]
    heard = [row[0] for row in board.INPUTS if row[2] is not None]
    found = []
    for what, there, needed in (("output", wired, _NEEDED[protocol]), ("input", heard, _NEEDED_IN[protocol])):
        for name in needed.split():
            if name not in there:
                found.append("%s %s has no pin, and %s needs it" % (what, name, protocol))
    levels = [row for row in board.OUTPUTS if row[2] not in (0, 1)]
    levels += [row for row in board.INPUTS if row[1] != "adc" and row[3] not in (0, 1)]
    return found + ["%s: the level must be 0 or 1" % row[0] for row in levels]


def _channels(board):
    seen = {}  # type: dict
    found = []
    for row in board.INPUTS:
        if row[1] == "pin":
            continue
        if row[1] not in ("adc", "expander"):
            found.append('input %s: %r is no kind: write "pin", "adc" or "expander"' % (row[0], row[1]))
        elif not (board.ADC if row[1] == "adc" else board.EXPANDER):
            found.append("input %s: the board has no %s" % (row[0], row[1]))
        elif row[2] is not None and not 0 <= row[2] < (8 if row[1] == "adc" else 6):
            found.append("input %s: there is no %s input %d" % (row[0], row[1], row[2]))
        elif row[1:3] in seen:
            found.append("%s input %s serves both %s and %s" % (row[1], row[2], seen[row[1:3]], row[0]))
        seen[row[1:3]] = row[0]
    return found


def _scales(board):
    found = []
    for name in INPUTS.split()[:6]:
        offset, num, den, low, high = board.SCALE.get(name, (0, 0, 0, 0, 0))
        if num <= 0 or den <= 0 or not 0 < low < high < _FULL:
            words = "SCALE of %s: num and den from 1, 0 < low < high < %d, or a broken wire looks like a number"
            found.append(words % (name, _FULL))
        elif not low <= offset <= high and name in ("link", "inlet", "current"):
            found.append("SCALE of %s: its zero lies outside of its range" % name)
    return found


def _chips(board):
    found = []
    for name, row in (("car", board.CAN_CAR), ("converter", board.CAN_CONVERTER)):
        if row[0] not in _CHIPS:
            found.append("CAN %s: %r is no chip: write one of %s" % (name, row[0], ", ".join(_CHIPS)))
        elif row[0] != "native" and row[1] not in board.SPI:
            found.append("CAN %s: there is no SPI %r in SPI" % (name, row[1]))
        elif row[0] != "native":
            found += _external("CAN " + name, row, board.SPI[row[1]][4])
    for name, row in (("ADC", board.ADC), ("EXPANDER", board.EXPANDER)):
        if row and row[0] not in board.SPI:
            found.append("%s: there is no SPI %r in SPI" % (name, row[0]))
        elif row and not 8000000 <= board.SPI[row[0]][4] <= (16000000 if name == "ADC" else 10000000):
            found.append("%s: SPI %s must run at 8 MHz, at most 10 with an expander, 16 without" % (name, row[0]))
    if board.ADC and board.EXPANDER and board.ADC[0] != board.EXPANDER[0]:
        found.append("EXPANDER must be on the SPI of the ADC")
    return found


def _external(name, row, rate_Hz):
    found = []
    if row[3] is None:
        found.append("%s: wire INT: it says that frames wait" % name)
    # MCP2515: DS20001801. MCP2518FD: errata, 0.85 of half the system clock; a 4 MHz crystal is multiplied by 10.
    clock_Hz = row[4] * 10 if row[4] == 4000000 else row[4]
    most_Hz = 10000000 if row[0] == "mcp2515" else clock_Hz * 17 // 40
    if rate_Hz > most_Hz:
        found.append("%s: SPI %s runs at %d Hz, and the chip stands %d" % (name, row[1], rate_Hz, most_Hz))
    return found


def _times(board):
    found = []
    if not 1 <= board.RELAY_ms <= 50:
        found.append("RELAY_ms must be from 1 to 50, or the contacts cannot be open 90 ms after an event")
    if not 500 <= board.WATCHDOG_ms <= 5000:
        found.append("WATCHDOG_ms must be from 500 (a flash page or a collection is no hang) to 5000")
    if board.IDLE_ms != 0:
        found.append("IDLE_ms must be 0 on an ESP32: a longer sleep spins and starves the services")
    return found
