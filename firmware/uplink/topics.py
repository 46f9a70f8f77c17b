# The names of what is said over MQTT: v2g/<API>/<site>/<station>/... (docs/mqtt.md).
FW = "0.1.0"
API = 1
ORDERS = ("setpoint", "limit")  # cmd/<verb> in, ack/<verb> out


class Topics:
    # Made once: bytes, as umqtt counts the length of what it sends by len().
    def __init__(self, site, station):
        root = "v2g/%d/%s/%s/" % (API, site, station)
        self.birth = (root + "birth").encode()
        self.status = (root + "status").encode()
        self.state = (root + "state").encode()
        self.event = (root + "event").encode()
        self.meter = (root + "meter").encode()
        self.cmd = tuple([(root + "cmd/" + verb).encode() for verb in ORDERS])
        self.ack = tuple([(root + "ack/" + verb).encode() for verb in ORDERS])
        self.client_id = ("sluice-%s-%s" % (site, station)).encode()
