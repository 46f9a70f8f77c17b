"""What every CAN driver does on a bad day, and what it takes of the heap: see can_driver_rig."""

import gc

from host_tests.unit.can_driver_rig import EXT, MS, US, raises, some
from hw_tests.bench.chips.bus import GOOD, SHORT
from hw_tests.bench.chips.node import Peer
from hw_tests.bench.chips.wire import frame


# --- errors ---
def alone(make, **how):
    """A desk without anybody else on the bus."""
    desk = make(**how)
    desk.bus.detach(desk.peer)
    return desk


def check_without_acknowledge_it_is_passive_and_comes_back(make):
    desk = alone(make)
    states = []

    def handler(can):
        while can.irq().flags():
            states.append(can.state())

    desk.can.irq(handler, desk.can.IRQ_STATE)
    assert desk.can.send(0x100, b"\x01") is not None
    desk.clock.wait(30 * MS)
    can = desk.can
    assert can.state() == can.STATE_PASSIVE and states and states[-1] == can.STATE_PASSIVE
    tec, rec, warnings, passives, offs, pending, waiting, lost = can.get_counters()
    assert tec >= 128 and warnings == 1 and passives == 1 and offs == 0 and pending == 1 and lost == 0
    desk.bus.attach(desk.peer)
    desk.clock.wait(2 * MS)
    assert can.state() == can.STATE_WARNING and can.get_counters()[5] == 0
    assert can.get_counters()[2:5] == [1, 1, 0], "it went down, not up"
    for _ in range(130):
        assert can.send(0x100, b"") is not None
        desk.clock.wait(500 * US)
    assert can.state() == can.STATE_ACTIVE and len(desk.peer.inbox) == 131


def check_bus_off_is_left_by_restart_only_and_nothing_old_leaves(make):
    desk = make()
    can = desk.can
    states = []
    can.irq(lambda can: states.append(can.flags()), can.IRQ_STATE)
    desk.bus.set_fault(desk.clock.now, SHORT)
    assert can.send(0x100, b"old") is not None and can.send(0x101, b"old") is not None
    desk.clock.wait(30 * MS)
    assert can.state() == can.STATE_BUS_OFF and can.IRQ_STATE in states
    assert raises(OSError, can.send, 0x102, b"", 0) and raises(OSError, can.send, 0x102, b"", EXT)
    desk.bus.set_fault(desk.clock.now, GOOD)
    desk.from_peer(frame(0x200, b"\x01"))
    desk.clock.wait(200 * MS)
    assert can.state() == can.STATE_BUS_OFF and desk.peer.frames() == [] and desk.received() == []
    assert can.get_counters()[:6] == [256, can.get_counters()[1], 1, 1, 1, 0]
    can.restart()
    desk.clock.wait(20 * MS)
    assert can.state() == can.STATE_ACTIVE and can.get_counters()[2:6] == [0, 0, 0, 0]
    assert can.send(0x300, b"new") is not None
    desk.from_peer(frame(0x201, b"\x02"))
    desk.clock.wait(20 * MS)
    assert [f[4] for f in desk.peer.frames()] == [b"new"], "no old frame"
    assert frame(0x201, b"\x02") in desk.received(), "with the filters of before"


def check_an_old_frame_is_late_by_no_more_than_the_interpreter_was_held(make):
    for held_ms in (1, 2, 4, 8, 15, 30):
        desk = make(bitrate=500000)
        desk.bus.set_fault(desk.clock.now, SHORT)
        desk.can.send(0x100, b"old")
        desk.clock.hold(held_ms * MS // 2)
        desk.bus.set_fault(desk.clock.now, GOOD)
        desk.clock.hold(held_ms * MS // 2)
        free = desk.clock.now
        desk.clock.wait(100 * MS)
        assert all(at <= free + 1 * MS for at, f in desk.peer.inbox), held_ms


def check_what_nobody_acknowledged_can_be_taken_back(make):
    desk = alone(make)
    can = desk.can
    places = [can.send(0x300 - n, bytes([n])) for n in range(3)]
    assert None not in places, "the queue holds three that leave in another order"
    desk.clock.wait(80 * MS)
    assert can.get_counters()[5] == 3 and can.state() == can.STATE_PASSIVE
    before = desk.clock.now
    for index in range(can.TX_QUEUE_LEN):
        can.cancel_send(index)
    assert desk.clock.now - before < 5 * MS, "half a tick"
    desk.clock.wait(5000 * MS)
    assert can.get_counters()[5] == 0
    desk.bus.attach(desk.peer)
    desk.clock.wait(20 * MS)
    assert desk.peer.frames() == [], "nothing is as old as the cut"
    assert can.send(0x300, b"new") is not None
    desk.clock.wait(5 * MS)
    assert [f[4] for f in desk.peer.frames()] == [b"new"]


def check_restart_drops_what_waits_without_an_event(make):
    desk = alone(make)
    told = []
    desk.can.irq(lambda can: told.append(can.flags()), desk.can.IRQ_TX)
    desk.can.send(0x100, b"old")
    desk.clock.wait(2 * MS)
    desk.can.restart()
    desk.bus.attach(desk.peer)
    desk.clock.wait(20 * MS)
    assert desk.peer.frames() == [] and told == [] and desk.can.get_counters()[5] == 0
    assert desk.can.send(0x101, b"") is not None
    desk.clock.wait(3 * MS)
    assert len(desk.peer.inbox) == 1


def check_deinit_and_init_again(make):
    desk = make()
    desk.can.deinit()
    assert desk.can.state() == desk.can.STATE_STOPPED and raises(OSError, desk.can.send, 1, b"", 0)
    desk.from_peer(frame(0x1, b""))
    desk.clock.wait(5 * MS)
    assert desk.received() == [] and desk.peer.outbox == [], "it does not even acknowledge"
    desk.can.init(desk.bitrate)
    desk.clock.wait(10 * MS)
    assert desk.can.state() == desk.can.STATE_ACTIVE and len(desk.peer.outbox) == 1


def check_a_silent_one_hears_and_disturbs_nobody(make):
    desk = make(mode=3)
    desk.from_peer(frame(0x1, b"\x01"))
    desk.clock.wait(20 * MS)
    assert desk.peer.outbox == [], "no acknowledge"
    other = desk.bus.attach(Peer("other"))
    desk.clock.wait(20 * MS)
    assert len(desk.peer.outbox) == 1 and frame(0x1, b"\x01") in desk.received() and other.inbox
    assert desk.can.get_counters()[:2] == [0, 0]


def check_silent_loopback_hears_itself_and_nobody_else(make):
    desk = make(mode=4)
    assert desk.can.send(0x123, b"\x01\x02") is not None and desk.can.send(0x456, b"", EXT) is not None
    desk.clock.wait(5 * MS)
    assert sorted(desk.received()) == sorted([frame(0x123, b"\x01\x02"), frame(0x456, b"", ext=1)])
    assert desk.peer.frames() == []


def check_modes_that_it_has_not_are_refused(make):
    can = make().can
    for mode in (can.MODE_SLEEP, 7, -1):
        assert raises(ValueError, can.init, 250000, mode)


def check_a_wrong_bit_rate_is_seen(make):
    desk = make(bitrate=250000)
    desk.can.init(125000)
    desk.can.set_filters(None)
    desk.from_peer(frame(0x1, b""))
    desk.clock.wait(50 * MS)
    assert desk.can.state() in (desk.can.STATE_WARNING, desk.can.STATE_PASSIVE) and desk.received() == []
    desk.can.init(250000)
    desk.clock.wait(50 * MS)
    assert desk.can.state() == desk.can.STATE_ACTIVE


def check_timings_are_told(make):
    can = make().can
    told = can.get_timings()
    assert told[0] == 250000 and told[4] is None and len(told) == 6
    kept = [0] * 6
    assert can.get_timings(kept) is kept and kept == told
    counters = [0] * 8
    assert can.get_counters(counters) is counters


# --- overruns ---
def check_a_held_interpreter_loses_frames_and_it_is_counted(make):
    desk = make(bitrate=500000)
    frames = [frame(0x10000 + k, bytes(8), ext=1) for k in range(desk.holds + 12)]
    desk.from_peer(*frames)
    desk.clock.hold((desk.holds + 20) * 300 * US)  # a frame takes 270
    desk.clock.wait(5 * MS)
    got = desk.received()
    assert got[: desk.holds] == frames[: desk.holds] and len(got) < len(frames)
    assert desk.errors & desk.can.RECV_ERR_OVERRUN and desk.can.get_counters()[7] > 0
    desk.from_peer(frame(0x1, b""))
    desk.clock.wait(1 * MS)
    assert desk.received() == [frame(0x1, b"")] and desk.errors == 0, "told once"


def check_a_missed_edge_costs_nothing_but_time(make):
    desk = make()
    for _ in range(3):
        desk.clock._queue.extend([(len, "")] * 8)  # the schedule queue is full of others
        desk.clock.held = True
        desk.from_peer(frame(0x1, b"\x01"))
        desk.clock.pass_ns(2 * MS)
        desk.clock.held = False
        desk.clock.serve()
        assert desk.clock.dropped > 0
        assert desk.received() == [frame(0x1, b"\x01")], "recv() looks at the level of INT"


def check_a_full_ring_is_told_and_nothing_in_it_is_lost(make):
    desk = make(rx_frames=4)
    frames = [frame(0x100 + k, b"") for k in range(4 + desk.holds)]
    desk.from_peer(*frames)
    desk.clock.wait(10 * MS)
    assert desk.can.recv(desk.held)[3] & desk.can.RECV_ERR_FULL
    assert desk.can.get_counters()[6] >= 3
    got = [frames[0]] + desk.received()
    assert got == frames and desk.can.get_counters()[7] == 0


# --- a chip that is not there ---
def _with_miso(make, level):
    make(miso=level)


def check_a_chip_that_does_not_answer_is_one_clear_error(make):
    for level in (0, 255):
        text = raises(OSError, _with_miso, make, level)
        assert "MISO" in text and ("low" if level == 0 else "high") in text


def check_a_chip_that_falls_silent_stops_and_comes_back(make):
    for level in (0, 255):
        desk = make()
        desk.from_peer(frame(0x1, b""))
        desk.clock.wait(2 * MS)
        desk.chip.miso = level
        for _ in range(60):
            desk.received() if level == 0 else desk.can.recv(desk.held)
            desk.clock.wait(10 * MS)
        assert desk.can.state() == desk.can.STATE_STOPPED and "silent" in desk.can.reason, level
        assert raises(OSError, desk.can.send, 1, b"", 0)
        before = desk.clock.now
        desk.can.restart()
        assert desk.can.state() == desk.can.STATE_STOPPED and desk.clock.now - before < 10 * MS, "bounded"
        desk.chip.miso = None
        desk.can.restart()
        desk.clock.wait(5 * MS)
        desk.from_peer(frame(0x2, b""))
        desk.clock.wait(5 * MS)
        assert desk.can.state() == desk.can.STATE_ACTIVE and frame(0x2, b"") in desk.received()


def check_rubbish_on_miso_never_becomes_a_frame_for_long(make):
    desk = make()
    desk.chip.miso = 255
    desk.chip.int_pin.drive(0)
    got = 0
    for _ in range(20):
        got += len(desk.received())
        desk.clock.wait(1 * MS)
    assert got == 0 and desk.can.state() == desk.can.STATE_STOPPED


def check_a_chip_that_resets_itself_is_seen_and_set_up_again(make):
    desk = make()
    desk.chip.brown_out()
    for _ in range(60):
        desk.received()
        desk.clock.wait(10 * MS)
    assert desk.can.state() == desk.can.STATE_STOPPED and "reset itself" in desk.can.reason
    desk.can.restart()
    desk.clock.wait(5 * MS)
    assert desk.can.state() == desk.can.STATE_ACTIVE
    desk.from_peer(frame(0x2, b""))
    desk.clock.wait(5 * MS)
    assert desk.received() == [frame(0x2, b"")]


# --- memory ---
def _turn(desk, data, n):
    can, held = desk.can, desk.held
    can.send(0x181056F4 + n % 3, data, EXT)
    can.send(0x100, data)
    desk.clock.wait(MS)
    while can.recv(held) is not None:
        desk.count += 1


def _all_of_it(can, counters):
    can.state()
    can.get_counters(counters)
    can.cancel_send(0)
    can.restart()


def _locked(desk, data, counters):
    """Bytes that the driver, and not the models, took in some turns with the heap locked."""
    clock = desk.clock
    before = gc.mem_alloc()
    for n in range(12):
        _turn(desk, data, n)
    _all_of_it(desk.can, counters)
    return gc.mem_alloc() - before - clock.allocated


def check_the_first_frame_allocates_nothing_after_a_look_at_nothing(make):
    if not hasattr(gc, "mem_alloc"):
        return
    import micropython

    desk = make()
    assert desk.can.recv(desk.held) is None
    desk.from_peer(frame(0x123, b"\x01"))
    desk.clock.wait(2 * MS)
    gc.collect()
    micropython.heap_lock()
    try:
        got = desk.can.recv(desk.held)
    finally:
        micropython.heap_unlock()
    assert got is desk.held and got[0] == 0x123 and bytes(got[1]) == b"\x01"


def check_sending_and_receiving_allocate_nothing(make):
    if not hasattr(gc, "mem_alloc"):
        return  # CPython has no such count
    import micropython

    desk = make()
    desk.count, data, counters = 0, bytearray(8), [0] * 8
    desk.from_peer(*some(40, seed=9))
    for n in range(4):
        _turn(desk, data, n)
    _all_of_it(desk.can, counters)
    desk.clock.wait(5 * MS)
    desk.count = 0
    desk.from_peer(*some(40, seed=11))
    gc.collect()
    gc.disable()
    desk.clock.allocated = 0
    try:
        desk.clock.lock = (micropython.heap_lock, micropython.heap_unlock)
        micropython.heap_lock()
        took = _locked(desk, data, counters)
    finally:
        micropython.heap_unlock()
        desk.clock.lock = None
        gc.enable()
    assert took == 0, took
    assert desk.count >= 20, desk.count
