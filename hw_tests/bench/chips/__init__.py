"""CAN controllers at register level, on a virtual bus that knows frame times. Runs on CPython and on MicroPython."""
