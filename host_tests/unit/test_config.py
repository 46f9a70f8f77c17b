# The configuration: what is taken, what is refused, and with which words.
from firmware.config import load, parse
from firmware.config.points import POINTS
from firmware.faults import F_CONFIG, F_FLOOR_UNREADABLE


def _refused(text):
    try:
        parse(text)
    except ValueError as error:
        return str(error)
    raise AssertionError("taken: " + text)


def test_defaults_and_given_points():
    config = parse('{"floor_permille": 500, "site": "home"}')
    assert config["floor_permille"] == 500 and config["site"] == "home"
    assert config["charge_max_W"] == 22000 and config.get("nothing") is None
    assert config.faults == () and config.message == ""
    assert len(config) == len(POINTS)


def test_without_an_owners_word_the_floor_is_everything():
    assert parse("{}")["floor_permille"] == 1000


def test_every_point_is_declared_whole():
    for key, unit, low, high, default, role, sentence in POINTS:
        assert role in ("installer", "owner", "aggregator"), key
        assert sentence[-1] == "." and len(sentence) > 20, key
        if unit == "word":
            assert default in low, key
        elif unit in ("name", "text"):
            assert low <= len(default) <= high, key
        else:
            assert low <= default <= high, key
        if unit and unit not in ("word", "name", "text", "byte", "W/s", "bit/s"):
            assert key.endswith("_" + unit), key


def test_every_default_is_taken_when_given():
    for key, unit, _low, _high, default, _role, _sentence in POINTS:
        text = f'"{default}"' if unit in ("word", "name", "text") else str(default)
        assert parse(f'{{"{key}": {text}}}')[key] == default


def test_every_range_ends_where_it_says():
    for key, unit, low, high, _default, _role, _sentence in POINTS:
        if unit in ("word", "name", "text"):
            continue
        for value in (low, high):
            if not key.startswith("temperature"):  # those two must also fit each other
                assert parse(f'{{"{key}": {value}}}')[key] == value
        for value in (low - 1, high + 1, 1 << 40, -(1 << 40)):
            assert key in _refused(f'{{"{key}": {value}}}')


def test_wrong_kinds_are_refused():
    for value in ("true", "null", "1.5", '"500"', "[500]", "{}", "1e400"):
        assert "whole number" in _refused(f'{{"floor_permille": {value}}}'), value
    for value in ("5", "null", '""', '"a/b"', '"a+b"', '"#"', '"a b"', '"%s"' % ("x" * 33)):
        assert '"site"' in _refused(f'{{"site": {value}}}'), value
    assert "gbt27930" in _refused('{"protocol": "ccs"}')


def test_an_unknown_key_is_named_with_its_line():
    error = _refused('{\n "site": "a",\n "flor_permille": 500\n}')
    assert error.startswith('line 3: "flor_permille" is no point')


def test_a_wrong_value_is_named_with_its_line_and_what_to_do():
    assert _refused('{\n"charge_max_W": 50000}') == 'line 2: "charge_max_W" must be from 0 to 22000 W'


def test_a_key_given_twice_is_refused():
    assert "twice" in _refused('{"floor_permille": 900, "floor_permille" : 100}')


def test_a_value_that_looks_like_a_key_is_no_key():
    assert parse('{"mqtt_user": "mqtt_user"}')["mqtt_user"] == "mqtt_user"


def test_points_that_contradict_each_other_are_refused():
    assert "below" in _refused('{"temperature_derate_dC": 700, "temperature_stop_dC": 650}')
    assert "below" in _refused('{"temperature_stop_dC": 650}')


def test_a_password_that_no_network_can_have_is_refused_and_not_repeated():
    for length in range(1, 8):
        error = _refused('{"wifi_ssid": "attic", "wifi_password": "%s"}' % ("s" * length))
        assert "8 characters" in error and "ss" not in error.replace("password", "")
    for length in (0, 8, 63):
        text = '{"wifi_ssid": "attic", "wifi_password": "%s"}' % ("s" * length)
        assert len(parse(text)["wifi_password"]) == length
    assert "wifi_password" in _refused('{"wifi_password": "%s"}' % ("s" * 64))


def test_no_json_no_object_too_long():
    assert "not JSON" in _refused("")
    assert "no point" in _refused('{"a": {"site": 1}}')
    assert "object" in _refused("[1]")
    assert "longer" in _refused('{"site": "%s"}' % ("x" * 5000))


def test_a_file_that_was_cut_off_is_refused_wherever_it_was_cut():
    # MicroPython's json takes '{"a": 1' for a whole object.
    text = '{"site": "home", "floor_permille": 500, "charge_max_W": 7000}'
    for length in range(len(text)):
        _refused(text[:length])


def test_the_hash_names_the_set_and_not_its_order_nor_the_password():
    one = parse('{"site": "a", "floor_permille": 500}')
    assert one.hash == parse('{"floor_permille": 500, "site": "a"}').hash
    assert len(one.hash) == 8
    assert one.hash != parse('{"site": "a", "floor_permille": 501}').hash
    assert one.hash == parse('{"site": "a", "floor_permille": 500, "mqtt_password": "secret"}').hash
    assert one.hash == parse('{"site": "a", "floor_permille": 500, "wifi_password": "very secret"}').hash
    assert one.hash != parse('{"site": "a", "floor_permille": 500, "wifi_ssid": "attic"}').hash


def test_a_missing_file_gives_defaults_and_says_so():
    config = load("no/such/config.json")
    assert config["floor_permille"] == 1000 and config["charge_max_W"] == 22000
    assert config.faults == (F_CONFIG, F_FLOOR_UNREADABLE)
    assert "no/such/config.json" in config.message


def _written(raw):
    import os

    path = f"build/test_config_{id(raw)}.json"
    with open(path, "wb") as file:
        file.write(raw)
    try:
        return load(path)
    finally:
        os.remove(path)


def test_a_broken_file_gives_defaults_but_can_still_be_told_from_afar():
    config = _written(b'{"floor_permille": 100, "site": "home", "mqtt_host": "broker", "mqtt_port": 99999, "oops": 1, '
                      b'"wifi_ssid": "attic", "wifi_password": "longenough", "ntp_host": "192.0.2.7"}')  # fmt: skip
    assert config["floor_permille"] == 1000  # nothing of the rest is applied
    assert config["site"] == "home" and config["mqtt_host"] == "broker" and config["mqtt_port"] == 1883
    assert config["wifi_ssid"] == "attic" and config["wifi_password"] == "longenough"
    assert config["ntp_host"] == "192.0.2.7"
    assert config.faults == (F_CONFIG, F_FLOOR_UNREADABLE)


def test_bytes_that_are_no_text_are_no_config():
    for raw in (b"\xff\xfe\x00", b'{"site": "\xff"}', b"\x00" * 100):
        config = _written(raw)
        assert config["floor_permille"] == 1000 and config.faults


def test_a_good_file():
    config = _written(b'{"floor_permille": 300}')
    assert config["floor_permille"] == 300 and config.faults == ()
