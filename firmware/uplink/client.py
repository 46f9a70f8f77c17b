# umqtt.simple behind its fence: every call under one deadline, and nothing but LinkError comes out. After an error the
# connection is closed; the same client connects again.
import umqtt.simple as simple
from micropython import const

from firmware.units import age_ms
from firmware.uplink.link import NOBODY, PUBACK, SUBACK, Link, LinkError

_CONNECT_ms = const(4000)
_CALL_ms = const(1500)
_STEP_ms = const(4500)  # all calls of one step together: a service's step ends within 5 s
_PID_LAST = const(65000)  # umqtt's numbers never wrap by themselves, and 65536 would hang it (hazard 6c)


class Client(Link):
    def __init__(self, module, ticks_ms, config, client_id):
        super().__init__(module, ticks_ms)
        self.step_begun = 0
        user = config["mqtt_user"].encode() or None
        self.mqtt = simple.MQTTClient(
            client_id,
            config["mqtt_host"],
            config["mqtt_port"],
            user,
            config["mqtt_password"].encode() if user else None,
            config["mqtt_keepalive_s"],
        )

    def open(self):
        simple.socket = self
        self._call(_CONNECT_ms, NOBODY, self.mqtt.connect)

    def subscribe(self, topic):
        self._call(_CALL_ms, SUBACK, self.mqtt.subscribe, topic, 1)

    def publish(self, topic, text, retain, qos):
        self._call(_CALL_ms, PUBACK if qos else NOBODY, self.mqtt.publish, topic, text, retain, qos)

    def check(self):
        # Handle one packet if one is there; True: there was.
        before = self.packets
        self._call(_CALL_ms, NOBODY, self.mqtt.check_msg)
        return self.packets != before

    def ping(self):
        self._call(_CALL_ms, NOBODY, self.mqtt.ping)

    def _call(self, allowed_ms, expect, call, *arguments):
        if self.mqtt.pid >= _PID_LAST:
            self.mqtt.pid = 0
        self.expect = expect
        self.begin(max(min(allowed_ms, _STEP_ms - age_ms(self.ticks_ms(), self.step_begun)), 1))
        try:
            call(*arguments)
            self.flush()
        except (OSError, MemoryError, simple.MQTTException, AssertionError) as error:
            # AssertionError: umqtt's checks of the protocol. MQTTException: the broker refuses, with its code.
            self.close()
            raise error if isinstance(error, LinkError) else LinkError(repr(error))
