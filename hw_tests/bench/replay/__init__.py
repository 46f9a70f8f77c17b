"""Recorded sessions of real cars: read, told, judged, drawn, and played at the firmware.

    python -m hw_tests.bench.replay LOG [--protocol gbt27930|chademo] [--view messages|session|station] [--check]

`logs` reads every format into the same entries; a `Protocol` (protocol.py) makes messages of them; the views are
messages.py, session.py, station.py and plot.py.
"""
