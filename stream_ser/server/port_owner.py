"""Finds out which program listens on a port that this server could not bind."""

from __future__ import annotations

import contextlib
from pathlib import Path

from websockets.sync.client import connect

from stream_ser import protocol

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_LISTEN = "0A"
"""State of a listening socket (proc(5), "/proc/net/tcp")."""

_HELLO_TIMEOUT_S = 1.0


def describe_port_owner(host: str, port: int) -> str:
    """The program that listens on the port, as far as this user may know: a stream-ser and its source, another, or unknown."""
    process = _listening_process(port)
    description = f"{process[1]} (process {process[0]})" if process is not None else "another program"
    with contextlib.suppress(Exception):  # whatever answers there need not be a daemon
        with connect(protocol.address(host, port), open_timeout=_HELLO_TIMEOUT_S, proxy=None) as client:
            hello = protocol.decode(client.recv(_HELLO_TIMEOUT_S))
        if isinstance(hello, protocol.Hello):
            number = f", process {process[0]}" if process is not None else ""
            return f"stream-ser {hello.version}, which listens to {hello.source}{number}"
    return description


def _listening_process(port: int) -> tuple[int, str] | None:
    """Number and name of the process that listens on the port, on Linux."""
    sockets = {
        f"socket:[{fields[9]}]"
        for table in map(Path, _TABLES)
        if table.exists()
        for fields in map(str.split, table.read_text().splitlines()[1:])
        if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port
    }
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # another user's, or gone meanwhile
            if any(str(file.readlink()) in sockets for file in (process / "fd").iterdir()):
                return int(process.name), (process / "comm").read_text().strip()
    return None
