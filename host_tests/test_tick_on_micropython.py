"""Every scenario, with every variant, in virtual time; and the same ticks on the flashed image in 32-bit MicroPython:
they allocate nothing in any state, and do what CPython does.

Each scenario is played in virtual time on CPython; its trace (what went into every tick, host_tests/trace.py) is
replayed on MicroPython.
"""

import pytest

from host_tests.size import image
from host_tests.trace import BOARD, MICROPYTHON, ROOT, chips_of, record, replay
from hw_tests.bench import scenario, summary

EXCEPTION_B = 256  # what send(), the SPI and the driver raise when a controller is lost, and at each try to restart it
COSTLY_TICKS = 12  # of one run: the controller is lost, and tried again once a second while it is away
RUNS = [(name, variant) for name in scenario.known() for variant in scenario.variants(name)]


@pytest.mark.parametrize(("name", "variant"), RUNS, ids=["-".join(filter(None, run)) for run in RUNS])
def test_every_scenario_holds_and_its_ticks_do_the_same_on_micropython(name, variant):
    """In virtual time on CPython every check of the scenario holds. Then its ticks, replayed on MicroPython: in turns
    gc.mem_alloc() counts what a tick allocates, and a locked heap raises where the count could be fooled.

    The frames and relays of every tick are those of the recording: integers that grow past 31 bits would show here.
    Where the station stands on modelled CAN chips its drivers run too, and every byte on the SPI is that of the
    recording. A tick that loses a controller or tries it again may allocate for what is raised in it.
    """
    assert image() == BOARD
    path = ROOT / "build" / "test" / "traces" / f"{name}-{variant or 'only'}.trace"
    plan = scenario.load(name, variant)
    made = record(plan, path)
    assert made["result"] == "pass", "\n" + summary.text(made)
    if not MICROPYTHON.exists():
        pytest.skip("it holds on CPython; no MicroPython for the rest: `make test` fetches it")
    counted = replay(path)  # ReplayFailed, with MicroPython's own words, if a tick asks for memory
    assert len(counted.allocated_B) > 300
    assert counted.differing == []
    asked = [(tick, size_B) for tick, size_B in enumerate(counted.allocated_B) if tick and size_B]
    assert [each for each in asked if each[0] not in counted.costly] == []
    assert max([size_B for _, size_B in asked], default=0) <= EXCEPTION_B
    assert len(counted.costly) <= COSTLY_TICKS
    assert chips_of(path).exists() == ("can" in plan.plant), "the real drivers ran where the recording had them"
