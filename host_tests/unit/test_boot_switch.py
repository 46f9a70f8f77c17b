"""The second half of a flash, carried out at a start. CPython and MicroPython."""

import os

import boot

ROOM = "boot_switch_room"


def _write(name, text):
    with open(name, "w") as file:
        file.write(text)


def _read(name):
    try:
        with open(name) as file:
            return file.read()
    except OSError:
        return None


def _switched(files, folders=()):
    # One start in a folder of its own; what lies there afterwards, and whether it asked for a reset.
    home = os.getcwd()
    os.mkdir(ROOM)
    os.chdir(ROOM)
    reset, after = False, {}
    try:
        for folder in folders:
            os.mkdir(folder)
        for name in files:
            _write(name, files[name])
        try:
            boot.switch()
        except SystemExit:
            reset = True
        names = ("a", "a.new", "b", "b.new", "old/x", "switch.txt")
        after = {name: _read(name) for name in names if _read(name) is not None}
        left = os.listdir(".")
    finally:
        _empty(".")
        os.chdir(home)
        os.rmdir(ROOM)
    return after, reset, left


def _empty(folder):
    for name in os.listdir(folder):
        path = folder + "/" + name
        try:
            os.remove(path)
        except OSError:
            _empty(path)
            os.rmdir(path)


def test_without_a_list_nothing_happens():
    after, reset, left = _switched({"a": "old", "a.new": "new"})
    assert (after, reset) == ({"a": "old", "a.new": "new"}, False)


def test_the_list_is_carried_out_and_a_reset_follows():
    files = {"a": "old", "a.new": "new", "b.new": "B", "old/x": "x", "switch.txt": "+a\n+b\n-old/x\n/old\n"}
    after, reset, left = _switched(files, ("old",))
    assert (after, reset) == ({"a": "new", "b": "B"}, True)
    assert "old" not in left


def test_what_was_done_before_the_cut_is_not_done_again():
    after, reset, left = _switched({"a": "new", "b.new": "B", "switch.txt": "+a\n+b\n-gone\n/gone\n"})
    assert (after, reset) == ({"a": "new", "b": "B"}, True)


def test_a_folder_with_something_of_someone_else_stays():
    after, reset, left = _switched({"old/x": "mine", "switch.txt": "/old\n"}, ("old",))
    assert (after, reset) == ({"old/x": "mine"}, True)


def test_what_cannot_be_done_raises_and_the_list_stays():
    home = os.getcwd()
    try:
        _switched({"a.new": "new", "switch.txt": "+a/b\n-old\n"}, ("old",))
    except OSError:
        pass
    else:
        raise AssertionError("a folder was removed as a file")
    assert os.getcwd() == home
