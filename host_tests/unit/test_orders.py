# Orders: which are taken, which are refused, with which reason, and what is answered when control has judged.
import json

from firmware.clock import Clock
from firmware.config import parse
from firmware.station import (
    P_AGGREGATOR_SERIAL,
    P_APPLIED_W,
    P_CHARGE_MAX_W,
    P_CHARGE_WHY,
    P_DISCHARGE_MAX_W,
    P_DISCHARGE_WHY,
    P_REASON,
    P_SOURCE,
    P_WANTED_W,
    POWER_SLOTS,
    R_CAR_CURRENT,
    R_FLOOR,
    R_NONE,
)
from firmware.units import TICKS_MASK, UNKNOWN
from firmware.uplink.orders import LIMIT, SETPOINT, Orders
from firmware.uplink.statement import Text
from firmware.wishes import (
    SRC_AGGREGATOR,
    SRC_OWNER,
    SRC_PLAN,
    W_CHARGE_MAX_W,
    W_DISCHARGE_MAX_W,
    W_POWER_W,
    W_SERIAL,
    W_FLOOR_permille,
    Wishes,
)

UNIX_s = 1795000000


class _Power:
    def __init__(self):
        self.values = [0] * POWER_SLOTS


class _Rig:
    def __init__(self, epoch=2000, is_set=True, now=1000, **config):
        self.wishes, self.power = Wishes(), _Power()
        self.s = UNIX_s
        gap_s = 946684800 if epoch == 2000 else 0
        self.clock = Clock(lambda: (self.s - gap_s) if is_set else 5, epoch)
        self.clock.step(0)
        self.now = now
        config = parse(json.dumps(config))
        self.orders = Orders(self.wishes, self.power, self.clock, config, lambda: self.now)
        self.text = Text(memoryview(bytearray(1024)))
        self.limit(20000, R_CAR_CURRENT, 15000, R_CAR_CURRENT)

    def limit(self, charge_W, charge_why, discharge_W, discharge_why):
        values = self.power.values
        values[P_CHARGE_MAX_W], values[P_CHARGE_WHY] = charge_W, charge_why
        values[P_DISCHARGE_MAX_W], values[P_DISCHARGE_WHY] = discharge_W, discharge_why

    def send(self, verb=SETPOINT, retained=0, dup=0, oversize=0, raw=None, **order):
        if raw is None:
            raw = {"id": "o1", "t": self.s, "exp": self.s + 60}
            if verb == SETPOINT:
                raw["power_W"] = -5000
            raw.update(order)
            raw = json.dumps({key: value for key, value in raw.items() if value is not None})
        self.orders.receive(verb, raw.encode() if isinstance(raw, str) else raw, retained, dup, oversize)

    def control(self, source=SRC_AGGREGATOR):
        # What control does within a tick.
        self.wishes.take(self.now)
        values, wish = self.power.values, self.wishes.taken[SRC_AGGREGATOR]
        values[P_AGGREGATOR_SERIAL] = wish[W_SERIAL]
        wanted = wish[W_POWER_W]
        values[P_SOURCE], values[P_WANTED_W] = (source, wanted) if wanted != UNKNOWN else (SRC_PLAN, 0)
        values[P_APPLIED_W] = max(-values[P_DISCHARGE_MAX_W], min(values[P_CHARGE_MAX_W], values[P_WANTED_W]))
        cut = values[P_APPLIED_W] != values[P_WANTED_W]
        why = values[P_CHARGE_WHY if values[P_WANTED_W] > 0 else P_DISCHARGE_WHY]
        values[P_REASON] = why if cut else R_NONE

    def power_W(self):
        self.wishes.take(self.now)
        return self.wishes.taken[SRC_AGGREGATOR][W_POWER_W]

    def answers(self):
        self.orders.step(self.now)
        told: list = []
        while True:
            answer = self.orders.answer()
            if answer is None:
                return told
            self.text.begin()
            self.orders.write(self.text, answer)
            told.append(json.loads(bytes(self.text.end())))
            self.orders.told(answer)

    def only(self):
        told = self.answers()
        assert len(told) == 1, told
        return told[0]


def _reason(verb=SETPOINT, **order):
    rig = _Rig()
    rig.send(verb, **order)
    answer = rig.only()
    assert answer["result"] == "rejected" and answer["applied_W"] == 0 and "until_s" not in answer
    assert rig.power_W() == UNKNOWN, "a refused order was posted"
    return answer["reason"]


def test_an_order_is_accepted_with_both_epochs():
    for epoch in (1970, 2000):
        rig = _Rig(epoch)
        rig.send()
        assert rig.answers() == []  # control has not judged it yet
        rig.control()
        assert rig.power.values[P_APPLIED_W] == -5000
        assert rig.only() == {
            "id": "o1", "result": "accepted", "reason": "none", "applied_W": -5000, "until_s": UNIX_s + 60,
        }  # fmt: skip


def test_an_order_lives_as_long_as_it_says_also_across_the_wrap():
    for now in (1000, TICKS_MASK - 30000):
        rig = _Rig(now=now)
        rig.send(exp=rig.s + 60)
        for ms, alive in ((59900, True), (200, False)):
            rig.now = (rig.now + ms) & TICKS_MASK
            assert (rig.power_W() != UNKNOWN) == alive


def test_a_lease_is_cut_to_the_longest_and_told_so():
    rig = _Rig(lease_max_s=100)
    rig.send(exp=rig.s + 5000)
    rig.control()
    assert rig.only()["until_s"] == UNIX_s + 100
    rig.now += 100000
    assert rig.power_W() == UNKNOWN


def test_an_order_that_a_limit_cuts_is_limited_with_the_reason():
    rig = _Rig()
    rig.send(power_W=-50000)
    rig.control()
    answer = rig.only()
    assert (answer["result"], answer["reason"], answer["applied_W"]) == ("limited", "car_current", -15000)


def test_what_a_limit_forbids_is_refused_and_the_order_before_it_stays():
    rig = _Rig()
    rig.send(power_W=3000, id="a")
    rig.control()
    assert rig.only()["result"] == "accepted"
    rig.limit(20000, R_CAR_CURRENT, 0, R_FLOOR)
    rig.send(power_W=-5000, id="b")
    answer = rig.only()
    assert (answer["id"], answer["result"], answer["reason"], answer["applied_W"]) == ("b", "rejected", "floor", 0)
    assert rig.power_W() == 3000


def test_what_control_cuts_to_nothing_is_refused_and_withdrawn():
    rig = _Rig()
    rig.send(power_W=-5000)
    rig.limit(20000, R_CAR_CURRENT, 0, R_FLOOR)  # between the post and control's judgement
    rig.control()
    answer = rig.only()
    assert (answer["result"], answer["reason"]) == ("rejected", "floor") and "until_s" not in answer
    assert rig.power_W() == UNKNOWN


def test_an_order_for_nothing_is_accepted():
    rig = _Rig()
    rig.limit(0, R_FLOOR, 0, R_FLOOR)
    rig.send(power_W=0)
    rig.control()
    assert rig.only()["result"] == "accepted" and rig.power_W() == 0


def test_the_owner_outranks():
    rig = _Rig()
    rig.send()
    rig.control(SRC_OWNER)
    assert rig.only()["reason"] == "owner"
    assert rig.power_W() == UNKNOWN  # nor later, when the owner's ends


def test_control_that_says_nothing_makes_it_void():
    rig = _Rig()
    rig.send()
    rig.now += 900
    assert rig.answers() == []
    rig.now += 200
    assert rig.only()["reason"] == "no_answer"
    assert rig.power_W() == UNKNOWN


def test_refusals_by_time():
    assert _reason(exp=UNIX_s) == "expired"
    assert _reason(exp=UNIX_s - 1000) == "expired"
    assert _reason(exp=1) == "expired"
    assert _reason(exp=UNIX_s * 1000) == "lease_too_long"  # milliseconds
    assert _reason(exp=UNIX_s + 86401) == "lease_too_long"
    assert _reason(t=UNIX_s - 121) == "stale"
    assert _reason(t=0) == "stale"
    assert _reason(t=UNIX_s + 31) == "stale"
    assert _reason(t=10**30, exp=10**30) == "lease_too_long"
    assert _reason(exp=-(10**30)) == "expired"
    rig = _Rig(is_set=False)
    rig.send()
    assert rig.only()["reason"] == "no_clock"


def test_a_retained_order_is_refused():
    assert _reason(retained=1) == "retained"


def test_a_repeated_order_is_refused_with_its_first_answer():
    rig = _Rig()
    rig.send()
    rig.control()
    rig.only()
    rig.s += 10
    rig.send(t=UNIX_s, exp=UNIX_s + 60)
    answer = rig.only()
    assert (answer["result"], answer["reason"]) == ("rejected", "repeated") and "accepted" in answer["what"]


def test_a_repeated_id_with_another_body_is_refused_too():
    rig = _Rig()
    rig.send()
    rig.control()
    rig.only()
    rig.send(power_W=-9000)
    assert rig.only()["reason"] == "repeated" and rig.power_W() == -5000


def test_what_the_broker_delivers_again_is_answered_again_and_not_applied_again():
    rig = _Rig()
    rig.send()
    rig.send(dup=8)  # before control has judged it: one answer
    rig.control()
    first = rig.only()
    seq = rig.wishes.taken[SRC_AGGREGATOR][0]
    rig.send(dup=8)
    assert rig.only() == first
    rig.wishes.take(rig.now)
    assert rig.wishes.taken[SRC_AGGREGATOR][0] == seq, "its lease was renewed"


def test_a_first_delivery_marked_dup_is_an_order_like_any():
    rig = _Rig()
    rig.send(dup=8)
    rig.control()
    assert rig.only()["result"] == "accepted"


def test_an_order_older_than_the_newest_is_refused_so_that_no_replay_gets_through():
    rig = _Rig()
    for number in range(40):
        rig.s += 1
        rig.send(id=f"n{number}")
        rig.control()
        rig.answers()
    rig.send(id="n0", t=UNIX_s + 1, exp=UNIX_s + 100)  # long forgotten by its id
    assert rig.only()["reason"] == "out_of_order"


def test_malformed_orders_say_what_and_where():
    for raw in (b"", b"x", b"[1]", b"5", b'"a"', b"\xff\xfe", b'{"id":"\xff"}', b"{" * 200, b"[" * 400, b"null"):
        assert _reason(raw=raw) == "malformed", raw
    order: dict
    for order in (
        {"id": None}, {"id": ""}, {"id": 5}, {"id": "x" * 41}, {"id": 'a"b'}, {"id": "a\nb"}, {"id": "\u00e4"},
        {"t": None}, {"t": "now"}, {"t": 1.5}, {"t": True}, {"exp": None}, {"exp": [1]}, {"power_W": None},
        {"power_W": "5000"}, {"power_W": True}, {"power_W": {}}, {"power": 5}, {"floor_permille": 0},
    ):  # fmt: skip
        rig = _Rig()
        rig.send(**order)
        answer = rig.only()
        assert answer["reason"] == "malformed" and len(answer["what"]) > 3, order


def test_an_order_that_was_cut_off_is_refused_wherever_it_was_cut():
    whole = json.dumps({"id": "o1", "t": UNIX_s, "exp": UNIX_s + 60, "power_W": -5000})
    for length in range(len(whole)):
        assert _reason(raw=whole[:length]) == "malformed", whole[:length]


def test_numbers_that_are_none():
    body = '{"id":"o1","t":%d,"exp":%d,"power_W":%s}'
    for number in ("NaN", "Infinity", "-Infinity", "1e999", "-1e999"):
        raw = body % (UNIX_s, UNIX_s + 60, number)
        assert _reason(raw=raw) in ("not_finite", "malformed"), number
    assert _reason(raw=body % (UNIX_s, UNIX_s + 60, "1e999")) == "not_finite"
    for number in ("1000001", "-1000001", "9" * 100, "1e30"):
        assert _reason(raw=body % (UNIX_s, UNIX_s + 60, number)) == "out_of_range", number


def test_what_is_too_long_is_refused():
    rig = _Rig()
    rig.send(raw=b"", oversize=200000)
    answer = rig.only()
    assert answer["reason"] == "malformed" and "200000" in answer["what"]


def test_a_float_is_a_number():
    rig = _Rig()
    rig.send(power_W=-4999.6)
    rig.control()
    assert rig.only()["applied_W"] == -5000


def test_limits_are_posted_and_accepted():
    rig = _Rig()
    rig.send(LIMIT, charge_max_W=0, floor_permille=700)
    rig.control()
    assert rig.only()["result"] == "accepted"
    wish = rig.wishes.taken[SRC_AGGREGATOR]
    assert (wish[W_CHARGE_MAX_W], wish[W_DISCHARGE_MAX_W], wish[W_FLOOR_permille]) == (0, UNKNOWN, 700)


def test_a_raise_of_the_floor_alone_leaves_the_limits():
    rig = _Rig()
    rig.send(LIMIT, charge_max_W=4000)
    rig.control()
    rig.only()
    rig.send(LIMIT, id="o2", floor_permille=650)
    assert rig.only()["result"] == "accepted"
    rig.wishes.take(rig.now)
    wish = rig.wishes.taken[SRC_AGGREGATOR]
    assert (wish[W_CHARGE_MAX_W], wish[W_FLOOR_permille]) == (4000, 650)


def test_limits_are_magnitudes():
    assert _reason(LIMIT, charge_max_W=-1) == "out_of_range"
    assert _reason(LIMIT, discharge_max_W=-20000) == "out_of_range"
    assert _reason(LIMIT, floor_permille=1001) == "out_of_range"
    assert _reason(LIMIT, floor_permille=-1) == "out_of_range"
    assert _reason(LIMIT) == "malformed"
    assert _reason(LIMIT, power_W=5) == "malformed"


def test_a_setpoint_and_a_limit_at_once_are_both_answered():
    rig = _Rig()
    rig.send()
    rig.send(LIMIT, id="o2", discharge_max_W=9000)
    rig.control()
    assert sorted(answer["id"] for answer in rig.answers()) == ["o1", "o2"]


def test_a_newer_order_supersedes_one_that_waits():
    rig = _Rig()
    rig.send(id="a")
    rig.send(id="b", power_W=-6000)
    rig.control()
    told = {answer["id"]: answer["reason"] for answer in rig.answers()}
    assert told == {"a": "superseded", "b": "none"} and rig.power_W() == -6000


def test_a_flood_keeps_the_newest_valid_order_and_its_answer():
    rig = _Rig()
    for number in range(500):
        rig.send(raw=b"rubbish %d" % number)
        rig.send(id=f"f{number}", power_W=-100 - number)
    for number in range(500):
        rig.send(raw=b"rubbish %d" % number)
    rig.control()
    told = rig.answers()
    assert rig.power_W() == -599
    assert [answer for answer in told if answer["result"] == "accepted"][0]["id"] == "f499"
    assert len(told) <= 16 and rig.orders.unanswered == 1500 - len(told)


def test_a_hostile_id_cannot_break_the_answer():
    rig = _Rig()
    rig.send(raw=b'{"id":"o1","t":1,"exp":2,"a\\"\\u0000' + b"x" * 300 + b'":1,"power_W":5}')
    answer = rig.only()
    assert answer["reason"] == "malformed" and len(answer["what"]) <= 80
