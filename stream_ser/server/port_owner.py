"""Finds out who holds a port that this daemon wanted."""

from __future__ import annotations

import contextlib
from pathlib import Path

from websockets.sync.client import connect

from stream_ser import protocol

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_LISTENS = "0A"
"""State of a socket that takes connections (proc(5), "/proc/net/tcp")."""

_PATIENCE = 1.0
"""Seconds that a daemon has to introduce itself."""


def holder(host: str, port: int) -> str:
    """Who serves on the port, as far as this user may know: another daemon and what it hears, a program, or another program."""
    process = _process(port)
    who = f"{process[1]} (process {process[0]})" if process is not None else "another program"
    with contextlib.suppress(Exception):  # whatever answers there need not be a daemon
        with connect(protocol.address(host, port), open_timeout=_PATIENCE, proxy=None) as client:
            hello = protocol.decode(client.recv(_PATIENCE))
        if isinstance(hello, protocol.Hello):
            number = f", process {process[0]}" if process is not None else ""
            return f"stream-ser {hello.version}, which listens to {hello.source}{number}"
    return who


def _process(port: int) -> tuple[int, str] | None:
    """Number and name of the process that listens on the port, on Linux."""
    sockets = {
        f"socket:[{fields[9]}]"
        for table in map(Path, _TABLES)
        if table.exists()
        for fields in map(str.split, table.read_text().splitlines()[1:])
        if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port
    }
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # another user's, or gone meanwhile
            if any(str(file.readlink()) in sockets for file in (process / "fd").iterdir()):
                return int(process.name), (process / "comm").read_text().strip()
    return None
