# Every point of the configuration: key, unit, low, high, default, role, sentence. Loaded at start to judge the file and
# then dropped. A point can only tighten what the code allows: the range ends at what the station's parts stand.
# Units "name" (may stand in a topic) and "text" have lengths as their range, "word" has its choices.
INSTALLER = "installer"
OWNER = "owner"
AGGREGATOR = "aggregator"

POINTS = (
    ("site", "name", 1, 32, "site", INSTALLER, "Where the station stands; part of every topic."),
    ("station", "name", 1, 32, "station", INSTALLER, "Its name at the site; part of every topic."),
    ("charge_max_W", "W", 0, 22000, 22000, INSTALLER, "Never draw more from the grid."),
    ("discharge_max_W", "W", 0, 22000, 22000, INSTALLER, "Never feed more into the grid."),
    ("grid_ramp_W_s", "W/s", 100, 20000, 20000, INSTALLER, "How fast the power may change; never slows a stop."),
    ("efficiency_permille", "permille", 800, 1000, 950, INSTALLER, "First guess of DC power over AC power, charging."),
    ("modules", "", 1, 8, 1, INSTALLER, "How many converter modules are fitted."),
    ("protocol", "word", ("gbt27930", "chademo"), 0, "gbt27930", INSTALLER, "The vehicle protocol of the connector."),
    ("discharge_v112", "", 0, 1, 0, INSTALLER, "1: offer discharge by the trial messages of GB/T V1.12."),
    ("ccs_length", "byte", 7, 8, 8, INSTALLER, "Length of CCS: 8 as in GB/T 27930-2015, 7 as in 2023."),
    ("insulation_min_kohm", "kohm", 100, 10000, 100, INSTALLER, "Less insulation than this ends the session."),
    ("meter", "word", ("none", "sdm630", "sdm120", "sdm230", "dtsu666", "dtsu666_tenths", "djsf1352"), 0, "none",
     INSTALLER, "The meter on the RS-485 line; none: energy is counted from the converter's AC power."),
    ("meter_address", "", 1, 247, 1, INSTALLER, "Modbus address of the meter."),
    ("insulation_monitor", "word", ("none", "isocha425", "rn5893"), 0, "none", INSTALLER,
     "The insulation monitor on the RS-485 line."),
    ("insulation_address", "", 1, 247, 3, INSTALLER, "Modbus address of the monitor."),
    ("fieldbus_bit_s", "bit/s", 1200, 115200, 9600, INSTALLER, "Speed of the RS-485 line; all on it have the same."),
    ("fieldbus_parity", "word", ("none", "even", "odd"), 0, "none", INSTALLER,
     "Parity on the RS-485 line; one stop bit."),
    ("voltage_max_dV", "dV", 500, 7500, 7500, INSTALLER, "Never put a higher voltage on the connector."),
    ("current_max_dA", "dA", 0, 600, 600, INSTALLER, "Never carry a higher current, either way."),
    ("temperature_derate_dC", "dC", 300, 700, 700, INSTALLER, "From this connector temperature the current is cut."),
    ("temperature_stop_dC", "dC", 400, 900, 900, INSTALLER, "At this connector temperature the session ends."),
    ("converter_reaction_ms", "ms", 1, 1000, 40, INSTALLER, "Longest time that the converter takes to obey."),
    ("autostart", "", 0, 1, 1, INSTALLER, "1: a session starts by itself when the car is plugged in."),
    ("car_awake_s", "s", 0, 300, 240, INSTALLER, "Charge a car that ends idle sessions so often; 0: never."),
    ("floor_permille", "permille", 0, 1000, 1000, OWNER, "Never discharge the car below this state of charge."),
    ("ceiling_permille", "permille", 0, 1000, 1000, OWNER, "The station's own plan does not charge above this."),
    ("plan", "word", ("hold",), 0, "hold", OWNER, "hold: charge up to the floor, then rest at 0 W."),
    ("mqtt_host", "text", 0, 64, "", AGGREGATOR, "Address of the broker; empty: no uplink."),
    ("mqtt_port", "", 1, 65535, 1883, AGGREGATOR, "TCP port of the broker."),
    ("mqtt_user", "text", 0, 64, "", AGGREGATOR, "Name at the broker; empty: none."),
    ("mqtt_password", "text", 0, 64, "", AGGREGATOR, "Password at the broker; not part of the hash."),
    ("mqtt_keepalive_s", "s", 10, 300, 30, AGGREGATOR, "After this silence the link counts as dead, on both sides."),
    ("lease_max_s", "s", 5, 3600, 900, AGGREGATOR, "An order counts no longer than this."),
    ("state_active_s", "s", 1, 60, 5, AGGREGATOR, "How often the state is told in a session."),
    ("state_idle_s", "s", 5, 600, 60, AGGREGATOR, "How often the state is told without a car."),
    ("meter_interval_s", "s", 5, 3600, 900, AGGREGATOR, "Length of a meter record."),
)  # fmt: skip
