# The watchdog leaves a program alone that feeds it, and really resets one that hangs.
# Needs: nothing wired.
import time

import machine
import onboard

_BOOT_ms = 5000
_TIMES = 3


def first():
    board = onboard.the_board()
    limit_ms = board.WATCHDOG_ms
    watchdog = machine.WDT(timeout=limit_ms)
    start = time.ticks_ms()
    while time.ticks_diff(time.ticks_ms(), start) < _TIMES * limit_ms:
        watchdog.feed()
        time.sleep_ms(10)
    onboard.result("a fed one does not bite", True, _TIMES * limit_ms, _TIMES * limit_ms, "ms")
    watchdog.feed()
    # Twice its time when not even interrupts run (task_wdt_impl_timergroup.c of the IDF).
    onboard.again("bitten", onboard.HANG, 2 * limit_ms + _BOOT_ms, limit_ms=limit_ms)


def bitten():
    cause, wanted = machine.reset_cause(), machine.WDT_RESET
    onboard.result("it was the watchdog", cause == wanted, cause, wanted, "", "machine.reset_cause()")
    limit_ms = 2 * onboard.STATE["limit_ms"] + _BOOT_ms
    onboard.at_most("from the hang to the next word", onboard.STATE["away_ms"], limit_ms, "ms", "with the start")
    # Sooner than the shorter of the times that it was set to: something else reset the board.
    onboard.at_least("and not before its time", onboard.STATE["away_ms"], onboard.STATE["limit_ms"] * 8 // 10, "ms")


onboard.run(first=first, bitten=bitten)
