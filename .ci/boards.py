"""`make boards`: writes docs/boards/ from the boards' data, so that no picture says other than the firmware does.

For each board: NAME.md (wiring table, scales, what it costs) and NAME.svg; for all: chain.svg and sensing.svg. The
README.md of that folder is written by hand.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).resolve().parent))
import boards_bom
import boards_chain
import boards_svg

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "boards"
BENCH = "bench"  # and bench_...: another board's chips and safe levels, and no pins of their own


def load(path: Path) -> ModuleType:
    """A file of data, or lib/board_check.py: neither needs a package round it."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names() -> list[str]:
    """Boards with pins of their own."""
    text: str = load(ROOT / "firmware" / "boards" / "__init__.py").NAMES
    return [name for name in text.split() if not name.startswith(BENCH)]


def files() -> dict[str, str]:
    """Every generated file of docs/boards/: its name -> its text."""
    check = load(ROOT / "lib" / "board_check.py")
    made = {"chain.svg": boards_chain.chain(), "sensing.svg": boards_chain.sensing()}
    for name in names():
        board = load(ROOT / "firmware" / "boards" / f"{name}.py")
        made[f"{name}.svg"] = boards_svg.wiring(board)
        made[f"{name}.md"] = page(board, check)
    return made


def page(board: ModuleType, check: ModuleType) -> str:
    """The page of one board."""
    parts = [
        f"# {board.NAME}", "",
        f"Made by `make boards` from `firmware/boards/{board.NAME}.py`; do not edit it here. What the words mean, the "
        "hardware chain and the measuring: `README.md` of this folder.", "",
        f"![What hangs on which pin]({board.NAME}.svg)", "",
        "## Wires", "", *wires(board, check), "",
        "## Not at a pin of the chip", "", *far(board), "",
        "## Scales", "", *scales(board), "",
        "## What the controller costs", "", *cost(board.NAME), "",
    ]  # fmt: skip
    return "\n".join(parts)


def wires(board: ModuleType, check: ModuleType) -> list[str]:
    """A table of every wire at the chip."""
    told = {"output " + name: boards_svg.OUT_FAR[name] + f"; {on} = on" for name, _, on in board.OUTPUTS}
    for row in board.INPUTS:
        if row[1] == "pin":
            told["input " + row[0]] = f"{boards_svg.IN_FAR[row[0]]}; {row[3]} = yes"
    told |= _chips(board)
    rows = [(pin, what, drives) for what, pin, drives in check.uses(board)]
    lines = ["| GPIO | wire | | |", "|---|---|---|---|"]
    return lines + [f"| {p} | {what} | {'out' if d else 'in'} | {told.get(what, '')} |" for p, what, d in sorted(rows)]


def _chips(board: ModuleType) -> dict[str, str]:
    found = {"ADC CS": f"ADC128S102 on SPI {board.ADC[0]}", "expander CS": f"MCP23S17 on SPI {board.ADC[0]}"}
    for bus, row in (("car", board.CAN_CAR), ("converter", board.CAN_CONVERTER)):
        what = "the chip's own controller" if row[0] == "native" else f"{row[0].upper()}, crystal {row[4] / 1e6:g} MHz"
        found |= {f"CAN {bus} {end}": what for end in ("CS", "TX")}
    return found | {"field bus TX": f"RS-485, UART {board.FIELD[0]}"}


def far(board: ModuleType) -> list[str]:
    """What comes by way of the converter and the expander."""
    lines = ["| at | input | |", "|---|---|---|"]
    for row in board.INPUTS:
        words = boards_svg.FAR.get(row[0]) or boards_svg.IN_FAR[row[0]]
        if row[1] == "adc":
            more = f"; {row[4]} from {row[3]} mV on" if len(row) == 5 else ""
            lines.append(f"| ADC IN{row[2]} | {row[0]} | {words}{more} |")
        elif row[1] == "expander":
            lines.append(f"| expander GPA{row[2]} | {row[0]} | {words}; {row[3]} = yes |")
    return lines


def scales(board: ModuleType) -> list[str]:
    """Counts to units, and the range in which a count is a number."""
    lines = ["| input | unit | value | from | to |", "|---|---|---|---|---|"]
    units = {"link": "dV", "inlet": "dV", "current": "dA", "cc1": "mV", "temp1": "0.1 degC", "temp2": "0.1 degC"}
    for name, unit in units.items():
        offset, num, den, low, high = board.SCALE[name]
        ends = [(raw - offset) * num // den for raw in (low, high)]
        lines.append(f"| {name} | {unit} | (count - {offset}) * {num} / {den} | {ends[0]} | {ends[1]} |")
    return lines


def cost(name: str) -> list[str]:
    """The bill of materials."""
    lines = [
        f"Typical prices of single pieces, {boards_bom.AS_OF}: estimates, no quotations, nothing looked up.", "",
        "| part | pieces | EUR |", "|---|---|---|",
    ]  # fmt: skip
    lines += [f"| {part} | {pieces} | {price:.2f} |" for part, pieces, price in boards_bom.rows(name)]
    lines += [f"| **the controller** | | **{boards_bom.total_EUR(name):.0f}** |", ""]
    lines += ["Beside the controller a station needs:", ""]
    return lines + ["| part | EUR |", "|---|---|", *(f"| {part} | {price} |" for part, price in boards_bom.BESIDE)]


def main() -> int:
    """Write what differs, remove what no board stands for any more."""
    OUT.mkdir(parents=True, exist_ok=True)
    made, new = files(), 0
    for name, text in made.items():
        path = OUT / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"boards: {path.relative_to(ROOT)}")
            new += 1
    for path in OUT.iterdir():
        if path.name not in made and path.name != "README.md":
            path.unlink()
            print(f"boards: {path.relative_to(ROOT)} is of no board: removed")
    print(f"boards: {len(made)} files in {OUT.relative_to(ROOT)}/, {new} of them written anew, the others as they were")
    return 0


if __name__ == "__main__":
    sys.exit(main())
