# The words for the faults of faults.py, for people. Names and MREC ids (the ChargeX minimum required error codes; 0
# where none fits) are one text and not a hundred objects. What the user should do is read from fault_text.txt, line by
# line, when a fault is told.
_FILE = __file__.rsplit(".", 1)[0] + ".txt"
_NAMES = (
    " 1:cc1_lost:20 2:car_fault:10 3:car_silent:14 4:car_timeout:14 5:car_retries:14 6:car_incompatible:10"
    " 7:car_contactor_welded:17 8:car_voltage_absent:17 9:car_stopped:0 10:car_pause_long:0 11:lock:1"
    " 12:permission_lost:14 13:car_inconsistent:14 14:car_error_frame:14 16:estop:8 17:insulation:2"
    " 18:precharge:17 19:contactor_welded:17 20:contactor_feedback:17 21:opened_under_load:17"
    " 22:over_voltage:5 23:over_current:4 24:under_voltage:6 25:voltage_disagrees:24"
    " 26:current_disagrees:4 27:bleed:24 28:temperature:19 29:temperature_high:18 30:sensor:0"
    " 31:sensor_stale:0 32:converter_fault:15 33:converter_silent:15 34:converter_mode:15"
    " 35:converter_off:15 36:converter_missing:15 37:direction:4 40:gate_refused:0 41:soc_doubt:0"
    " 42:floor_unreadable:0 43:current_at_floor:0 48:can_car:14 49:can_converter:15 50:tick:0"
    " 51:watchdog:0 52:service:0 53:broker:0 54:events_lost:0 55:config:0 56:tick_late:0"
    " "
)


def name_of(code):
    # (name, MREC id), both text; a code without words is named by its number.
    head = " %d:" % code
    at = _NAMES.find(head)
    if at < 0:
        return ("fault_%d" % code, "0")
    at += len(head)
    return _NAMES[at : _NAMES.find(" ", at)].split(":")


def action_of(code):
    head = "%d " % code
    try:
        with open(_FILE) as file:
            for line in file:
                if line.startswith(head):
                    return line[len(head) :].strip()
    except OSError:
        pass  # the words are for comfort: the fault is told without them
    return ""
