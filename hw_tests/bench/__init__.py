"""The other side of every wire: cars, converter, plant, pins, broker and aggregator, and the scenarios that drive them."""
