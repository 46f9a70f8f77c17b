# What others here stand on comes first: imports nest on the C stack, and where that is small six levels are too many.
from firmware.vehicle.gbt27930 import frames, stops, wire  # noqa: F401
