"""A board on a serial port, as the runner needs it: the desk's transport, with deadlines and sentences."""

import contextlib
import time
from typing import Protocol

from mpremote.transport import TransportError

from hw_tests.desk.listen import refuse_if_energised
from hw_tests.desk.port import connect, disconnect
from hw_tests.desk.trouble import Trouble

END = "\x04"
_BANNER = b"raw REPL; CTRL-B to exit\r\n"
_WAY_OUT_s = 12.0  # of a station that is asked to stop: it bleeds up to 5 s


class Board(Protocol):
    """What the runner asks of a board. Every wait has its deadline; Trouble when it is over."""

    def refuse_energised(self) -> None: ...

    def enter(self, patience_s: float = ..., fresh: bool = ...) -> None: ...

    def send(self, code: str) -> None: ...

    def line(self, patience_s: float) -> str | None: ...

    def back(self, how: str, within_ms: int) -> int: ...

    def close(self) -> None: ...


class SerialBoard:
    """`with`-less: close() it."""

    def __init__(self, port: str):
        self.port = port
        self._text = b""
        self._link = connect(port)

    # --- before ---
    def refuse_energised(self) -> None:
        """Trouble if a station on it says that it is energised; silence is a board at its prompt."""
        refuse_if_energised(self._link)

    # --- the raw REPL ---
    def enter(self, patience_s: float = 30.0, fresh: bool = True) -> None:
        """To the raw REPL; a station that runs ends in its safe stop first. `fresh`: with a soft reset, so boot.py runs
        and the heap is empty."""
        until_s, why = time.monotonic() + patience_s, "silence"
        while time.monotonic() < until_s:
            try:
                with contextlib.redirect_stdout(None):
                    self._link.enter_raw_repl(soft_reset=fresh, timeout_overall=_WAY_OUT_s)
                self._text = b""
                return
            except (TransportError, OSError) as error:
                why = str(error)
                self._again()
        raise Trouble(f"{self.port}: there is no MicroPython prompt within {patience_s:.0f} s ({why})")

    def send(self, code: str) -> None:
        """Run it; its words come by line()."""
        try:
            self._link.exec_raw_no_follow(code)
        except (TransportError, OSError) as error:
            raise Trouble(f"{self.port}: the board does not take a program: {error}") from error

    def line(self, patience_s: float) -> str | None:
        """The next line without its end; END where the program has ended; None after so long in vain."""
        # Byte by byte: the prompt after the second END is waited for by send().
        until_s = time.monotonic() + patience_s
        while not self._text.endswith((b"\n", b"\x04")):
            if time.monotonic() > until_s:
                return None
            self._text += self._read(1) or self._nap()
        if self._text == b"\x04":
            self._text = b""
            return END
        word, end = self._text[:-1], self._text[-1:]
        self._text = b"\x04" if end == b"\x04" else b""
        return word.decode(errors="replace").strip("\r")

    def back(self, how: str, within_ms: int) -> int:
        """After a reset that the board does itself: ms until its first word, and to the raw REPL then."""
        begin_s = time.monotonic()
        heard = self._text = b""
        while not heard:
            away_ms = (time.monotonic() - begin_s) * 1000
            if away_ms > within_ms:
                raise Trouble(f"{self.port}: not a word for {within_ms} ms after the reset ({how})")
            heard = self._read(1, reopen=True) or self._nap()
        away_ms = (time.monotonic() - begin_s) * 1000
        if how == "soft" and self._banner(heard):
            return int(away_ms)
        self.enter(fresh=False)
        return int(away_ms)

    def close(self) -> None:
        """The prompt is left as it was found."""
        with contextlib.suppress(TransportError, OSError):
            self._link.exit_raw_repl()
        disconnect(self._link)

    def _banner(self, heard: bytes) -> bool:
        until_s = time.monotonic() + _WAY_OUT_s
        while _BANNER not in heard and time.monotonic() < until_s:
            heard += self._read(1) or self._nap()
        return _BANNER in heard  # the prompt itself is waited for by send()

    def _read(self, most: int = 4096, reopen: bool = False) -> bytes:
        try:
            serial = self._link.serial
            return bytes(serial.read(min(most, serial.inWaiting())))
        except OSError as error:  # USB of a chip that resets goes and comes
            if not reopen:
                raise Trouble(f"{self.port}: the port is gone: {error}") from error
            self._again()
            return b""

    def _again(self) -> None:
        disconnect(self._link)
        time.sleep(0.5)
        with contextlib.suppress(Trouble):
            self._link = connect(self.port)

    @staticmethod
    def _nap() -> bytes:
        time.sleep(0.01)
        return b""
