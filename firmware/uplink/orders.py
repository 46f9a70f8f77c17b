# Orders from the aggregator: read, judged, posted as wishes, answered. Every order gets one answer, except in a flood,
# where refusals are counted instead of told. An order that is refused changes nothing: the one before it stays.
import json

from micropython import const

from firmware.clock import from_unix_s, unix_s
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
    R_NO_WISH,
    R_NONE,
    R_OWNER,
    REASON_NAMES,
)
from firmware.units import TICKS_MASK, UNKNOWN, age_ms
from firmware.wishes import SRC_AGGREGATOR, SRC_OWNER

SETPOINT = const(0)  # index in topics.ORDERS
LIMIT = const(1)

# An answer, as a list.
A_VERB = const(0)
A_ID = const(1)
A_RESULT = const(2)
A_REASON = const(3)
A_APPLIED_W = const(4)
A_UNTIL_s = const(5)  # Unix, or None
A_WHAT = const(6)  # for people: what is wrong with it, or ""

_POWER_MAX_W = const(1000000)  # more is no order but a mistake
_OLD_s = const(120)  # an order on its way for longer is somebody's replay, or a clock is wrong
_AHEAD_s = const(30)
_DAY_s = const(86400)
_JUDGED_ms = const(1000)  # control judges an order within 100 ms; after this it never will
_REMEMBERED = const(16)
_ANSWERS = const(8)
_ID_MAX = const(40)


class Refusal(ValueError):
    def __init__(self, reason, what=""):
        super().__init__(reason, what)
        self.reason = reason
        self.what = what


class Orders:
    def __init__(self, wishes, power, clock, config, ticks_ms):
        self._wishes = wishes
        self._power = power  # a Reader of station.power, refreshed by who calls step()
        self._clock = clock
        self._lease_max_s = config["lease_max_s"]
        self._ticks_ms = ticks_ms
        self._serial = 0
        self._given = [None] * _REMEMBERED  # the newest answers: their ids cannot come again
        self._next = 0
        self._newest_s = [0, 0]  # t of the newest order taken, by verb: an older one came late or is a replay
        self._pending = [None, None]  # answers that wait for control, by verb
        self._asked = [None, None]  # for each: serial, ticks, power_W or None
        self._answers = []  # to orders that control has judged
        self._refusals = []
        self.received = 0
        self.unanswered = 0
        self.last_id = ""

    # --- from umqtt's callback: judges and posts, publishes nothing, raises nothing ---
    def receive(self, verb, payload, retained, dup, oversize):
        self.received += 1
        answer = [verb, "", "rejected", "", 0, None, ""]
        try:
            if oversize:
                raise Refusal("malformed", "%d bytes are too long" % oversize)
            order = _read(payload)
            answer[A_ID] = _id(order)
            if retained:
                raise Refusal("retained", "an order is never retained")
            if not self._known_already(answer, dup):
                self._take(verb, order, answer)
        except Refusal as refusal:
            answer[A_REASON], answer[A_WHAT] = refusal.reason, refusal.what
            self._put(self._refusals, answer)
        except MemoryError:
            answer[A_REASON] = "no_memory"
            self._put(self._refusals, answer)

    def _take(self, verb, order, answer):
        t, exp = _integer(order, "t"), _integer(order, "exp")
        values = _limits(order) if verb == LIMIT else (_power(order),)
        for key in order:
            raise Refusal("malformed", "unknown key %s" % key)
        lease_s = self._lease_s(t, exp, self._newest_s[verb])
        self._newest_s[verb] = t
        answer[A_UNTIL_s] = unix_s(self._clock.now_s()) + lease_s
        if verb == SETPOINT:
            self._take_setpoint(values[0], lease_s * 1000, answer)
        else:
            self._take_limit(values, lease_s * 1000, answer)

    def _lease_s(self, t, exp, newest):
        # How long it counts from now; Refusal if it does not.
        now_s = self._clock.now_s()
        if now_s is None:
            raise Refusal("no_clock", "the station does not know the time yet")
        if from_unix_s(exp) <= now_s:
            raise Refusal("expired", "%d s ago" % (now_s - from_unix_s(exp)))
        if from_unix_s(exp) > now_s + _DAY_s:
            raise Refusal("lease_too_long", "exp is over a day away; is it Unix seconds?")
        age_s = now_s - from_unix_s(t)
        if age_s > _OLD_s:
            raise Refusal("stale", "t is %d s ago" % age_s)
        if age_s < -_AHEAD_s:
            raise Refusal("not_yet", "t is %d s ahead" % -age_s)
        if t < newest:
            raise Refusal("out_of_order", "a newer order was taken")
        return min(from_unix_s(exp) - now_s, self._lease_max_s)

    def _take_setpoint(self, power_W, ttl_ms, answer):
        # What control would cut to nothing is refused at once, and the order before it stays in force.
        values = self._power.values
        most, why = (P_CHARGE_MAX_W, P_CHARGE_WHY) if power_W > 0 else (P_DISCHARGE_MAX_W, P_DISCHARGE_WHY)
        if power_W and values[most] == 0 and values[why] != R_NONE:
            self._remember(answer)
            self._conclude(answer, "rejected", REASON_NAMES[values[why]], 0)
            return
        self._ask(answer, power_W)
        self.last_id = answer[A_ID]
        self._wishes.post_power(SRC_AGGREGATOR, self._serial, power_W, self._ticks_ms(), ttl_ms)

    def _take_limit(self, values, ttl_ms, answer):
        charge_max_W, discharge_max_W, floor_permille = values
        now = self._ticks_ms()
        if floor_permille is not None:
            self._wishes.post_floor(SRC_AGGREGATOR, floor_permille, now, ttl_ms)
            if charge_max_W is None and discharge_max_W is None:
                self._remember(answer)
                self._conclude(answer, "accepted", "none", self._power.values[P_APPLIED_W])
                return
        self._ask(answer, None)
        self._wishes.post_limit(
            SRC_AGGREGATOR,
            self._serial,
            UNKNOWN if charge_max_W is None else charge_max_W,
            UNKNOWN if discharge_max_W is None else discharge_max_W,
            now,
            ttl_ms,
        )

    def _ask(self, answer, power_W):
        verb = answer[A_VERB]
        if self._pending[verb] is not None:
            self._judged(verb, "rejected", "superseded", 0)
        self._serial = (self._serial + 1) & TICKS_MASK
        self._pending[verb] = answer
        self._asked[verb] = (self._serial, self._ticks_ms(), power_W)
        self._remember(answer)

    # --- repeated ones ---
    def _known_already(self, answer, dup):
        # The broker delivers again (DUP) what it believes lost: the same answer again. Else a repetition is refused.
        for given in self._given:
            if given is not None and given[A_ID] == answer[A_ID]:
                if not dup:
                    raise Refusal("repeated", "first answer: %s %s" % (given[A_RESULT], given[A_REASON]))
                if given is not self._pending[given[A_VERB]]:
                    self._put(self._answers, given)
                return True
        return False

    def _remember(self, answer):
        self._given[self._next] = answer
        self._next = (self._next + 1) % _REMEMBERED

    # --- control's judgement ---
    def step(self, now):
        for verb in (SETPOINT, LIMIT):
            if self._pending[verb] is not None:
                self._look(verb, now)

    def _look(self, verb, now):
        serial, asked, power_W = self._asked[verb]
        values = self._power.values
        behind = (values[P_AGGREGATOR_SERIAL] - serial) & TICKS_MASK
        if behind > TICKS_MASK // 2:  # not judged yet
            if age_ms(now, asked) > _JUDGED_ms:
                self._withdraw(verb, serial, now)
                self._judged(verb, "rejected", "no_answer", 0)
        elif verb == LIMIT:
            self._judged(verb, "accepted", "none", values[P_APPLIED_W])
        elif values[P_SOURCE] == SRC_OWNER:
            self._judged(verb, "rejected", REASON_NAMES[R_OWNER], values[P_APPLIED_W])
        elif values[P_SOURCE] == SRC_AGGREGATOR and values[P_WANTED_W] == power_W:
            self._applied(verb, serial, power_W, now)
        elif age_ms(now, asked) > _JUDGED_ms:
            self._judged(verb, "rejected", "no_answer", values[P_APPLIED_W])

    def _applied(self, verb, serial, power_W, now):
        applied_W, reason = self._power.values[P_APPLIED_W], self._power.values[P_REASON]
        if applied_W == power_W:
            self._judged(verb, "accepted", "none", applied_W)
        elif applied_W:
            self._judged(verb, "limited", REASON_NAMES[reason], applied_W)
        else:
            self._withdraw(verb, serial, now)
            self._judged(verb, "rejected", REASON_NAMES[reason if reason != R_NONE else R_NO_WISH], 0)

    def _withdraw(self, verb, serial, now):
        # Refused means that it will not happen later either.
        if verb == SETPOINT:
            self._wishes.post_power(SRC_AGGREGATOR, serial, 0, now, 0)
        else:
            self._wishes.post_limit(SRC_AGGREGATOR, serial, UNKNOWN, UNKNOWN, now, 0)

    def _judged(self, verb, result, reason, applied_W):
        answer = self._pending[verb]
        self._pending[verb] = None
        self._conclude(answer, result, reason, applied_W)

    def _conclude(self, answer, result, reason, applied_W):
        answer[A_RESULT], answer[A_REASON], answer[A_APPLIED_W] = result, reason, applied_W
        if result == "rejected":
            answer[A_UNTIL_s] = None
        self._put(self._answers, answer)

    # --- answers, for who publishes them ---
    def answer(self):
        # The next to tell, or None: first those that control has judged, so that a flood cannot hide them.
        if self._answers:
            return self._answers[0]
        return self._refusals[0] if self._refusals else None

    def told(self, answer):
        # While it was published more may have come, and it may have given way already.
        for answers in (self._answers, self._refusals):
            if answers and answers[0] is answer:
                answers.pop(0)
                return

    def _put(self, answers, answer):
        if len(answers) >= _ANSWERS:
            answers.pop(0)
            self.unanswered += 1
        answers.append(answer)


# --- reading: every key is taken out and judged; what is left over is an error ---
def _read(payload):
    try:
        order = json.loads(payload)
    except (ValueError, RuntimeError):
        raise Refusal("malformed", "no JSON")
    if not isinstance(order, dict):
        raise Refusal("malformed", "no JSON object")
    return order


def _id(order):
    value = order.pop("id", None)
    if not isinstance(value, str) or not 1 <= len(value) <= _ID_MAX:
        raise Refusal("malformed", "id: 1 to %d characters" % _ID_MAX)
    for char in value:
        if not " " <= char <= "~" or char in '"\\':
            raise Refusal("malformed", "id: printable ASCII without quotes")
    return value


def _integer(order, key):
    # Floats have no place here: on the board they are 128 s coarse at today's Unix time.
    value = order.pop(key, None)
    if type(value) is not int:
        raise Refusal("malformed", "%s: Unix seconds, a whole number" % key)
    return value


def _number(order, key, low, high):
    value = order.pop(key, None)
    if type(value) not in (int, float):
        raise Refusal("malformed", "%s: a number" % key)
    if value != value or value in (float("inf"), -float("inf")):
        raise Refusal("not_finite", key)
    if not low <= value <= high:
        raise Refusal("out_of_range", "%s: %d to %d" % (key, low, high))
    return round(value)


def _power(order):
    return _number(order, "power_W", -_POWER_MAX_W, _POWER_MAX_W)


def _limits(order):
    # Magnitudes, 0 allowed; what is not there is not limited. The floor can only be raised.
    values = [None, None, None]
    for index, key in enumerate(("charge_max_W", "discharge_max_W", "floor_permille")):
        if key in order:
            values[index] = _number(order, key, 0, 1000 if index == 2 else _POWER_MAX_W)
    if values == [None, None, None]:
        raise Refusal("malformed", "charge_max_W, discharge_max_W or floor_permille")
    return values

