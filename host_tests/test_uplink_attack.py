"""A broker that does whatever it likes, by seed: slow bytes, half packets, wrong numbers, floods, a retained megabyte,
ends in every state. No step of the uplink lasts longer than 5 s, nothing escapes, and afterwards not one record is
missing."""

import errno
import random

import pytest

from firmware.faults import F_SERVICE
from firmware.station import EV_PHASE, PH_DISCHARGE
from host_tests.uplink_rig import ROOT, Rig
from hw_tests.bench import minisocket
from hw_tests.bench.minibroker import PUBACK, SUBACK, packet, publish_packet

STEP_MOST_ms = 5000
TOPIC = ROOT + "cmd/setpoint"


class Attack:
    """One station and one such broker."""

    def __init__(self, seed, monkeypatch):
        self.chance = random.Random(seed)
        self.rig = rig = Rig(mqtt_keepalive_s=30)
        self.slow_ms = self.next_ms = 0  # between two bytes; when the next one is there
        self.worst_ms = 0
        self.put = 0
        plain, step = minisocket.FakeSocket.recv, rig.uplink.step

        def recv(sock, most):
            if not self.slow_ms or sock._connection is None or not sock._connection.outgoing:
                return plain(sock, most)
            left_ms = max(self.next_ms - rig.ms, 0)
            allowed_ms = left_ms if sock._timeout_ms is None else min(left_ms, sock._timeout_ms)
            rig.pass_ms(allowed_ms)
            if allowed_ms < left_ms:
                raise OSError(errno.ETIMEDOUT if allowed_ms else errno.EAGAIN, "not yet")
            self.next_ms = rig.ms + self.slow_ms
            return plain(sock, 1)

        def timed(now):
            begun = rig.ms
            step(now)
            self.worst_ms = max(self.worst_ms, rig.ms - begun)

        monkeypatch.setattr(minisocket.FakeSocket, "recv", recv)
        rig.uplink.step = timed
        self.acts = (
            self.rubbish, self.half, self.wrong_pubacks, self.stray, self.megabyte, self.drop, self.kill, self.mute,
            self.hold, self.drip, self.narrow, self.unreachable, self.refuse, self.flood, self.heal, self.heal,
        )  # fmt: skip

    # --- what it does ---
    def rubbish(self):
        self.rig.broker.inject(self.chance.randbytes(self.chance.choice((1, 2, 7, 300))))

    def half(self):
        whole = publish_packet(TOPIC, b"x" * self.chance.choice((3, 100, 600)), 1, False, 9)
        self.rig.broker.inject(whole[: self.chance.randrange(1, len(whole))])

    def wrong_pubacks(self):
        count = self.chance.choice((1, 5, 500))
        self.rig.broker.inject(b"".join(packet(PUBACK, self.chance.randbytes(2)) for _ in range(count)))

    def stray(self):
        kind = self.chance.choice((SUBACK, 0x20, 0x50, 0x60, 0x70, 0xB0, 0xD0, PUBACK))
        self.rig.broker.inject(packet(kind, self.chance.randbytes(self.chance.randrange(4))))

    def megabyte(self):
        self.rig.broker.publish(TOPIC, b"\0" * 1_000_000, retain=self.chance.random() < 0.5)

    def drop(self):
        for connection in list(self.rig.broker.connections):
            self.rig.broker.drop(connection)

    def kill(self):
        self.rig.broker.kill()

    def mute(self):
        self.rig.broker.mute = True

    def hold(self):
        self.rig.broker.hold_pubacks = True

    def drip(self):
        self.slow_ms = self.chance.choice((1, 20, 300, 1400))

    def narrow(self):
        self.rig.sockets.room, self.rig.sockets.chunk = self.chance.choice((1, 50)), self.chance.choice((1, 3))

    def unreachable(self):
        self.rig.sockets.unreachable = True

    def refuse(self):
        self.rig.broker.refuse_code = self.chance.randrange(1, 6)

    def flood(self):
        self.rig.broker.flood(TOPIC, [b"{}", b"rubbish", b"\xff" * 500] * self.chance.choice((10, 300)))

    def heal(self):
        rig = self.rig
        self.slow_ms = 0
        rig.sockets.room = rig.sockets.chunk = 65536
        rig.sockets.unreachable = rig.broker.mute = False
        rig.broker.refuse_code = 0
        rig.broker.release()
        rig.broker.start()

    # --- and what happens meanwhile ---
    def play(self, acts):
        rig = self.rig
        for _ in range(acts):
            if rig.journal.events.held < 24:  # of 32
                self.put += 1
                rig.station.events.put(EV_PHASE, PH_DISCHARGE, self.put, rig.ticks_ms())
            self.chance.choice(self.acts)()
            rig.run(self.chance.choice((20, 60, 200, 1000, 4000)))
        self.heal()
        rig.broker.retained.pop(TOPIC, None)
        rig.run(150_000)


@pytest.mark.parametrize("seed", range(8))
def test_nothing_that_a_broker_does_holds_the_services_or_loses_a_record(seed, monkeypatch):
    attack = Attack(seed, monkeypatch)
    attack.play(60)
    rig = attack.rig
    assert attack.worst_ms <= STEP_MOST_ms
    assert rig.services.failures == [0] * len(rig.services.services) and not rig.journal.active[F_SERVICE]
    told = {record["seq"] for record in rig.said("event") + rig.said("meter")}
    assert told == set(range(1, rig.journal._seq + 1)) and rig.journal.events.lost == 0
    rig.order(-4000, order_id=f"after-{seed}")
    rig.run(2000)
    assert rig.said("ack/setpoint")[-1]["result"] == "accepted" and rig.applied_W() == -4000
