"""The other side of every wire: cars, converter, plant, pins, broker, aggregator, and the scenarios that drive them."""
