"""What a person with a board on the desk needs: flash, console, config and logs, all through mpremote.

One rule stands over all of it: nothing here interrupts a station that is energised. The board says what it is in
(`state <phase> safe|energised`, every two seconds); every tool but the console listens for that line first.
"""
