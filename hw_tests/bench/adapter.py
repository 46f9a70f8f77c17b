"""A CAN adapter named in one word, as `make car CAN=...` takes it, and opened with a sentence for what can go wrong.

    interface:channel[@bit/s][,option=value...]

    slcan:/dev/ttyACM0@250000    a serial adapter that speaks slcan (CANable, USBtin, ...)
    socketcan:can0               Linux; its bit rate is set by `ip link` beforehand
    socket://127.0.0.1:5001      slcan over TCP: the bench's own wire, or a serial port that a server hands on
    virtual:x                    python-can's, inside one process only

The interface is any that python-can knows; options go to it as they are. Without @ the rate is the protocol's own.
"""

import errno
import glob
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import can

SYNTAX = "interface:channel[@bit/s], for instance slcan:/dev/ttyACM0, socketcan:can0 or socket://127.0.0.1:5001"
_OVER_URL = ("socket", "rfc2217", "loop")  # pyserial's: slcan over them
_SLEEP_TTY_s = 0.3  # an adapter that restarts when its port is opened is rare; python-can would wait 2 s for it
_SERIAL_TIMEOUT_s = 0.001  # a look for bytes: longer would hold up a car, which speaks every 10 ms


class AdapterError(Exception):
    """No adapter: says what was asked for, why not, and what to do."""


@dataclass(frozen=True)
class Adapter:
    """What the word says. `bitrate` in bit/s; None: not said."""

    text: str
    interface: str
    channel: str
    bitrate: int | None = None
    options: dict[str, Any] = field(default_factory=dict)


def parse(text: str) -> Adapter:
    """The adapter that `text` names; AdapterError if it names none."""
    if not text:
        raise AdapterError(f"no CAN adapter was named: say CAN={SYNTAX}")
    where, *options = text.split(",")
    interface, colon, channel = where.partition(":")
    if interface in _OVER_URL and channel.startswith("//"):
        interface, channel = "slcan", where
    if not colon or not channel:
        raise AdapterError(f"CAN={text!r} names no adapter: it must be {SYNTAX}")
    if interface not in can.VALID_INTERFACES:
        there = ", ".join(sorted(can.VALID_INTERFACES))
        raise AdapterError(f"CAN={text!r}: python-can has no interface {interface!r}; it has {there}")
    channel, bitrate = _rate(text, channel)
    if interface == "socketcan" and bitrate is not None:
        raise AdapterError(
            f"CAN={text!r}: of a socketcan interface the system sets the bit rate: leave '@{bitrate}' out and say "
            f"`ip link set {channel} up type can bitrate {bitrate}` as root"
        )
    return Adapter(text, interface, channel, bitrate, dict(_option(text, each) for each in options))


def _rate(text: str, channel: str) -> tuple[str, int | None]:
    name, at, rate = channel.rpartition("@")
    if not at:
        return channel, None
    if not rate.isdigit() or not 5_000 <= int(rate) <= 1_000_000 or not name:
        raise AdapterError(f"CAN={text!r}: after @ comes the bit rate, 5000 to 1000000 bit/s, not {rate!r}")
    return name, int(rate)


def _option(text: str, word: str) -> tuple[str, Any]:
    name, equals, value = word.partition("=")
    if not equals or not name.isidentifier():
        raise AdapterError(f"CAN={text!r}: {word!r} is no option: after a comma comes name=value")
    for kind in (int, float):
        with suppress(ValueError):
            return name, kind(value)
    return name, {"true": True, "false": False}.get(value.lower(), value)


def open_adapter(text: str, bitrate: int) -> can.BusABC:
    """The opened bus at `bitrate` bit/s unless the word says another; AdapterError with a sentence."""
    adapter = parse(text)
    rate = adapter.bitrate or bitrate
    options: dict[str, Any] = dict(adapter.options)
    if adapter.interface == "slcan":
        over_url = "://" in adapter.channel
        options = {"sleep_after_open": 0 if over_url else _SLEEP_TTY_s, "timeout": _SERIAL_TIMEOUT_s, **options}
    try:
        bus = can.Bus(interface=adapter.interface, channel=adapter.channel, bitrate=rate, **options)
    except (can.CanError, OSError, ValueError, TypeError, ImportError, NotImplementedError) as error:
        raise AdapterError(why_not(adapter, rate, error)) from error
    return _alone(bus, adapter, rate)


def _alone(bus: can.BusABC, adapter: Adapter, rate: int) -> can.BusABC:
    """Nobody else of ours shall read the same serial adapter: each would see half of the frames."""
    port = getattr(bus, "serialPortOrig", None)
    if port is None or not hasattr(port, "exclusive"):
        return bus
    try:
        port.exclusive = True
    except (OSError, ValueError) as error:
        bus.shutdown()
        raise AdapterError(why_not(adapter, rate, OSError(errno.EBUSY, str(error)))) from error
    return bus


def why_not(adapter: Adapter, bitrate: int, error: BaseException) -> str:
    """One sentence for a person: what is wrong with the adapter, and what helps."""
    number, where = _errno(error), adapter.channel
    name = f"{adapter.interface}:{where}"
    if isinstance(error, (can.CanInterfaceNotImplementedError, ImportError)):
        return f"{name}: python-can's part for it cannot be used here: {error}"
    if number in (errno.EACCES, errno.EPERM):
        group = "the group dialout" if where.startswith("/dev/tty") else "the device's group"
        return f"{name}: no rights to open it: join {group} (`ls -l {where}` shows which) and log in anew"
    if number in (errno.EBUSY, errno.EAGAIN):
        return f"{name}: another program has it open: end that one (`fuser {where}` names it)"
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return f"{name}: there is no such adapter; {_there(adapter.interface)}"
    if number == errno.EAFNOSUPPORT:
        return f"{name}: this system has no CAN sockets: it needs Linux with the module `can` (`modprobe can can_raw`)"
    if number == errno.ECONNREFUSED:
        return f"{name}: nobody listens there: start the other end first"
    if number in (errno.ENETDOWN, errno.ENETUNREACH):
        return f"{name} is down: `ip link set {where} up type can bitrate {bitrate}` as root"
    return f"{name} at {bitrate} bit/s cannot be opened: {error}"


def _errno(error: BaseException | None) -> int | None:
    """Of the first error in the chain that has one; python-can and pyserial wrap it, the latter into a text."""
    while error is not None:
        number = getattr(error, "errno", None) or getattr(error, "error_code", None)
        found = re.search(r"\[Errno (\d+)\]", str(error))
        if isinstance(number, int):
            return number
        if found:
            return int(found.group(1))
        error = error.__cause__ or error.__context__
    return None


def _there(interface: str) -> str:
    """The adapters of that kind which this machine has."""
    if interface == "socketcan":
        nets = Path("/sys/class/net")
        found = sorted(each.name for each in nets.iterdir() if (each / "type").read_text().strip() == "280")  # CAN
    else:
        found = sorted(glob.glob("/dev/ttyACM*") + glob.glob("/dev/ttyUSB*"))
    return f"there are {', '.join(found)}" if found else "this machine has none now: is it plugged in?"
