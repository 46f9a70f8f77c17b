"""One emulator alone on a CAN adapter, for a desk: `make car CAN=... VEHICLE=...` and `make converter CAN=...`."""
