# `network` as the ESP32's port of MicroPython has it (network_wlan.c): connect() only begins, the last reason stays
# until an address is there, status("rssi") is for who is associated, and connect() fails while a try is under way.
# isconnected() is what the radio's last event was. One that hangs (`hangs`) raises none any more: a try leads nowhere,
# an address that is gone stays, nobody leaves; starting it anew mends that.
NO_NETWORK, REFUSED, NO_ADDRESS, GOOD = 201, 202, 1, 0
_CONNECTING, _IDLE, _GOT_IP, _LEFT = 1001, 1000, 1010, 8


class WLAN:
    IF_STA = 0
    PM_NONE = 0

    def __init__(self, interface=0):
        self.radio = self.broken = self.hangs = False
        self.starts = 0
        self.air = GOOD  # what a try would come to
        self.options = {}
        self.tries = []
        self._trying = self._joined = self._associated = False
        self._reason = 0

    def active(self, on):
        if self.broken:
            raise OSError("WiFi Out of Memory")
        if on and not self.radio:
            self.starts += 1
            self.hangs = self._trying = False
        self.radio = on

    def config(self, **options):
        self.options.update(options)

    def connect(self, ssid, key=None):
        if self._trying or self.broken or not self.radio:
            raise OSError("Wifi Internal State Error")
        self.tries.append((ssid, key))
        self._trying = True

    def pass_time(self):
        # What the air makes of a try; reconnects=0: an error ends it.
        if self._trying and not self.hangs:
            self._associated = self.air in (GOOD, NO_ADDRESS)
            self._joined = self.air == GOOD
            self._trying = self.air == NO_ADDRESS
            if self.air != NO_ADDRESS:
                self._reason = self.air

    def lose(self, reason=200):
        self._joined = self._associated = False
        self._reason = reason

    def disconnect(self):
        if self.hangs:
            return
        if self._trying or self._joined:
            self.lose(_LEFT)
        self._trying = False

    def isconnected(self):
        return self._joined

    def status(self, what=None):
        if what == "rssi":
            if not self._associated:
                raise OSError("Wifi Not Connected")
            return -60
        if self._joined:
            return _GOT_IP
        if self._reason == _LEFT:
            return _IDLE
        return self._reason or (_CONNECTING if self._trying else _IDLE)

    def ipconfig(self, what):
        return ("192.0.2.5", "255.255.255.0")
