"""Joins a wire of the bench to a real CAN adapter: what the board says there is said here by the station, and back.

    python -m hw_tests.bench.bridge --can slcan:/dev/ttyACM0 --bitrate 250000 --wire socket://127.0.0.1:5001

So car, converter, observer and logs stay on their wire, and only this program has the adapter.
"""

import argparse
import contextlib
import signal
import sys
import threading

import can

from hw_tests.bench.adapter import AdapterError, open_adapter

_WAIT_s = 0.1


class Bridge:
    """`run()` until `stop()` or until one side is gone (`failed` says why)."""

    def __init__(self, adapter: can.BusABC, wire: can.BusABC):
        self.failed = ""
        self.counts = {"to the wire": 0, "to the adapter": 0, "not taken": 0}
        self._ends = threading.Event()
        self._adapter, self._wire = adapter, wire

    def run(self) -> None:
        """Both ways."""
        back = threading.Thread(target=self._carry, args=(self._wire, self._adapter, "to the adapter"), daemon=True)
        back.start()
        self._carry(self._adapter, self._wire, "to the wire")
        back.join(2)

    def stop(self) -> None:
        """The end."""
        self._ends.set()

    def _carry(self, source: can.BusABC, sink: can.BusABC, name: str) -> None:
        try:
            while not self._ends.is_set():
                message = source.recv(_WAIT_s)
                if message is None or message.is_error_frame:
                    continue
                self._say(sink, message, name)
        except (can.CanError, OSError) as error:
            self.failed = self.failed or f"{name}: {error}"
        self._ends.set()

    def _say(self, sink: can.BusABC, message: can.Message, name: str) -> None:
        copy = can.Message(arbitration_id=message.arbitration_id, is_extended_id=message.is_extended_id,
                           is_remote_frame=message.is_remote_frame, data=message.data, dlc=message.dlc)  # fmt: skip
        try:
            sink.send(copy)
            self.counts[name] += 1
        except can.CanError:  # nobody acknowledges, or the adapter is full
            self.counts["not taken"] += 1


def main() -> int:
    parser = argparse.ArgumentParser(description="A wire of the bench joined to a real adapter.")
    parser.add_argument("--can", required=True, help="the adapter, see adapter.py")
    parser.add_argument("--bitrate", type=int, required=True, help="bit/s")
    parser.add_argument("--wire", required=True, help="the station's door of a wire, socket://host:port")
    options = parser.parse_args()
    try:
        adapter = open_adapter(options.can, options.bitrate)
        wire = open_adapter(options.wire, options.bitrate)
    except AdapterError as error:
        print(f"bridge: {error}", file=sys.stderr)
        return 1
    print(f"bridge: joined {options.can}", flush=True)
    bridge = Bridge(adapter, wire)
    signal.signal(signal.SIGTERM, lambda *_: bridge.stop())
    with contextlib.suppress(KeyboardInterrupt):
        bridge.run()
    for bus in (adapter, wire):
        with contextlib.suppress(can.CanError, OSError):
            bus.shutdown()
    if bridge.failed:
        print(f"bridge: {bridge.failed}", file=sys.stderr)
    return 1 if bridge.failed else 0


if __name__ == "__main__":
    sys.exit(main())
