# The words for the faults of faults.py, for people: code, name, MREC id (the ChargeX minimum required error codes, 0
# where none fits), what the user should do. One text and not sixty objects: only services load it, and it stays.
_TEXT = (
    "\n1|cc1_lost|20|Push the plug in until it clicks, then start again."
    "\n2|car_fault|10|See the car's own display; unplug and plug in again."
    "\n3|car_silent|14|Unplug and plug in again; if it returns, check the plug's contacts."
    "\n4|car_timeout|14|Unplug and plug in again."
    "\n5|car_retries|14|Unplug and plug in again; if it returns, wake or lock the car first."
    "\n6|car_incompatible|10|This car's battery voltage does not fit this station."
    "\n7|car_contactor_welded|17|Have the car's charging contactor checked."
    "\n8|car_voltage_absent|17|Unplug and plug in again; the car did not switch its battery on."
    "\n9|car_stopped|0|Nothing: the car ended the session."
    "\n10|car_pause_long|0|Plug in again to go on: the car paused for too long."
    "\n11|lock|1|Free the plug's lock from dirt or ice and plug in again."
    "\n12|permission_lost|14|Unplug and plug in again."
    "\n13|car_inconsistent|14|Unplug and plug in again; the car contradicts itself."
    "\n14|car_error_frame|14|Nothing at first; if it returns, tell the car's service."
    "\n16|estop|8|Clear the danger, then turn the emergency stop to release it."
    "\n17|insulation|2|Do not touch. Unplug, dry the plug; if it returns, call service."
    "\n18|precharge|17|Unplug and plug in again; if it returns, call service."
    "\n19|contactor_welded|17|Do not use the station; call service to replace K1/K2."
    "\n20|contactor_feedback|17|Do not use the station; call service."
    "\n21|opened_under_load|17|Have K1/K2 inspected after several of these."
    "\n22|over_voltage|5|Unplug and plug in again; if it returns, call service."
    "\n23|over_current|4|Unplug and plug in again; if it returns, call service."
    "\n24|under_voltage|6|Charge the car: its battery voltage is too low to discharge."
    "\n25|voltage_disagrees|24|Call service to check the voltage sensors."
    "\n26|current_disagrees|4|Call service to check the current sensor."
    "\n27|bleed|24|Do not touch the plug; wait 5 minutes, then call service."
    "\n28|temperature|19|Let the plug cool down and clean its contacts."
    "\n29|temperature_high|18|Nothing: the power is reduced. Clean the contacts if it returns."
    "\n30|sensor|0|Call service: a sensor is out of range."
    "\n31|sensor_stale|0|Call service: the sensors do not answer."
    "\n32|converter_fault|15|Call service if it returns: the converter reports a fault."
    "\n33|converter_silent|15|Check the converter's supply and its bus cable."
    "\n34|converter_mode|15|Call service if it returns."
    "\n35|converter_off|15|Switch the station off at its breaker and call service."
    "\n36|converter_missing|15|Check the converter modules and the configured number of them."
    "\n37|direction|4|Call service: the current flowed the wrong way."
    "\n40|gate_refused|0|Report it with the log: the safety gate held something back."
    "\n41|soc_doubt|0|Plug in again to discharge: the car's state of charge is not believed."
    "\n42|floor_unreadable|0|Write the configuration anew: until then the floor is 100 %."
    "\n43|current_at_floor|0|Report it with the log: current flowed at the floor."
    "\n48|can_car|14|Check the cable of the car's bus, then plug in again."
    "\n49|can_converter|15|Check the cable of the converter's bus."
    "\n50|tick|0|Report it with the log: the control program failed and stopped safely."
    "\n51|watchdog|0|Report it with the log: the station was reset by its watchdog."
    "\n52|service|0|Nothing: a service was restarted. Report it if it returns."
    "\n53|broker|0|Check the network: the broker was out of reach."
    "\n54|events_lost|0|Nothing: more happened than could be told."
    "\n55|config|0|Mend the configuration file as the log says, then restart."
    "\n56|tick_late|0|Report it with the log: the control program was held up."
    "\n"
)


def text_of(code):
    # (name, MREC id, action); a code without words is named by its number.
    head = "\n%d|" % code
    at = _TEXT.find(head)
    if at < 0:
        return ("fault_%d" % code, 0, "")
    at += len(head)
    name, mrec, action = _TEXT[at : _TEXT.find("\n", at)].split("|")
    return (name, int(mrec), action)
