"""The aggregator as a process: an MQTT client (paho) that speaks for the runner.

    python -m hw_tests.bench.aggregator_process --broker 127.0.0.1:1883 --control 127.0.0.1:5004

It tells {"hello": "aggregator"}, {"event": "online"} when subscribed and {"event": "offline"}, and every message that
arrives: {"topic", "payload" (latin-1), "retain"}; it takes {"do": "publish", "topic", "payload", "retain"} and
{"do": "quit"}. After an outage it is back within 20 ms: a real one keeps a session at its broker for that.
"""

import argparse
import contextlib
import sys
import time
from typing import Any

import paho.mqtt.client as mqtt

from hw_tests.bench.lines import Lines, address

RETRY_s = 0.02
PAUSE_s = 0.002


class AggregatorProcess:
    """One loop: broker and runner."""

    def __init__(self, broker: str, control: Lines):
        self._where = address(broker)
        self._control = control
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="aggregator")
        self._client.on_connect = self._connected
        self._client.on_subscribe = lambda *_: control.send({"event": "online"})
        self._client.on_message = self._message
        self._up = False

    def run(self) -> None:
        """Until the runner says quit or is gone."""
        self._control.send({"hello": "aggregator"})
        running = True
        while running and self._control.alive:
            for order in self._control.receive():
                running = running and order.get("do") != "quit"
                if order.get("do") == "publish":
                    payload = order["payload"].encode("latin-1")
                    self._client.publish(order["topic"], payload, 1, order.get("retain", False))
            if not self._up:
                self._connect()
            elif self._client.loop(PAUSE_s) != mqtt.MQTT_ERR_SUCCESS:
                self._up = False
                self._control.send({"event": "offline"})
            self._control.flush()

    def _connect(self) -> None:
        with contextlib.suppress(OSError):
            self._client.connect(*self._where, keepalive=10)
            self._up = True
            return
        time.sleep(RETRY_s)

    def _connected(self, *_: Any) -> None:
        self._client.subscribe("v2g/#", 1)

    def _message(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        self._control.send({"topic": message.topic, "payload": message.payload.decode("latin-1"),
                            "retain": message.retain, "qos": message.qos})  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description="The aggregator's MQTT client.")
    parser.add_argument("--broker", required=True, help="host:port")
    parser.add_argument("--control", required=True, help="host:port of the runner")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        AggregatorProcess(options.broker, Lines.connect(options.control)).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
