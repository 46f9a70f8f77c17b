# Judges the configuration file, whole, against points.py. One wrong point and nothing of the file counts, except the
# station's name and the way to the broker, so that the fault can be told from afar.
import binascii
import hashlib
import json

from firmware.config.points import POINTS
from firmware.faults import F_CONFIG, F_FLOOR_UNREADABLE

_FILE_MAX = 4096
_SECRETS = ("mqtt_password", "wifi_password")  # not in the hash: 8 digits would be enough to guess them by
_KEPT = ("site", "station", "ntp_host")
_WAY = ("mqtt_", "wifi_")


class ConfigError(ValueError):
    pass


def load(path):
    values = {}
    try:
        with open(path) as file:
            text = file.read(_FILE_MAX + 1)
        values, error = _read(text)
    except OSError as problem:
        error = "cannot be read (%s): write one, docs/config.md lists every point" % problem
    except ValueError:
        error = "is not UTF-8 text: save it as plain text"
    if not error:
        return _complete(values)
    told = {key: values[key] for key in values if key in _KEPT or key.startswith(_WAY)}
    return _complete(told, (F_CONFIG, F_FLOOR_UNREADABLE), "%s: %s" % (path, error))


def parse(text):
    values, error = _read(text)
    if error:
        raise ConfigError(error)
    return _complete(values)


def _complete(given, faults=(), message=""):
    values = {row[0]: row[4] for row in POINTS}
    values.update(given)
    canonical = "".join(["%s=%s\n" % (key, values[key]) for key in sorted(values) if key not in _SECRETS])
    digest = hashlib.sha256(canonical.encode()).digest()
    return values, binascii.hexlify(digest[:4]).decode(), faults, message


def _read(text):
    # What is valid in it, and the first error or "".
    if len(text) > _FILE_MAX:
        return {}, "is longer than %d bytes: leave out what is at its default" % _FILE_MAX
    try:
        given = json.loads(text)
    except (ValueError, RuntimeError):  # RuntimeError: nested without end
        return {}, "is not JSON: check commas, quotes and braces"
    # MicroPython takes a text that was cut off for a whole one: a flat object ends with its brace.
    if not isinstance(given, dict) or not text.rstrip().endswith("}"):
        return {}, 'must be one object: {"point": value, ...}'
    return _judge(given, text)


def _judge(given, text):
    # Destructive reading: every point takes its key, what is left over is an error.
    values, error = {}, ""
    for row in POINTS:
        key = row[0]
        if key in given:
            value = given.pop(key)
            wrong = _wrong(row, value) or _twice(text, key)
            if not wrong:
                values[key] = value
            elif not error:
                error = '%s"%s" %s' % (_line(text, key), key, wrong)
    if given and not error:
        key = list(given)[0]
        error = '%s"%s" is no point of the configuration: remove it or mend its name' % (_line(text, key), key)
    return values, error or _together(values)


def _wrong(row, value):
    # What is wrong with one value, with what to do; "" if nothing.
    unit, low, high = row[1], row[2], row[3]
    if unit == "word":
        return "" if value in low else "must be one of: " + ", ".join(low)
    if unit in ("name", "text"):
        return _wrong_text(value, unit, low, high)
    if type(value) is not int:  # a bool is no number, a float is no whole one
        return ("must be a whole number from %d to %d %s" % (low, high, unit)).rstrip()
    if not low <= value <= high:
        return ("must be from %d to %d %s" % (low, high, unit)).rstrip()
    return ""


def _wrong_text(value, unit, low, high):
    if not isinstance(value, str) or not low <= len(value) <= high:
        return 'must be text of %d to %d characters, in "quotes"' % (low, high)
    for char in value:
        plain = "a" <= char <= "z" or "A" <= char <= "Z" or "0" <= char <= "9" or char in "-_."
        if not plain and (unit == "name" or not " " <= char <= "~"):
            return "has a character that it may not have: use " + (
                "letters, digits, - _ ." if unit == "name" else "printable ASCII"
            )
    return ""


def _together(values):
    # Points that must fit each other.
    derate = values.get("temperature_derate_dC", 700)
    if derate >= values.get("temperature_stop_dC", 900):
        return '"temperature_derate_dC" must be below "temperature_stop_dC"'
    if values.get("meter", "none") != "none" and values.get("insulation_monitor", "none") != "none":
        if values.get("meter_address", 1) == values.get("insulation_address", 3):
            return '"meter_address" and "insulation_address" must differ'
    if 0 < len(values.get("wifi_password", "")) < 8:
        return '"wifi_password" must have 8 characters or more; an open network has none: leave it out'
    return ""


def _twice(text, key):
    # JSON lets a key come twice and keeps the last: whoever reads the file sees the first.
    parts = text.split('"%s"' % key)[1:]
    return "is given twice: keep one" if sum([part.lstrip()[:1] == ":" for part in parts]) > 1 else ""


def _line(text, key):
    at = text.find('"%s"' % key)
    return "" if at < 0 else "line %d: " % (text[:at].count("\n") + 1)
