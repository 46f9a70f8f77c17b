# Orders from the aggregator: read, judged, posted as wishes, answered. Every order gets one answer, except in a flood,
# where refusals are counted instead of told. An order that is refused changes nothing: the one before it stays.
import json

from micropython import const

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
    R_NONE,
    REASON_NAMES,
    name_of,
)
from firmware.units import TICKS_MASK, UNKNOWN, age_ms
from firmware.wishes import SRC_AGGREGATOR, SRC_OWNER

SETPOINT = const(0)
LIMIT = const(1)

# An answer, as a list: the order's verb and id; result, reason, power, until when (Unix), and in words what is wrong.
A_VERB = const(0)
_ID = const(1)
_RESULT = const(2)
_REASON = const(3)
_APPLIED_W = const(4)
_UNTIL_s = const(5)
_WHAT = const(6)

_POWER_MAX_W = const(1000000)  # more is no order but a mistake
_OLD_s = const(120)  # an order on its way for longer is somebody's replay, or a clock is wrong
_AHEAD_s = const(30)
_DAY_s = const(86400)
_JUDGED_ms = const(1000)  # control judges an order within 100 ms; after this it never will
_REMEMBERED = const(8)  # what is older is out of order by its t
_ANSWERS = const(8)
_ID_MAX = const(40)
_WHAT_MAX = const(80)


class Refusal(ValueError):
    # Refusal(reason, what is wrong)
    pass


class Orders:
    def __init__(self, wishes, power, clock, config, ticks_ms):
        self._wishes = wishes
        self._power = power  # a Reader of station.power, refreshed by who calls step()
        self._clock = clock
        self._lease_max_s = config["lease_max_s"]
        self._ticks_ms = ticks_ms
        self._serial = 0
        self._given = []  # the newest answers: their ids cannot come again
        self._newest_s = [0, 0]  # t of the newest order taken, by verb: an older one came late or is a replay
        self._pending = [None, None]  # type: list  # by verb: (answer, serial, ticks, power_W) that waits for control
        self._answers = []  # to orders that control has judged
        self._refusals = []
        self.unanswered = 0
        self.last_id = ""

    # --- from umqtt's callback: judges and posts, publishes nothing, raises nothing ---
    def receive(self, verb, payload, retained, dup, oversize):
        answer = [verb, "", "rejected", "", 0, None, ""]
        try:
            if oversize:
                raise Refusal("malformed", "%d B: too long" % oversize)
            order = _read(payload)
            answer[_ID] = _id(order)
            if retained:
                raise Refusal("retained", "")
            if not self._known(answer, dup):
                self._take(verb, order, answer)
        except (Refusal, MemoryError) as error:
            answer[_REASON], answer[_WHAT] = error.args if isinstance(error, Refusal) else ("no_memory", "")
            self._put(self._refusals, answer)

    def _known(self, answer, dup):
        # What the broker delivers again (DUP) gets its answer again; a repetition by anyone else is refused.
        for given in self._given:
            if given[_ID] == answer[_ID]:
                if not dup:
                    raise Refusal("repeated", "was %s %s" % (given[_RESULT], given[_REASON]))
                pending = self._pending[given[A_VERB]]
                if pending is None or pending[0] is not given:
                    self._put(self._answers, given)
                return True
        return False

    def _take(self, verb, order, answer):
        t, exp = _seconds(order, "t"), _seconds(order, "exp")
        if verb == SETPOINT:
            power_W = _number(order, "power_W", -_POWER_MAX_W, _POWER_MAX_W)
        else:
            limits = _limits(order)
        for key in order:
            raise Refusal("malformed", "unknown key %s" % key)
        lease_s = self._lease_s(t, exp, self._newest_s[verb])
        self._newest_s[verb] = t
        answer[_UNTIL_s] = min(exp, self._clock.unix_s(self._clock.up_s) + lease_s)
        self._given.append(answer)
        if len(self._given) > _REMEMBERED:
            self._given.pop(0)
        if verb == SETPOINT:
            self._post_power(power_W, lease_s * 1000, answer)
        else:
            self._post_limits(limits, lease_s * 1000, answer)

    def _lease_s(self, t, exp, newest):
        # How long it counts from now; Refusal if it does not.
        now_s = self._clock.now_s()
        if now_s is None:
            raise Refusal("no_clock", "")
        left_s = self._clock.from_unix_s(exp) - now_s
        age_s = now_s - self._clock.from_unix_s(t)
        if left_s <= 0:
            raise Refusal("expired", "%d s ago" % -left_s)
        if left_s > _DAY_s:
            raise Refusal("lease_too_long", "exp: over a day")
        if not -_AHEAD_s <= age_s <= _OLD_s:
            raise Refusal("stale", "t is %d s ago" % age_s)
        if t < newest:
            raise Refusal("out_of_order", "")
        return min(left_s, self._lease_max_s)

    def _post_power(self, power_W, ttl_ms, answer):
        # What control would cut to nothing is refused at once, and the order before it stays in force.
        power = self._power.values
        most = power[P_CHARGE_MAX_W if power_W > 0 else P_DISCHARGE_MAX_W]
        why = power[P_CHARGE_WHY if power_W > 0 else P_DISCHARGE_WHY]
        if power_W and most == 0 and why != R_NONE:
            self._conclude(answer, "rejected", name_of(REASON_NAMES, why), 0)
            return
        self._ask(answer, power_W)
        self.last_id = answer[_ID]
        self._wishes.post_power(SRC_AGGREGATOR, self._serial, power_W, self._ticks_ms(), ttl_ms)

    def _post_limits(self, limits, ttl_ms, answer):
        charge_max_W, discharge_max_W, floor_permille = limits
        now = self._ticks_ms()
        if floor_permille != UNKNOWN:
            self._wishes.post_floor(SRC_AGGREGATOR, floor_permille, now, ttl_ms)
            if charge_max_W == discharge_max_W == UNKNOWN:
                self._conclude(answer, "accepted", "none", self._power.values[P_APPLIED_W])
                return
        self._ask(answer, None)
        self._wishes.post_limit(SRC_AGGREGATOR, self._serial, charge_max_W, discharge_max_W, now, ttl_ms)

    def _ask(self, answer, power_W):
        verb = answer[A_VERB]
        if self._pending[verb] is not None:
            self._judged(verb, "rejected", "superseded", 0)
        self._serial = (self._serial + 1) & TICKS_MASK
        self._pending[verb] = (answer, self._serial, self._ticks_ms(), power_W)

    # --- control's judgement ---
    def step(self, now):
        for verb in (SETPOINT, LIMIT):
            if self._pending[verb] is not None:
                self._look(verb, self._power.values, now)

    def _look(self, verb, power, now):
        _, serial, asked, power_W = self._pending[verb]
        applied_W = power[P_APPLIED_W]
        judged = (power[P_AGGREGATOR_SERIAL] - serial) & TICKS_MASK <= TICKS_MASK // 2
        if judged and verb == LIMIT:
            self._judged(verb, "accepted", "none", applied_W)
        elif judged and power[P_SOURCE] == SRC_OWNER:
            self._withdraw(verb, "owner", now, applied_W)
        elif judged and power[P_SOURCE] == SRC_AGGREGATOR and power[P_WANTED_W] == power_W:
            reason = name_of(REASON_NAMES, power[P_REASON])
            if applied_W == power_W:
                self._judged(verb, "accepted", "none", applied_W)
            elif applied_W:
                self._judged(verb, "limited", reason, applied_W)
            else:
                self._withdraw(verb, reason, now)
        elif age_ms(now, asked) > _JUDGED_ms:
            self._withdraw(verb, "no_answer", now)

    def _withdraw(self, verb, reason, now, applied_W=0):
        # Refused means that it will not happen later either: a lease of 0.
        serial = self._pending[verb][1]
        if verb == SETPOINT:
            self._wishes.post_power(SRC_AGGREGATOR, serial, 0, now, 0)
        else:
            self._wishes.post_limit(SRC_AGGREGATOR, serial, UNKNOWN, UNKNOWN, now, 0)
        self._judged(verb, "rejected", reason, applied_W)

    def _judged(self, verb, result, reason, applied_W):
        answer = self._pending[verb][0]
        self._pending[verb] = None
        self._conclude(answer, result, reason, applied_W)

    def _conclude(self, answer, result, reason, applied_W):
        answer[_RESULT], answer[_REASON], answer[_APPLIED_W] = result, reason, applied_W
        if result == "rejected":
            answer[_UNTIL_s] = None
        self._put(self._answers, answer)

    # --- answers, for who publishes them ---
    def answer(self):
        # The next to tell, or None: first those that control has judged, so that a flood cannot hide them.
        if self._answers:
            return self._answers[0]
        return self._refusals[0] if self._refusals else None

    def write(self, text, answer):
        if answer[_ID]:
            text.word("id", answer[_ID])
        text.word("result", answer[_RESULT])
        text.word("reason", answer[_REASON])
        text.number("applied_W", answer[_APPLIED_W])
        text.number("until_s", answer[_UNTIL_s])
        if answer[_WHAT]:
            text.word("what", answer[_WHAT][:_WHAT_MAX])

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
    except (ValueError, RuntimeError):  # RuntimeError: nested without end
        order = None
    # MicroPython takes a text that was cut off for a whole one: a flat object ends with its brace.
    if not isinstance(order, dict) or not payload.rstrip().endswith(b"}"):
        raise Refusal("malformed", "no JSON object")
    return order


def _id(order):
    value = order.pop("id", None)
    if isinstance(value, str) and 1 <= len(value) <= _ID_MAX:
        for char in value:
            if not " " <= char <= "~" or char in '"\\':
                break
        else:
            return value
    raise Refusal("malformed", "id: 1 to %d plain characters" % _ID_MAX)


def _seconds(order, key):
    # Floats have no place here: on the board they are 128 s coarse at today's Unix time.
    value = order.pop(key, None)
    if type(value) is not int:
        raise Refusal("malformed", key + ": Unix seconds")
    return value


def _number(order, key, low, high):
    value = order.pop(key, None)
    if type(value) not in (int, float):
        raise Refusal("malformed", key + ": a number")
    if value - value != 0:  # NaN, infinity
        raise Refusal("not_finite", key)
    if not low <= value <= high:
        raise Refusal("out_of_range", "%s: %d to %d" % (key, low, high))
    return round(value)


def _limits(order):
    # Magnitudes, 0 allowed; what is not there is not limited. The floor can only be raised.
    limits = [UNKNOWN, UNKNOWN, UNKNOWN]
    for index, key in enumerate(("charge_max_W", "discharge_max_W", "floor_permille")):
        if key in order:
            limits[index] = _number(order, key, 0, 1000 if index == 2 else _POWER_MAX_W)
    if limits == [UNKNOWN, UNKNOWN, UNKNOWN]:
        raise Refusal("malformed", "no limit in it")
    return limits
