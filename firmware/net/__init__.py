# The network of a board: Wi-Fi (wifi.py) and the time (sntp.py), two services. Loaded only where a network is
# configured and MicroPython has the module `network`; a PC has neither and needs neither.


class Backoff:
    # Waits that grow, each 75 to 125 % of its step and different for each station: a fleet must not come back in step.
    def __init__(self, first_ms, most_ms, seed):
        self._first_ms = first_ms
        self._most_ms = most_ms
        self._seed = seed
        self.reset()

    def reset(self):
        self._step_ms = self._first_ms

    def longest(self):
        self._step_ms = self._most_ms

    def next_ms(self):
        self._seed = (self._seed * 421 + 54773) % 259200
        wait_ms = self._step_ms * (75 + self._seed % 51) // 100
        self._step_ms = min(self._step_ms * 2, self._most_ms)
        return wait_ms


def seed_of(config):
    return sum((config["site"] + "/" + config["station"]).encode())
