"""Whose module counts where two have its name. CPython and MicroPython."""

import sys

import boot


def _placed(path):
    kept = list(sys.path)
    sys.path[:] = path
    try:
        boot.places()
        return list(sys.path)
    finally:
        sys.path[:] = kept


def test_the_pinned_packages_of_lib_come_before_those_that_the_build_has_frozen():
    # As the ESP32's port sets it (ports/esp32/main.c), and with a ROM file system (extmod/vfs.c).
    assert _placed(["", ".frozen", "/lib"]) == ["", "/lib", ".frozen"]
    assert _placed(["", ".frozen", "/rom", "/rom/lib", "/lib"]) == ["", "/lib", ".frozen", "/rom", "/rom/lib"]


def test_twice_is_once_and_the_bench_is_left_alone():
    for path in (["", "/lib", ".frozen"], ["/rom", "/rom/lib", ".frozen"], [".frozen", "build/board/lib"], [""]):
        assert _placed(path) == path
