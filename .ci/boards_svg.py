"""Draws: the wiring of a board from its data, and the two diagrams that all boards share. Sizes in px.

svg = wiring(board)         what is connected to which pin
svg = chain()               the hardware chain
svg = sensing()             how the station measures for itself
"""

from html import escape
from types import ModuleType

ROW, GAP, HEAD, EDGE = 24, 16, 28, 24
WIDTH, BOX, CHIP_x, CHIP_w = 1180, 400, 520, 140
INK, WIRE, PAPER = "#1d2733", "#5b6b7b", "#ffffff"
FILLS = {
    "sense": "#e3f2e6",
    "can": "#e1ecf9",
    "drive": "#fdeeda",
    "bus": "#eeeaf7",
    "safe": "#fbe3e1",
    "plain": "#f3f5f7",
}

FAR = {
    "link": "DC link voltage, isolated amplifier",
    "inlet": "inlet voltage, isolated amplifier",
    "current": "DC current, shunt or Hall",
    "cc1": "CC1 (CHAdeMO: PD), divider 4:1",
    "temp1": "connector DC+, Pt1000 at 1 mA",
    "temp2": "connector DC-, Pt1000 at 1 mA",
}
IN_FAR = {
    "contactor": "mirror contact of K1 and K2",
    "estop": "second contact of the E-stop",
    "button": "start/stop button",
    "locked": "lock switch of the connector",
    "permission": "CHAdeMO line k, optocoupler",
}
OUT_FAR = {
    "contactor": "K1, K2: coils behind the chain",
    "bleed": "bleed resistor across link and inlet",
    "lock": "connector lock (bistable drive)",
    "aux": "K3, K4: 12 V for a GB/T car",
    "enable": "module-enable through the chain",
    "heartbeat": "monoflop of the chain",
    "d1": "CHAdeMO d1: 12 V on SS1",
    "d2": "CHAdeMO d2: SS2 to ground",
}
Row = tuple[int | None, str]
Group = tuple[str, str, list[Row]]


class Svg:
    """Shapes in the order in which they are drawn."""

    def __init__(self, width: int, height: int, title: str):
        self._lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'font-family="DejaVu Sans, Verdana, sans-serif" font-size="13">',
            f"<title>{escape(title)}</title>",
            '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            f'<path d="M0 0 8 4 0 8z" fill="{WIRE}"/></marker></defs>',
            f'<rect width="{width}" height="{height}" fill="{PAPER}"/>',
        ]

    def box(self, x: float, y: float, w: float, h: float, fill: str = "plain") -> None:
        """A rounded box."""
        self._lines.append(
            f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="6" fill="{FILLS[fill]}" stroke="{INK}"/>'
        )

    def text(self, x: float, y: float, words: str, anchor: str = "start", bold: bool = False, size: int = 13) -> None:
        """One line of text; `y` is its middle."""
        weight = ' font-weight="bold"' if bold else ""
        self._lines.append(
            f'<text x="{x}" y="{y + size * 0.35:g}" text-anchor="{anchor}" fill="{INK}" font-size="{size}"{weight}>'
            f"{escape(words)}</text>"
        )

    def wire(self, *points: float, arrow: bool = True, dashed: bool = False) -> None:
        """A line through x, y, x, y, ..."""
        path = " ".join(f"{points[i]:g},{points[i + 1]:g}" for i in range(0, len(points), 2))
        more = (' marker-end="url(#a)"' if arrow else "") + (' stroke-dasharray="5 4"' if dashed else "")
        self._lines.append(f'<polyline points="{path}" fill="none" stroke="{WIRE}" stroke-width="1.6"{more}/>')

    def dot(self, x: float, y: float) -> None:
        """Where wires are joined."""
        self._lines.append(f'<circle cx="{x}" cy="{y}" r="3.2" fill="{WIRE}"/>')

    def block(self, x: float, y: float, w: float, h: float, lines: list[str], fill: str = "plain") -> None:
        """A box with lines of text in its middle; the first is bold."""
        self.box(x, y, w, h, fill)
        top = y + h / 2 - 8.5 * (len(lines) - 1)
        for number, words in enumerate(lines):
            self.text(x + w / 2, top + 17 * number, words, "middle", bold=not number, size=13 if not number else 12)

    def __str__(self) -> str:
        return "\n".join([*self._lines, "</svg>", ""])


# --- a board ---
def wiring(board: ModuleType) -> str:
    """Each wire at the chip, grouped by what it goes to: what measures on the left, what drives on the right."""
    left, right = _left(board), _right(board)
    height = max(sum(map(_height, left)), sum(map(_height, right))) + 2 * EDGE + 20
    svg = Svg(WIDTH, height, f"{board.NAME}: wiring")
    top, bottom = EDGE + 20, height - EDGE
    svg.text(EDGE, EDGE, f"{board.NAME}: what hangs on which pin", bold=True, size=15)
    svg.box(CHIP_x, top, CHIP_w, bottom - top)
    svg.text(CHIP_x + CHIP_w / 2, top + 16, {"esp32": "ESP32", "esp32s3": "ESP32-S3"}[board.CHIP], "middle", True, 15)
    for groups, side in ((left, -1), (right, 1)):
        y = top
        for group in groups:
            _group(svg, group, y, side)
            y += _height(group)
    return str(svg)


def _height(group: Group) -> int:
    return HEAD + ROW * len(group[2]) + GAP


def _group(svg: Svg, group: Group, y: int, side: int) -> None:
    fill, title, rows = group
    x = EDGE if side < 0 else WIDTH - EDGE - BOX
    svg.box(x, y, BOX, HEAD + ROW * len(rows), fill)
    svg.text(x + 10, y + HEAD / 2, title, bold=True)
    inner, chip = (x + BOX, CHIP_x) if side < 0 else (x, CHIP_x + CHIP_w)
    for number, (pin, words) in enumerate(rows):
        middle = y + HEAD + ROW * number + ROW / 2 - 2
        svg.text(x + 10, middle, words)
        if pin is not None:
            svg.wire(inner, middle, chip, middle, arrow=False)
            svg.text(chip + (6 if side < 0 else -6), middle, f"GPIO{pin}", "start" if side < 0 else "end", size=12)


def _left(board: ModuleType) -> list[Group]:
    groups: list[Group] = []
    for name, (number, sck, mosi, miso, rate_Hz) in sorted(board.SPI.items()):
        rows = [(sck, "SCK"), (mosi, "MOSI"), (miso, "MISO")]
        groups.append(("bus", f"SPI “{name}” ({number}), {rate_Hz / 1e6:g} MHz", list(rows)))
    analog = [row for row in board.INPUTS if row[1] == "adc"]
    adc_rows: list[Row] = [(board.ADC[1], "CS")]
    adc_rows += [(None, f"IN{row[2]}  {row[0]}: {FAR.get(row[0]) or IN_FAR[row[0]]}") for row in analog]
    groups.append(("sense", f"ADC128S102 on SPI “{board.ADC[0]}”, reference 4.096 V", adc_rows))
    if board.EXPANDER:
        far = [(None, f"GPA{row[2]}  {row[0]}: {IN_FAR[row[0]]}") for row in board.INPUTS if row[1] == "expander"]
        tied = [(None, "GPA6 to ground, GPA7 to 3.3 V")]
        rows = [(board.EXPANDER[1], "CS"), *far, *tied]
        groups.append(("sense", f"MCP23S17 on SPI “{board.EXPANDER[0]}”", list(rows)))
    direct = [(row[2], f"{row[0]}: {IN_FAR[row[0]]}") for row in board.INPUTS if row[1] == "pin" and row[2] is not None]
    if direct:
        groups.append(("sense", "inputs, 3.3 V with a pull-up each", list(direct)))
    number, tx, rx, de = board.FIELD
    rows = [(tx, "TX"), (rx, "RX"), *([(de, "DE")] if de is not None else [])]
    groups.append(("bus", f"UART {number}: RS-485 to meter and insulation monitor", list(rows)))
    return groups


def _right(board: ModuleType) -> list[Group]:
    groups = [_can("car", board.CAN_CAR), _can("converter", board.CAN_CONVERTER)]
    groups.append(("drive", "outputs, each driver with its resistor to “off”", _outputs(board)))
    return groups


def _outputs(board: ModuleType) -> list[Row]:
    return [
        (pin, f"{name}: {OUT_FAR[name]}" + ("" if on else " (low = on)"))
        for name, pin, on in board.OUTPUTS
        if pin is not None
    ]


def _can(bus: str, row: tuple) -> Group:
    if row[0] == "native":
        return ("can", f"{bus} CAN: the chip's own controller, transceiver", [(row[2], "TX"), (row[3], "RX")])
    rows: list[Row] = [(row[2], "CS"), *([(row[3], "INT")] if row[3] is not None else [])]
    rows += [(row[5], "RST")] if len(row) > 5 else []
    return ("can", f"{bus} CAN: {row[0].upper()}, {row[4] / 1e6:g} MHz, on SPI “{row[1]}”", rows)
