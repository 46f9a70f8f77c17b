# Pins to their safe level before anything else: the outputs of an ESP32 keep their level through a soft reset.
# The bench board has no pins of its own; its outputs are safe until the first write.
