"""The seam: whole copies, ring of events, faults. Runs on CPython and on MicroPython."""

from firmware import faults as f
from firmware.station import (
    E_AT,
    E_CODE,
    E_DATA,
    E_STATE,
    EVENT_SLOTS,
    PH_RETRY,
    PHASE_NAMES,
    R_CAR_AWAKE,
    REASON_NAMES,
    Events,
    Reader,
    Record,
    Station,
    name_of,
)
from firmware.units import UNKNOWN


def test_a_reader_sees_only_what_was_published():
    record = Record(3)
    reader = Reader(record)
    record.now[1] = 42
    assert reader.refresh() and reader.values[1] == UNKNOWN
    record.publish()
    assert reader.refresh() and reader.values[1] == 42


def test_a_reader_keeps_its_old_copy_while_the_writer_writes():
    record = Record(2)
    record.now[0] = 1
    record.publish()
    reader = Reader(record)
    record._seq[0] += 1  # the writer stopped in the middle
    record._published[0] = 2
    assert not reader.refresh()
    assert reader.values[0] == 1


def test_every_record_is_published_within_as_many_ticks_as_there_are_records():
    station = Station()
    readers = [Reader(record) for record in station._records]
    for record in station._records:
        record.now[0] = 77
    for _ in station._records:
        station.publish()
    for reader in readers:
        reader.refresh()
        assert reader.values[0] == 77


def test_events_come_out_in_order_and_what_is_lost_is_counted():
    events = Events()
    for number in range(40):
        events.put(number, 1, number * 10, number)
    got = [0] * EVENT_SLOTS
    seen = []
    while events.get(got):
        seen.append((got[E_CODE], got[E_STATE], got[E_DATA], got[E_AT]))
    assert seen == [(n, 1, n * 10, n) for n in range(32)]
    assert events.lost[0] == 8
    events.put(5, 0, 0, 99)
    assert events.get(got) and got[E_AT] == 99


def test_names_fit_their_numbers():
    for names, last, name in ((PHASE_NAMES, PH_RETRY, "retry"), (REASON_NAMES, R_CAR_AWAKE, "car_awake")):
        words = names.split()
        assert words[last] == name and len(words) == last + 1
        assert [name_of(names, index) for index in range(last + 1)] == words
        for index in (UNKNOWN, -1, last + 1, last + 50):
            assert name_of(names, index) == "unknown"


def active():
    events = Events()
    return f.Active(events), events


def test_a_fault_is_told_once_and_the_worst_counts():
    faults, events = active()
    got = [0] * EVENT_SLOTS
    faults.set(f.F_BROKER, 0, 10)
    faults.set(f.F_BROKER, 0, 20)
    faults.set(f.F_ESTOP, 3, 30)
    faults.set(f.F_PRECHARGE, 0, 40)
    assert faults.worst == f.F_ESTOP and faults.severity == f.EMERGENCY
    told = []
    while events.get(got):
        told.append((got[E_CODE], got[E_STATE]))
    assert told == [(f.F_BROKER, 1), (f.F_ESTOP, 1), (f.F_PRECHARGE, 1)]


def test_pulling_the_plug_clears_what_latches_until_then_and_no_more():
    faults, _ = active()
    faults.set(f.F_ESTOP, 0, 0)
    faults.set(f.F_CONTACTOR_WELDED, 0, 0)
    faults.set(f.F_BROKER, 0, 0)
    faults.replugged(10)
    assert not faults.has(f.F_ESTOP)
    assert faults.has(f.F_CONTACTOR_WELDED) and faults.has(f.F_BROKER)
    assert faults.worst == f.F_CONTACTOR_WELDED
    faults.clear(f.F_CONTACTOR_WELDED, 20)
    faults.clear(f.F_BROKER, 20)
    assert faults.worst == f.NO_FAULT and faults.severity == f.INFO
