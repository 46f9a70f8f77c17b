"""`micropython` for CPython: just what the firmware uses of it."""


def const(value):
    """The value itself: constants are folded by the MicroPython compiler only."""
    return value


def heap_lock():
    """Nothing to lock: allocation is tested on MicroPython."""


def heap_unlock():
    """See heap_lock."""
    return 0


def kbd_intr(_char):
    """No keyboard interrupt to move."""


def schedule(function, argument):
    """At once, which is between two bytecodes too."""
    function(argument)
