# The uplink: keeps a connection to the broker, tells state and record, takes orders. An outage is no failure of the
# service: it waits, longer each time, and tries again; what must be told waits in the journal.
from array import array

from micropython import const

from firmware.faults import F_BROKER
from firmware.journal import EVENT
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
    G_FREQUENCY_mHz,
    G_VOLTAGE_dV,
)
from firmware.units import UNKNOWN, age_ms
from firmware.uplink import statement
from firmware.uplink.client import Client, LinkError
from firmware.uplink.orders import A_VERB, Orders
from firmware.uplink.statement import Text

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
_HELD_ms = const(5000)  # longer than any step without the resolver
_DRAIN_ms = const(200)
_DRAIN_MAX = const(400)  # messages a step, for when time stands still
_STATE_GAP_ms = const(500)  # changes are told no faster than this
_MAINS_ms = const(10000)
_CHANGED_W = const(100)

_ORDERS = ("cmd/setpoint", "cmd/limit")  # by verb, as orders.py numbers them


class Uplink:
    name = "uplink"

    def __init__(self, view, wishes, config, clock, journal, module, ticks_ms, log, boot_id):
        self._view = view
        self._config = config
        self._clock = clock
        self._journal = journal
        self._log = log
        self._boot_id = boot_id
        self._root = "v2g/1/%s/%s/" % (config["site"], config["station"])
        self._orders = Orders(wishes, view.power, clock, config, ticks_ms)
        client_id = ("sluice-%s-%s" % (config["site"], config["station"])).encode()
        self._client = client = Client(module, ticks_ms, config, client_id)
        self._text = Text(client.room())
        client.mqtt.set_last_will(self._topic("status"), b"offline", True, 1)
        client.mqtt.set_callback(self._received)
        self._where = _DOWN
        self._since = ticks_ms()  # when it got there
        self._wait_ms = 0
        self._patience_ms = _WAIT_FIRST_ms
        self._failures = 0
        self._seed = sum(client_id)  # a fleet must not come back in step after an outage
        self._pinged = 0
        self._told = 0  # ticks of the newest state
        self._told_mains = 0
        self._shown = array("i", [UNKNOWN] * 8)  # what of it must be told at once when it changes
        self._looked = array("i", [UNKNOWN] * 8)
        self._faults = "[]"  # the names of the active ones, which come from a file
        self._active = b""
        self._online_s = 0  # uptime when this connection was made
        self.wifi = None  # a board's: without it no try could succeed, and the resolver would hold the thread
        self.published = 0
        self.acknowledged = 0
        self.reconnects = -1

    def step(self, now):
        client = self._client
        client.step_begun = client.ticks_ms()
        try:
            if self._where == _UP:
                self._serve(now)
            elif self._where == _DOWN:
                if age_ms(now, self._since) >= self._wait_ms and (self.wifi is None or self.wifi.up):
                    client.open()
                    self._where = _SUBSCRIBE
            else:
                self._greet(now)
        except LinkError as error:
            self._lost(error, now)

    def restart(self):
        self._client.close()
        self._where = _DOWN

    def close(self):
        # An orderly farewell; an abrupt end is told by the last will.
        if self._where == _UP:
            try:
                self._publish("status", b"offline", True, 1)
            except LinkError as error:
                self._log("uplink: no farewell: %s" % error)
        self.restart()

    # --- the connection ---
    def _greet(self, now):
        # One call a step, so that a slow broker cannot make a step long.
        where = self._where
        if where < _STATUS:
            self._client.subscribe(self._topic(_ORDERS[where - _SUBSCRIBE]))
        elif where == _STATUS:
            self._publish("status", b"online", True, 1)
        else:
            text = self._begin()
            statement.write_birth(text, self._config, self._boot_id)
            self._publish("birth", text.end(), True, 1)
            self.reconnects += 1
            self._since = now
            self._online_s = self._clock.up_s
            self._shown[0] = UNKNOWN  # tell the state anew
            self._journal.note(F_BROKER, 0, 0)
            self._log("uplink: connected")
        self._where = where + 1

    def _lost(self, why, now):
        self._client.close()
        if self._where == _UP and age_ms(now, self._since) >= _GOOD_ms:
            self._failures, self._patience_ms = 0, _WAIT_FIRST_ms
        self._failures += 1
        self._journal.note(F_BROKER, 1, self._failures)
        if self._failures % _RESOLVE_EVERY == 0:
            self._client.stale = True
        self._where, self._since = _DOWN, self._client.ticks_ms()  # later than `now`, if the resolver was slow
        # 75 to 125 %, different for each station and each try.
        self._seed = (self._seed * 421 + 54773) % 259200
        self._wait_ms = self._patience_ms * (75 + self._seed % 51) // 100
        self._patience_ms = min(self._patience_ms * 3 // 2, _WAIT_MAX_ms)
        held_ms = age_ms(self._since, self._client.step_begun)
        if held_ms > _HELD_ms:
            self._wait_ms = max(self._wait_ms, 3 * held_ms)  # all services stood still for as long
        self._log("uplink: %s; next try in %d ms" % (why, self._wait_ms))

    def _keep_alive(self):
        # Given up when a ping of a third ago is not answered: who was held himself has to ask first.
        client = self._client
        now = client.ticks_ms()
        silent_ms, asked_ms = age_ms(now, client.heard), age_ms(now, self._pinged)
        keepalive_ms = self._config["mqtt_keepalive_s"] * 1000
        if asked_ms < keepalive_ms // 3 or silent_ms < keepalive_ms // 3:
            return
        if silent_ms >= keepalive_ms and asked_ms <= silent_ms:
            raise LinkError("nothing heard for %d ms" % silent_ms)
        self._pinged = now
        client.ping()

    # --- a step of a good connection ---
    def _serve(self, now):
        self._drain()
        self._view.power.refresh()
        self._orders.step(self._client.ticks_ms())  # later than `now`: the order may have come since
        answer = self._orders.answer()
        if answer is not None:
            text = self._begin()
            self._orders.write(text, answer)
            self._publish("ack/" + _ORDERS[answer[A_VERB]][4:], text.end(), False, 1)
            self._orders.told(answer)
        self._tell_state(now)
        self._tell_mains(now)
        self._tell_record()
        self._keep_alive()

    def _drain(self):
        # All that has come, so that a flood cannot hide the newest valid order; but no longer than 200 ms.
        client = self._client
        for _ in range(_DRAIN_MAX):
            if not client.check() or age_ms(client.ticks_ms(), client.step_begun) >= _DRAIN_ms:
                return

    def _received(self, topic, payload):
        # umqtt's callback: nothing is published from here, as it would wait for an answer inside of one.
        client = self._client
        for verb in range(len(_ORDERS)):
            if topic == self._topic(_ORDERS[verb]):
                self._orders.receive(verb, payload, client.head & 1, client.head & 8, client.oversize)

    def _tell_state(self, now):
        since_ms = age_ms(now, self._told)
        idle = self._view.car.values[C_PHASE] <= PH_IDLE
        every_s = self._config["state_idle_s" if idle else "state_active_s"]
        if since_ms >= every_s * 1000 or since_ms >= _STATE_GAP_ms and self._changed():
            self._shown, self._looked = self._looked, self._shown
            self._told = now
            text = self._begin()
            if self._active != self._journal.active:
                self._active = bytes(self._journal.active)
                self._faults = statement.names_of(self._active)
            statement.write_state(text, self._view, self._config, self._orders.last_id, self._faults)
            self._write_counters(text)
            self._publish("state", text.end(), True, 0)

    def _tell_mains(self, now):
        # Volts and frequency, as long as a meter tells them: the state has no room for more.
        grid = self._view.grid.values
        if age_ms(now, self._told_mains) < _MAINS_ms or grid[G_FREQUENCY_mHz] == grid[G_VOLTAGE_dV] == UNKNOWN:
            return
        self._told_mains = now
        text = self._begin()
        text.numbers(statement.MAINS, grid)
        self._publish("grid", text.end(), False, 0)

    def _changed(self):
        looked, shown, power = self._looked, self._shown, self._view.power.values
        looked[0] = self._view.car.values[C_PHASE]
        looked[1] = power[P_REASON]
        looked[2] = power[P_CHARGE_WHY]
        looked[3] = power[P_DISCHARGE_WHY]
        looked[4] = power[P_SOURCE]
        looked[5] = power[P_APPLIED_W]
        looked[6] = power[P_CHARGE_MAX_W]
        looked[7] = power[P_DISCHARGE_MAX_W]
        for slot in range(8):
            if abs(looked[slot] - shown[slot]) > (0 if slot < 5 else _CHANGED_W):
                return True
        return False

    def _write_counters(self, text):
        events, meters = self._journal.events, self._journal.meters
        text.raw("mqtt", "{")
        text.number("published", self.published)
        text.number("acknowledged", self.acknowledged)
        text.number("unanswered", self._orders.unanswered)
        text.number("waiting", events.held + meters.held)
        text.number("lost", events.lost + meters.lost)
        text.number("reconnects", self.reconnects)
        text.shut()

    def _tell_record(self):
        text = self._text
        text.begin()
        text.word("boot_id", self._boot_id)
        kind = self._journal.write(text, self._online_s)
        if kind:
            self._publish("event" if kind == EVENT else "meter", text.end(), False, 1)
            self._journal.done(kind)

    # --- one message ---
    def _topic(self, name):
        return (self._root + name).encode()

    def _begin(self):
        text = self._text
        text.begin()
        text.number("t", self._clock.unix_s(self._clock.up_s))
        return text

    def _publish(self, name, text, retain, qos):
        # With QoS 1 it returns when the broker has acknowledged: never more than one in flight.
        self.published += 1
        self._client.publish(self._topic(name), text, retain, qos)
        self.acknowledged += qos
