"""A relay as a contact sees it: the coil is driven now, the contact follows later, and sometimes never."""


class Relay:
    """One contact (or several that move together) with its operate and release times."""

    def __init__(self, close_ms: int, open_ms: int):
        self.close_ms = close_ms
        self.open_ms = open_ms
        self.closed = False
        self.driven = False
        self.moving = False
        self.welded = False  # a closed contact that does not open any more
        self.stuck_open = False  # a contact that never closes
        self._due_ms = 0

    def drive(self, on: bool, now_ms: int) -> None:
        """Energise or release the coil; the same again changes nothing."""
        if on == self.driven:
            return
        self.driven = on
        self.moving = on != self.closed
        self._due_ms = now_ms + (self.close_ms if on else self.open_ms)

    def step(self, now_ms: int) -> bool:
        """Move the contact if its time has come; True if it did move."""
        if not self.moving or now_ms < self._due_ms:
            return False
        self.moving = False
        if self.driven == self.closed or (self.driven and self.stuck_open) or (not self.driven and self.welded):
            return False
        self.closed = self.driven
        return True

    def weld(self) -> None:
        """From now on a closed contact stays closed."""
        self.welded = True

    def stick_open(self) -> None:
        """From now on the contact is not closed by its coil; a closed one stays until it is released."""
        self.stuck_open = True

    def heal(self, now_ms: int) -> None:
        """A new relay: the contact follows the coil again."""
        self.welded = self.stuck_open = False
        if self.closed != self.driven:
            self.moving = True
            self._due_ms = now_ms + (self.close_ms if self.driven else self.open_ms)
