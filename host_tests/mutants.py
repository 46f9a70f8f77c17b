"""Breaks firmware/safety on purpose, one small change at a time, and runs its unit tests against each.

A mutant that no test notices is a survivor: it stands in host_tests/mutants_survivors.txt with the reason why it does
no harm, or this fails. A line there that ends in `*` is for all that begin so. Each mutant lives in a process of its
own; that the tests pass without any change is seen first. The figures for each file stand at the end.
Run: python -m host_tests.mutants [--only gate.py ...] [--jobs 2]
"""

import argparse
import importlib
import os
import resource
import sys
import time
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import NamedTuple

from host_tests.mutate import mutants_of

ROOT = Path(__file__).resolve().parent.parent
SAFETY = ROOT / "firmware" / "safety"
TESTS = ROOT / "host_tests" / "unit"
SURVIVORS = ROOT / "host_tests" / "mutants_survivors.txt"
CPU_LIMIT_s = 20  # of processor time, all tests take 1 s: a mutant that loops is dead, too
FIRST = {"gbt27930_rules": ["gbt27930", "gbt27930_limits", "gbt27930_facts"], "infypower_rules": ["infypower"],
         "chademo_rules": ["chademo", "chademo_limits", "chademo_edges", "chademo_gate"],
         "safe_stop": ["stop"], "gate": ["gate", "permits", "trips"], "soc": ["soc", "trust"]}  # fmt: skip


class Mutant(NamedTuple):
    """One change: the module it is for, the words for it, and the module's text with it."""

    module: str
    key: str
    source: str


def born(mutant: Mutant) -> int:
    """A child of this process that runs all tests with the mutant: its pid. It ends with 0 if no test notices."""
    pid = os.fork()
    if pid:
        return pid
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.dup2(devnull, 2)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_s, CPU_LIMIT_s))
    try:
        _run(mutant.module, mutant.source)
    except BaseException:  # noqa: B036 - whatever it is, the mutant was noticed
        os._exit(1)
    os._exit(0)


class _Loader:
    """Gives out one module with another text."""

    def __init__(self, name: str, source: str):
        self._name, self._source = f"firmware.safety.{name}", source

    def find_spec(self, fullname, path=None, target=None):
        return ModuleSpec(fullname, self) if fullname == self._name else None  # type: ignore[arg-type]

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(compile(self._source, f"<mutant of {self._name}>", "exec"), module.__dict__)


def _run(name: str, source: str) -> None:
    """All unit tests of safety, those for that file first."""
    sys.meta_path.insert(0, _Loader(name, source))  # type: ignore[arg-type]
    first = FIRST.get(name, [name])
    stems = [p.stem for p in sorted(TESTS.glob("test_safety_*.py"))]
    stems.sort(key=lambda stem: 0 if stem[len("test_safety_") :] in first else 1)
    for stem in stems:
        module = importlib.import_module(f"host_tests.unit.{stem}")
        for test in [f for n, f in sorted(vars(module).items()) if n.startswith("test_")]:
            test()


def outcomes(mutants: list[Mutant], jobs: int) -> Iterator[tuple[Mutant, bool]]:
    """Each mutant with whether it survives, as they end; `jobs` at once."""
    waiting, alive = iter(mutants), {}
    while True:
        while len(alive) < jobs and (mutant := next(waiting, None)) is not None:
            alive[born(mutant)] = mutant
        if not alive:
            return
        pid, status = os.wait()
        yield alive.pop(pid), status == 0


def listed() -> dict[str, str]:
    """The survivors that are explained: key -> reason."""
    lines = SURVIVORS.read_text(encoding="utf-8").splitlines() if SURVIVORS.exists() else []
    rows = [line.rsplit(" | ", 1) for line in lines if line and not line.startswith("#")]
    return {row[0]: row[1] for row in rows}


def line_for(key: str, known: dict[str, str]) -> str | None:
    """The listed line that explains a survivor."""
    return next((k for k in known if key == k or (k.endswith("*") and key.startswith(k[:-1]))), None)


class Progress:
    """One line that says how far it is: written anew on a terminal, every half a minute otherwise."""

    def __init__(self, of: int):
        self._of, self._done, self._alive = of, 0, 0
        self._begun_s = self._told_s = time.monotonic()
        self._live = sys.stderr.isatty()

    def step(self, survives: bool) -> None:
        """One more is known."""
        self._done += 1
        self._alive += survives
        if time.monotonic() - self._told_s < (0.2 if self._live else 30):
            return
        self._told_s = now_s = time.monotonic()
        left_s = (now_s - self._begun_s) * (self._of / self._done - 1)
        text = f"{self._done} of {self._of} mutants, {self._alive} survive, about {left_s / 60:.1f} min left"
        print(f"\r{text}  " if self._live else text, end="" if self._live else "\n", file=sys.stderr, flush=True)

    def end(self) -> None:
        """The line goes."""
        if self._live:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def run(mutants: list[Mutant], jobs: int) -> list[Mutant]:
    """Those that survive, in the order given."""
    progress = Progress(len(mutants))
    alive = set()
    for mutant, survives in outcomes(mutants, jobs):
        progress.step(survives)
        if survives:
            alive.add(mutant.key)
    progress.end()
    return [mutant for mutant in mutants if mutant.key in alive]


def healthy() -> bool:
    """Do the tests pass without any change? Otherwise every mutant would seem to be noticed."""
    path = SAFETY / "kinds.py"
    unchanged = Mutant(path.stem, "unchanged", path.read_text(encoding="utf-8"))
    return next(outcomes([unchanged], 1))[1]


def figures(mutants: list[Mutant], alive: list[Mutant], known: dict[str, str]) -> str:
    """A line for each file: mutants, killed, explained, neither."""
    lines = [f"{'':20} {'mutants':>8} {'killed':>8} {'explained':>10} {'neither':>8}"]
    for name in sorted({mutant.module for mutant in mutants}) + ["all"]:
        of, left = ([m for m in group if name in ("all", m.module)] for group in (mutants, alive))
        told = sum(line_for(m.key, known) is not None for m in left)
        lines.append(f"{name:20} {len(of):8} {len(of) - len(left):8} {told:10} {len(left) - told:8}")
    return "\n".join(lines)


def main() -> int:
    """Run them all; exit status 1 if a survivor is not explained, or an explained one is no survivor any more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], help="files of firmware/safety")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once (2)")
    options = parser.parse_args()
    for path in (ROOT / "host_tests" / "shims", ROOT):
        sys.path.insert(0, str(path))
    if not healthy():
        print("mutants: the safety tests do not pass as they are; mend that first: make test", file=sys.stderr)
        return 1
    files = [p for p in sorted(SAFETY.glob("*.py")) if not options.only or p.name in options.only]
    mutants = [Mutant(path.stem, key, source) for path in files for key, source in mutants_of(path)]
    begun_s, known = time.monotonic(), listed()
    alive = run(mutants, options.jobs)
    told = {line_for(mutant.key, known) for mutant in alive}
    unknown = [mutant.key for mutant in alive if line_for(mutant.key, known) is None]
    names = {path.name for path in files}
    stale = [key for key in known if key not in told and key.split(" ")[0] in names | {"", *_gone(known)}]
    for key in unknown:
        print("survived:", key)
    for key in stale:
        print("listed, but dead or gone:", key)
    print(figures(mutants, alive, known))
    took_s = time.monotonic() - begun_s
    print(f"mutants: {len(mutants)} of {len(files)} files in {took_s:.0f} s, {options.jobs} at once")
    return 1 if unknown or stale else 0


def _gone(known: dict[str, str]) -> set[str]:
    """Names of files that are listed and not there any more."""
    return {key.split(" ")[0] for key in known} - {path.name for path in SAFETY.glob("*.py")}


if __name__ == "__main__":
    sys.exit(main())
