"""The transport protocol under faults. Runs on CPython and on MicroPython."""

from firmware.units import UNKNOWN
from firmware.vehicle.gbt27930.frames import BCP, BCS, BMV, BRM
from firmware.vehicle.gbt27930.transport_send import ASKING, FAILED, SENDING, SENT, Sender
from firmware.vehicle.gbt27930.wire import ANSWER, REFUSAL, Receiver

MASK = 0x3FFFFFFF
MESSAGE = bytes(range(1, 50))  # 49 bytes: BRM


def rts(pf, size, packets=None, byte5=0xFF):
    return bytes([0x10, size & 255, size >> 8, (size + 6) // 7 if packets is None else packets, byte5, 0, pf, 0])


def dt(sequence, message=MESSAGE):
    part = message[sequence * 7 - 7 : sequence * 7]
    return bytes([sequence]) + part + b"\xff" * (7 - len(part))


def asked(receiver):
    """What the receiver has to say, as (kind, byte 2, byte 3, pf); it has been sent then."""
    assert receiver.due & ANSWER
    receiver.due &= ~ANSWER
    d = receiver.answer.data
    assert d[4] == 0xFF and d[5] == 0 and d[7] == 0
    return d[0], d[1], d[2], d[6]


def test_a_message_comes_whole():
    receiver = Receiver(255)
    receiver.control(rts(0x02, 49), 0)
    assert asked(receiver) == (0x11, 7, 1, 0x02)
    for sequence in range(1, 7):
        assert receiver.packet(dt(sequence), sequence * 10) == -1
        assert not receiver.due
    assert receiver.packet(dt(7), 70) == BRM
    assert bytes(receiver.data[:49]) == MESSAGE
    assert asked(receiver) == (0x13, 49, 0, 0x02)
    assert receiver.answer.data[3] == 7
    assert not receiver.open


def test_the_bytes_of_the_logs():
    receiver = Receiver(255)
    receiver.control(b"\x10\x0d\x00\x02\xff\x00\x06\x00", 0)
    assert bytes(receiver.answer.data) == b"\x11\x02\x01\xff\xff\x00\x06\x00"
    receiver.packet(b"\x01\x9e\x01\xb8\x0b\x4e\x00\x8e", 10)
    assert receiver.packet(b"\x02\x17\x6e\xca\x03\x24\x13\xff", 20) == BCP
    assert bytes(receiver.answer.data) == b"\x13\x0d\x00\x02\xff\x00\x06\x00"


def test_it_asks_for_no_more_than_the_setting_and_rts_allow():
    for limit, byte5, windows in ((3, 0xFF, [(3, 1), (3, 4), (1, 7)]), (255, 2, [(2, 1), (2, 3), (2, 5), (1, 7)]),
                                  (255, 7, [(7, 1)]), (255, 0, [(7, 1)])):  # fmt: skip
        receiver = Receiver(limit)
        receiver.control(rts(0x02, 49, byte5=byte5), 0)
        done = -1
        for count, first in windows:
            assert asked(receiver) == (0x11, count, first, 0x02)
            for sequence in range(first, first + count):
                done = receiver.packet(dt(sequence), 0)
        assert done == BRM and bytes(receiver.data[:49]) == MESSAGE


def test_a_lost_packet_is_asked_for_when_the_window_ends():
    receiver = Receiver(255)
    receiver.control(rts(0x02, 49), 0)
    asked(receiver)
    for sequence in (1, 2, 4, 5, 6):
        assert receiver.packet(dt(sequence), 10) == -1
        assert not receiver.due
    assert receiver.packet(dt(7), 20) == -1
    assert asked(receiver) == (0x11, 5, 3, 0x02)
    for sequence in (3, 4, 5, 6):
        receiver.packet(dt(sequence), 30)
    assert receiver.packet(dt(7), 40) == BRM
    assert bytes(receiver.data[:49]) == MESSAGE


def test_a_lost_last_packet_is_asked_for_after_t1():
    receiver = Receiver(255)
    receiver.control(rts(0x06, 13), 0)
    asked(receiver)
    receiver.packet(dt(1), 10)
    receiver.step(759)
    assert not receiver.due
    receiver.step(760)
    assert asked(receiver) == (0x11, 1, 2, 0x06)
    assert receiver.packet(dt(2), 800) == BCP


def test_a_repeated_packet_is_nothing():
    receiver = Receiver(255)
    receiver.control(rts(0x06, 13), 0)
    asked(receiver)
    assert receiver.packet(dt(1), 10) == -1
    assert receiver.packet(dt(1, b"\x00" * 49), 20) == -1
    assert receiver.packet(dt(2), 30) == BCP
    assert bytes(receiver.data[:13]) == MESSAGE[:13]
    assert receiver.packet(dt(2), 40) == -1


def test_packets_out_of_order_do_not_make_a_message():
    receiver = Receiver(255)
    receiver.control(rts(0x02, 49), 0)
    asked(receiver)
    for sequence in (1, 3, 2, 4, 5, 6):
        assert receiver.packet(dt(sequence), 10) == -1
    assert receiver.packet(dt(7), 10) == -1  # 3 came before 2 and was let go
    assert asked(receiver) == (0x11, 5, 3, 0x02)


def test_silence_after_cts_is_asked_twice_then_aborted():
    receiver = Receiver(255)
    receiver.control(rts(0x11, 9), 0)
    now = 0
    for _ in range(3):
        assert asked(receiver)[0] == 0x11
        receiver.step(now + 1249)
        assert not receiver.due and receiver.open
        now += 1250
        receiver.step(now)
    assert asked(receiver) == (0xFF, 3, 0xFF, 0x11)
    assert not receiver.open
    assert receiver.packet(dt(1), now) == -1


def test_the_timers_stand_the_wrap():
    receiver = Receiver(255)
    at = MASK - 100
    receiver.control(rts(0x11, 9), at)
    asked(receiver)
    receiver.step((at + 1249) & MASK)
    assert not receiver.due
    receiver.step((at + 1250) & MASK)
    assert asked(receiver)[0] == 0x11


def test_abort_by_the_car_ends_it():
    receiver = Receiver(255)
    receiver.control(rts(0x11, 9), 0)
    asked(receiver)
    receiver.control(b"\xff\x03\xff\xff\xff\x00\x06\x00", 5)  # of another message: nothing
    assert receiver.open
    receiver.control(b"\xff\x03\xff\xff\xff\x00\x11\x00", 5)
    assert not receiver.open
    assert receiver.packet(dt(1), 10) == -1
    assert not receiver.due


def test_a_repeated_rts_starts_anew():
    receiver = Receiver(255)
    receiver.control(rts(0x06, 13), 0)
    receiver.packet(dt(1, b"\x00" * 13), 10)
    receiver.control(rts(0x06, 13), 20)
    assert asked(receiver) == (0x11, 2, 1, 0x06)
    receiver.packet(dt(1), 30)
    assert receiver.packet(dt(2), 40) == BCP
    assert bytes(receiver.data[:13]) == MESSAGE[:13]


def test_a_second_message_meanwhile_is_refused_busy_and_the_first_goes_on():
    receiver = Receiver(255)
    receiver.control(rts(0x06, 13), 0)
    asked(receiver)
    receiver.packet(dt(1), 10)
    receiver.control(rts(0x11, 9), 20)
    assert receiver.due == REFUSAL
    assert bytes(receiver.refusal.data) == b"\xff\x01\xff\xff\xff\x00\x11\x00"
    receiver.due = 0
    assert receiver.packet(dt(2), 30) == BCP


def test_a_stalled_transfer_gives_way_to_another_message():
    receiver = Receiver(255)
    receiver.control(rts(0x15, 200), 0)
    asked(receiver)
    receiver.control(rts(0x11, 9), 200)
    assert asked(receiver) == (0x11, 2, 1, 0x11)
    receiver.packet(dt(1), 210)
    assert receiver.packet(dt(2), 220) == BCS


def test_two_messages_one_after_the_other():
    receiver = Receiver(255)
    for pf, size, number in ((0x11, 9, BCS), (0x02, 41, BRM), (0x11, 9, BCS)):
        receiver.control(rts(pf, size), 0)
        asked(receiver)
        last = (size + 6) // 7
        for sequence in range(1, last):
            receiver.packet(dt(sequence), 0)
        assert receiver.packet(dt(last), 0) == number
        asked(receiver)


def test_wrong_sizes_are_refused():
    for pf, size, packets in ((0x06, 12, None), (0x06, 13, 3), (0x06, 13, 1), (0x02, 40, None), (0x11, 8, None),
                              (0x29, 27, None), (0x77, 13, None), (0x06, 0, 0)):  # fmt: skip
        receiver = Receiver(255)
        receiver.control(rts(pf, size, packets), 0)
        assert not receiver.open, (pf, size)
        assert receiver.due == REFUSAL
        assert bytes(receiver.refusal.data) == bytes([0xFF, 2, 0xFF, 0xFF, 0xFF, 0, pf, 0])
        assert receiver.packet(dt(1), 10) == -1


def test_longer_messages_are_taken_as_far_as_there_is_room():
    receiver = Receiver(255)
    receiver.control(rts(0x16, 128), 0)  # BMT of 128 sensors
    message = bytes([7] * 128)
    for sequence in range(1, 19):
        assert receiver.packet(dt(sequence, message), 0) == -1
    assert receiver.packet(dt(19, message), 0) >= 0
    assert bytes(receiver.data) == b"\x07" * 63


def test_the_lowest_cell_is_found_across_packets():
    cells = [370, 365, 371, 340, 366, 372, 350, 368]
    message = b"".join(bytes([cell & 255, cell >> 8 | 0x20]) for cell in cells)
    receiver = Receiver(255)
    receiver.control(rts(0x15, 16), 0)
    receiver.packet(dt(1, message), 0)
    receiver.packet(dt(2, message), 0)
    assert receiver.cell_low_cV == UNKNOWN  # only a complete message counts
    assert receiver.packet(dt(3, message), 0) == BMV
    assert receiver.cell_low_cV == 340


def test_the_lowest_of_256_cells():
    message = b"".join(bytes([cell & 255, cell >> 8]) for cell in range(600, 344, -1))
    receiver = Receiver(255)
    receiver.control(rts(0x15, 512), 0)
    done = -1
    for sequence in range(1, 75):
        done = receiver.packet(dt(sequence, message), 0)
    assert done == BMV and receiver.cell_low_cV == 345


def test_a_foreign_pgn_is_nobodys():
    receiver = Receiver(255)
    receiver.control(b"\x10\x0d\x00\x02\xff\x01\x06\x00", 0)
    receiver.control(b"\x10\x0d\x00\x02\xff\x00\x06\x01", 0)
    assert not receiver.open and not receiver.due


# --- the sending side ---
def shake(limit):
    """A sender and a receiver, wired together; what came out."""
    sender, receiver = Sender(), Receiver(limit)
    sender.start(0x02, bytearray(MESSAGE), 49, 0)
    got = -1
    for now in range(0, 400, 10):
        frame = sender.poll()
        if frame is not None:
            data = bytes(frame.data)
            assert frame.id == (0x1CECF456 if frame is sender.frame else 0x1CEBF456)
            sender.sent(frame, now)
            if frame is sender.packet:
                done = receiver.packet(data, now)
                got = done if done >= 0 else got
            else:
                receiver.control(data, now)
        if receiver.due:
            receiver.due = 0
            sender.control(bytes(receiver.answer.data), now)
        sender.step(now)
    return sender, receiver, got


def test_sender_and_receiver_agree():
    for limit in (1, 3, 255):
        sender, receiver, got = shake(limit)
        assert sender.state == SENT
        assert got == BRM and bytes(receiver.data[:49]) == MESSAGE


def test_the_sender_repeats_what_is_asked_for():
    sender = Sender()
    sender.start(0x02, MESSAGE, 49, 0)
    assert bytes(sender.poll().data) == b"\x10\x31\x00\x07\xff\x00\x02\x00"
    sender.sent(sender.frame, 0)
    sender.control(b"\x11\x02\x06\xff\xff\x00\x02\x00", 10)
    assert bytes(sender.poll().data) == dt(6)
    sender.sent(sender.packet, 10)
    assert bytes(sender.poll().data) == dt(7)
    sender.sent(sender.packet, 20)
    assert sender.poll() is None and sender.state == ASKING


def test_the_sender_gives_up():
    sender = Sender()
    sender.start(0x02, MESSAGE, 49, 0)
    sender.sent(sender.poll(), 0)
    sender.step(1249)
    assert sender.state == ASKING
    sender.step(1250)
    assert sender.state == FAILED and sender.reason == 3
    assert bytes(sender.poll().data) == b"\xff\x03\xff\xff\xff\x00\x02\x00"


def test_the_sender_holds_and_obeys_abort():
    sender = Sender()
    sender.start(0x02, MESSAGE, 49, 0)
    sender.sent(sender.poll(), 0)
    sender.control(b"\x11\x00\xff\xff\xff\x00\x02\x00", 1000)
    sender.step(2049)
    assert sender.state == ASKING
    sender.control(b"\x11\x07\x01\xff\xff\x00\x02\x00", 2049)
    assert sender.state == SENDING
    sender.control(b"\xff\x01\xff\xff\xff\x00\x02\x00", 2060)
    assert sender.state == FAILED and sender.reason == 1
    assert sender.poll() is None
