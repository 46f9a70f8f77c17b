"""The link between the bench's pins and a firmware on this machine: small records over TCP, the firmware connects.

bench -> firmware, 32 bytes LE: u16 0x5A51, u16 seq, u32 now_ms, u16 flags (bit 0: lockstep, bit 1: fail), 11 x u16
raw inputs
firmware -> bench, 16 bytes LE: u16 0xA515, u16 seq of the newest record, u16 outputs, u16 flags, u32 bytes allocated,
u32 free heap
"""

import contextlib
import socket
import struct
from collections.abc import Sequence
from typing import NamedTuple

_SAMPLE = struct.Struct("<HHIH11H")
_ANSWER = struct.Struct("<HHHHII")
_MAGIC_OUT, _MAGIC_IN = 0x5A51, 0xA515
LOCKSTEP = 1
FAIL = 2  # the firmware's tick raises, once


class Answer(NamedTuple):
    """What the firmware said."""

    seq: int
    outputs: int
    flags: int
    allocated_B: int
    free_B: int


def sample(seq: int, now_ms: int, flags: int, raw: Sequence[int]) -> bytes:
    """One record to the firmware; `now_ms` wraps at 2^30 as its clock does."""
    return _SAMPLE.pack(_MAGIC_OUT, seq & 0xFFFF, now_ms & 0x3FFFFFFF, flags, *raw)


class PinsLink:
    """The door for the firmware. `send` a sample, `receive` its answers; a firmware that starts anew comes again."""

    def __init__(self, port: int = 0):
        self._door = socket.create_server(("127.0.0.1", port))
        self._door.setblocking(False)
        self.port = self._door.getsockname()[1]
        self.connections = 0  # times a firmware has come
        self.unsent = 0  # samples that the firmware was too slow for
        self._peer: socket.socket | None = None
        self._in = b""
        self._rest = b""
        self._seq = 0

    @property
    def connected(self) -> bool:
        """A firmware is there."""
        return self._peer is not None

    def send(self, now_ms: int, raw: Sequence[int], flags: int = 0) -> None:
        """A sample, after the rest of one that left in part. One that waits whole is replaced."""
        if self._peer is None:
            return
        self._seq += 1
        self.unsent += len(self._rest) >= _SAMPLE.size
        self._rest = self._rest[: len(self._rest) % _SAMPLE.size] + sample(self._seq, now_ms, flags, raw)
        try:
            self._rest = self._rest[self._peer.send(self._rest) :]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self._gone()

    def receive(self) -> list[Answer]:
        """All answers that have come since."""
        self._accept()
        if self._peer is None:
            return []
        try:
            data = self._peer.recv(65536)
        except (BlockingIOError, InterruptedError):
            return []
        except OSError:
            data = b""
        self._in += data
        answers = self._whole()
        if not data:
            self._gone()
        return answers

    def close(self) -> None:
        """The end."""
        self._gone()
        self._door.close()

    def _whole(self) -> list[Answer]:
        answers = []
        while len(self._in) >= _ANSWER.size:
            magic, *fields = _ANSWER.unpack_from(self._in)
            if magic != _MAGIC_IN:
                raise ValueError(f"the firmware's record begins with {magic:#06x} and not with {_MAGIC_IN:#06x}")
            answers.append(Answer(*fields))
            self._in = self._in[_ANSWER.size :]
        return answers

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            peer, _ = self._door.accept()
            self._gone()
            peer.setblocking(False)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # a firmware that stalls finds few old samples
            self._peer = peer
            self.connections += 1

    def _gone(self) -> None:
        if self._peer is not None:
            self._peer.close()
        self._peer = None
        self._in = self._rest = b""
