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


class Client:
    def __init__(self, module, ticks_ms, config, topics):
        self.link = Link(module, ticks_ms)
        self._ticks_ms = ticks_ms
        self._step_begun = ticks_ms()
        user = config["mqtt_user"].encode() or None
        self._mqtt = simple.MQTTClient(
            topics.client_id,
            config["mqtt_host"],
            config["mqtt_port"],
            user,
            config["mqtt_password"].encode() if user else None,
            config["mqtt_keepalive_s"],
        )

    def set_last_will(self, topic, text):
        self._mqtt.set_last_will(topic, text, True, 1)

    def set_callback(self, call):
        self._mqtt.set_callback(call)

    def begin_step(self):
        self._step_begun = self._ticks_ms()

    def connect(self):
        simple.socket = self.link
        self._call(_CONNECT_ms, NOBODY, self._mqtt.connect)

    def subscribe(self, topic):
        self._wrap()
        self._call(_CALL_ms, SUBACK, self._mqtt.subscribe, topic, 1)

    def publish(self, topic, text, retain, qos):
        self._wrap()
        self._call(_CALL_ms, PUBACK if qos else NOBODY, self._mqtt.publish, topic, text, retain, qos)

    def check(self):
        # Handle one packet if one is there; True: there was.
        before = self.link.packets
        self._call(_CALL_ms, NOBODY, self._mqtt.check_msg)
        return self.link.packets != before

    def ping(self):
        self._call(_CALL_ms, NOBODY, self._mqtt.ping)

    def close(self):
        self.link.close()

    def _wrap(self):
        if self._mqtt.pid >= _PID_LAST:
            self._mqtt.pid = 0

    def _call(self, allowed_ms, expect, call, *arguments):
        link = self.link
        link.expect = expect
        link.begin(max(min(allowed_ms, _STEP_ms - age_ms(self._ticks_ms(), self._step_begun)), 1))
        try:
            call(*arguments)
            link.flush()
        except (OSError, MemoryError) as error:
            link.close()
            raise error if isinstance(error, LinkError) else LinkError(str(error) or repr(error))
        except simple.MQTTException as error:
            link.close()
            raise LinkError("the broker refuses, code %s" % error)
        except AssertionError:  # umqtt's protocol checks
            link.close()
            raise LinkError("the broker breaks the protocol")
        link.expect = NOBODY
