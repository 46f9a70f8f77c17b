# Joins the Wi-Fi that wifi.json in the root of the board names: {"ssid": "...", "password": "..."}. Begun here, and
# carried on by the chip: it joins again by itself (the ESP32 port's `reconnects` is without end). Without the file, or
# with one that says nothing, there is no network, and whoever wants one hears that from his socket.
import json

FILE = "wifi.json"


def join(path=FILE, log=print):
    # The WLAN, or None.
    try:
        with open(path) as file:
            where = json.load(file)
        ssid, password = where["ssid"], where["password"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        log('wifi: %s: %r; it holds {"ssid": "...", "password": "..."}' % (path, error))
        return None
    try:
        import network

        wlan = network.WLAN(network.STA_IF)
        wlan.active(True)
        wlan.config(pm=wlan.PM_NONE)  # else an answer waits for a beacon: up to 100 ms and more
        wlan.connect(ssid, password)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        log("wifi: %r; the station runs without a network" % error)
        return None
    return wlan
