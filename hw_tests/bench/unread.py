"""How many bytes a process on this machine has not yet read from its TCP connection: what fills a receiver's buffers.

Linux tells it in /proc/net/tcp; elsewhere it is unknown and counts as nothing.
"""

import socket
from pathlib import Path

_TABLE = Path("/proc/net/tcp")


def unread(connection: socket.socket) -> int:
    """Bytes that wait at the other end of a connection on the loopback, and those still on their way to it."""
    if not _TABLE.exists():
        return 0
    mine, theirs = _port(connection.getsockname()), _port(connection.getpeername())
    waiting = 0
    with _TABLE.open(encoding="ascii") as table:
        for row in table:
            fields = row.split()
            local, remote = fields[1][-4:], fields[2][-4:]
            if (local, remote) == (theirs, mine):
                waiting += int(fields[4].split(":")[1], 16)
            elif (local, remote) == (mine, theirs):
                waiting += int(fields[4].split(":")[0], 16)
    return waiting


def _port(address: tuple[str, int]) -> str:
    return f"{address[1]:04X}"
