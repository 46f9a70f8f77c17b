# The configuration: a flat JSON object in one file, read once, before anything else starts.
import sys


class Config(dict):
    # All points by name.
    hash = ""  # names the active set
    faults = ()  # to be told
    message = ""  # for the log


def load(path):
    # Never fails: without a good file come the defaults, with the floor at 100 %.
    from firmware.config import reader

    return _made(reader.load(path))


def parse(text):
    # From JSON text; a ValueError says what is wrong, where, and what to do.
    from firmware.config import reader

    return _made(reader.parse(text))


def _made(parts):
    config = Config(parts[0])
    config.hash, config.faults, config.message = parts[1:]
    # The reader and the declarations have served: they would hold 7 KB of the heap for ever.
    for name in ("reader", "points"):
        sys.modules.pop("firmware.config." + name, None)
        globals().pop(name, None)
    return config
