# The uplink: keeps a connection to the broker, tells state and record, takes orders. An outage is no failure of the
# service: it waits, longer each time, and tries again; what must be told waits in the journal.
from array import array

from micropython import const

from firmware.faults import F_BROKER
from firmware.journal import EVENT, J_KIND, RECORD_SLOTS
from firmware.station import (
    C_PHASE,
    P_APPLIED_W,
    P_CHARGE_MAX_W,
    P_CHARGE_WHY,
    P_DISCHARGE_MAX_W,
    P_DISCHARGE_WHY,
    P_REASON,
    P_SOURCE,
    PH_IDLE,
)
from firmware.units import UNKNOWN, age_ms
from firmware.uplink.client import Client
from firmware.uplink.link import LinkError
from firmware.uplink.orders import A_VERB, Orders
from firmware.uplink.statement import Statement
from firmware.uplink.topics import Topics

# Where a connection is.
_DOWN = const(0)
_SUBSCRIBE = const(1)  # and 2: the second topic
_STATUS = const(3)
_BIRTH = const(4)
_UP = const(5)

_WAIT_FIRST_ms = const(1000)
_WAIT_MAX_ms = const(30000)
_GOOD_ms = const(30000)  # a connection that lasted so long was a good one: the next wait is short again
_RESOLVE_EVERY = const(8)  # failures until the address is asked for again
_DRAIN_ms = const(200)
_DRAIN_MAX = const(400)  # messages a step, for when time stands still
_STATE_GAP_ms = const(500)  # changes are told no faster than this
_CHANGED_W = const(100)


class Uplink:
    name = "uplink"

    def __init__(self, fw, config, clock, journal, module, ticks_ms, log, boot):
        self._config = config
        self._clock = clock
        self._journal = journal
        self._ticks_ms = ticks_ms
        self._log = log
        self._topics = topics = Topics(config["site"], config["station"])
        self._say = Statement(fw.station, config, clock, journal, boot)
        self._orders = Orders(fw.wishes, self._say.power, clock, config, ticks_ms)
        self._client = Client(module, ticks_ms, config, topics)
        self._client.set_last_will(topics.status, b"offline")
        self._client.set_callback(self._received)
        self._where = _DOWN
        self._since = ticks_ms()  # when it got there
        self._wait_ms = 0
        self._patience_ms = _WAIT_FIRST_ms
        self._failures = 0
        self._seed = sum(topics.client_id) & 0x3FF  # a fleet must not come back in step after an outage
        self._pinged = 0
        self._told = 0  # ticks of the newest state
        self._shown = array("i", [UNKNOWN] * 8)  # what of it must be told at once when it changes
        self._looked = array("i", [UNKNOWN] * 8)
        self._online_s = 0  # uptime when this connection was made
        self._record = array("i", [0] * RECORD_SLOTS)
        self.published = 0
        self.acknowledged = 0
        self.reconnects = -1

    def step(self, now):
        self._client.begin_step()
        self._say.refresh()
        try:
            if self._where == _UP:
                self._serve(now)
            elif self._where == _DOWN:
                if age_ms(now, self._since) >= self._wait_ms:
                    self._client.connect()
                    self._reach(_SUBSCRIBE, now)
            else:
                self._greet(now)
        except LinkError as error:
            self._lost(str(error), now)

    def restart(self):
        self._client.close()
        self._where = _DOWN

    def close(self):
        # An orderly farewell; an abrupt end is told by the last will.
        if self._where == _UP:
            try:
                self._client.begin_step()
                self._client.publish(self._topics.status, b"offline", True, 1)
            except LinkError as error:
                self._log("uplink: no farewell: %s" % error)
        self.restart()

    # --- the connection ---
    def _greet(self, now):
        # One call a step, so that a slow broker cannot make a step long.
        where, topics, client = self._where, self._topics, self._client
        if where < _STATUS:
            client.subscribe(topics.cmd[where - _SUBSCRIBE])
        elif where == _STATUS:
            self._publish(topics.status, b"online", True, 1)
        else:
            self._publish(topics.birth, self._say.birth(), True, 1)
        self._reach(where + 1, now)
        if self._where == _UP:
            self.reconnects += 1
            self._online_s = self._clock.up_s
            self._shown[0] = UNKNOWN  # tell the state anew
            self._journal.note(F_BROKER, 0, 0)
            self._log("uplink: connected to %s:%d" % (self._config["mqtt_host"], self._config["mqtt_port"]))

    def _reach(self, where, now):
        self._where, self._since = where, now

    def _lost(self, why, now):
        self._client.close()
        if self._where == _UP and age_ms(now, self._since) >= _GOOD_ms:
            self._failures, self._patience_ms = 0, _WAIT_FIRST_ms
        self._failures += 1
        self._journal.note(F_BROKER, 1, self._failures)
        if self._failures % _RESOLVE_EVERY == 0:
            self._client.link.resolve_anew()
        self._reach(_DOWN, now)
        self._wait_ms = self._jitter(self._patience_ms)
        self._patience_ms = min(self._patience_ms * 3 // 2, _WAIT_MAX_ms)
        self._log("uplink: %s; next try in %d ms" % (why, self._wait_ms))

    def _jitter(self, patience_ms):
        # 75 to 125 %, different for each station and each try.
        self._seed = (self._seed * 421 + 54773) % 259200
        return patience_ms * (75 + self._seed % 51) // 100

    def _keep_alive(self, now):
        silent_ms = age_ms(self._ticks_ms(), self._client.link.heard)
        keepalive_ms = self._config["mqtt_keepalive_s"] * 1000
        if silent_ms >= keepalive_ms:
            raise LinkError("nothing heard for %d ms" % silent_ms)
        if silent_ms >= keepalive_ms // 3 and age_ms(now, self._pinged) >= keepalive_ms // 3:
            self._pinged = now
            self._client.ping()

    # --- a step of a good connection ---
    def _serve(self, now):
        self._drain()
        self._say.power.refresh()
        self._orders.step(now)
        self._answer()
        self._state(now)
        self._tell_record()
        self._keep_alive(now)

    def _drain(self):
        # All that has come, so that a flood cannot hide the newest valid order; but no longer than 200 ms.
        begun = self._ticks_ms()
        for _ in range(_DRAIN_MAX):
            if not self._client.check() or age_ms(self._ticks_ms(), begun) >= _DRAIN_ms:
                return

    def _received(self, topic, payload):
        # umqtt's callback: nothing is published from here (hazard 6).
        link = self._client.link
        cmd = self._topics.cmd
        for verb in range(len(cmd)):
            if topic == cmd[verb]:
                self._orders.receive(verb, payload, link.head & 1, link.head & 8, link.oversize)

    def _answer(self):
        answer = self._orders.answer()
        if answer is not None:
            self._publish(self._topics.ack[answer[A_VERB]], self._say.ack(answer), False, 1)
            self._orders.told(answer)

    def _state(self, now):
        since_ms = age_ms(now, self._told)
        idle = self._say.car.values[C_PHASE] in (PH_IDLE, UNKNOWN)
        every_s = self._config["state_idle_s" if idle else "state_active_s"]
        if since_ms >= every_s * 1000 or since_ms >= _STATE_GAP_ms and self._changed():
            self._look()
            self._shown, self._looked = self._looked, self._shown
            self._told = now
            self._publish(self._topics.state, self._say.state(self._orders.last_id, self), True, 0)

    def _look(self):
        looked, power = self._looked, self._say.power.values
        looked[0] = self._say.car.values[C_PHASE]
        looked[1] = power[P_REASON]
        looked[2] = power[P_CHARGE_WHY]
        looked[3] = power[P_DISCHARGE_WHY]
        looked[4] = power[P_SOURCE]
        looked[5] = power[P_APPLIED_W]
        looked[6] = power[P_CHARGE_MAX_W]
        looked[7] = power[P_DISCHARGE_MAX_W]

    def _changed(self):
        self._look()
        shown, looked = self._shown, self._looked
        for slot in range(8):
            if abs(looked[slot] - shown[slot]) > (0 if slot < 5 else _CHANGED_W):
                return True
        return False

    def _tell_record(self):
        record = self._record
        if self._journal.oldest(record):
            topic = self._topics.event if record[J_KIND] == EVENT else self._topics.meter
            self._publish(topic, self._say.record(record, self._online_s), False, 1)
            self._journal.done(record[J_KIND])

    def _publish(self, topic, text, retain, qos):
        # With QoS 1 it returns when the broker has acknowledged: never more than one in flight.
        self.published += 1
        self._client.publish(topic, text, retain, qos)
        if qos:
            self.acknowledged += 1
