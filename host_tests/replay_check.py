"""CHECK=1 of `make replay`: what the firmware's codec and the gate's rules read in the bytes that the bench has read.

The bench may not import a codec of the firmware (docs/architecture.md), so that two independent readings meet. Here
they do: three of them, line by line. It lives among the host tests and the replay tool loads it only when asked.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hw_tests.bench.replay.messages import Check
from hw_tests.bench.replay.protocol import Signals, Told

SHIMS = str(Path(__file__).resolve().parent / "shims")
if SHIMS not in sys.path:
    sys.path.insert(0, SHIMS)

from firmware.safety import kinds  # noqa: E402  (the shims must be on the path)
from firmware.units import UNKNOWN  # noqa: E402

KINDS = {getattr(kinds, name): name for name in dir(kinds) if name.isupper()}
Expected = Callable[[Signals], Any]
Table = Mapping[str, Mapping[str, Expected]]
SKIP = object()  # expected: this is not judged


class Noting:
    """Keeps what is set of its attributes, until `noted` is cleared."""

    def __setattr__(self, name: str, value: Any) -> None:
        self.__dict__.setdefault("noted", {})[name] = value
        self.__dict__[name] = value


def readable(value: Any) -> Any:
    """For JSON: what is not known is null."""
    return None if value == UNKNOWN else value


def differences(who: str, told: Told, reading: Signals, table: Table) -> list[str]:
    """Names under which this reading is another than the bench's. Nothing read where something was said is one too."""
    result = []
    for name, expected in table.get(told.name, {}).items():
        value = expected(told.signals)
        if value is SKIP:
            continue
        wanted = readable(value)
        if name not in reading and wanted is None:
            continue
        if name not in reading or reading[name] != wanted:
            result.append(f"{who}.{name}: {reading.get(name, 'nothing')}, not {wanted}")
    return result


def check_of(protocol: str) -> Check:
    """The check of a protocol."""
    if protocol == "chademo":
        from host_tests.replay_check_chademo import ChademoCheck

        return ChademoCheck()
    from host_tests.replay_check_gbt27930 import Gbt27930Check

    return Gbt27930Check()
