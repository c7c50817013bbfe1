"""A thousand subscribers of one daemon, and stalled readers beside good ones: how late the last client gets a message.

Run from the root of the repository: python benchmarks/fan_out.py
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from rich.console import Console
from websockets.asyncio.client import ClientConnection, connect

from stream_ser import protocol
from stream_ser.bench.process import resident_mb
from stream_ser.bench.speech import speech
from stream_ser.provenance import origin

RESULT = Path(__file__).parents[1] / "docs/results/fan-out.json"

SUBSCRIBERS = 1_000
GOOD = STALLED = 200
FOLLOW_S = 20.0
CONNECT_INTERVAL_S = 0.01
"""Between two clients that connect."""


def main() -> None:
    """Measure, print and write the result file."""
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "speech.wav"
        soundfile.write(file, speech(120.0, 16_000), 16_000)
        result: dict[str, Any] = {}
        for name, good, stalled in (("subscribers", SUBSCRIBERS, 0), ("good", GOOD, 0), ("good_beside_stalled", GOOD, STALLED)):
            result[name] = measure(file, good, stalled)
            figures = ", ".join(f"{key} {value}" for key, value in result[name].items())
            console.print(f"{name}: {figures}", soft_wrap=True)
    ratio = round(result["good_beside_stalled"]["last_ms"]["p99"] / result["good"]["last_ms"]["p99"], 2)
    console.print(f"beside {STALLED} stalled readers, p99 of {GOOD} good ones is {ratio} times as long")
    written = {**result, "ratio_beside_stalled": ratio, **origin("python benchmarks/fan_out.py")}
    RESULT.write_text(json.dumps(written, indent=2) + "\n")
    console.print(f"Results: {RESULT.name}")


def measure(file: Path, good: int, stalled: int) -> dict[str, Any]:
    """Start a daemon that listens to ``file``, and follow it with so many clients from this process."""
    command = [sys.executable, "-m", "stream_ser", "listen", "--input", str(file), "--port", "0", "--provider", "cpu"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as daemon:
        assert daemon.stdout is not None
        address = next(found[1] for line in daemon.stdout if (found := re.search(r"Connect to (ws://[^,]+),", line)))
        try:
            before = resident_mb(daemon.pid)
            return asyncio.run(_follow(address, good, stalled, daemon.pid, before))
        finally:
            daemon.terminate()
            daemon.stdout.read()


async def _follow(address: str, good: int, stalled: int, pid: int, before_mb: float) -> dict[str, Any]:
    stalled_sockets = [await asyncio.to_thread(_stall, address) for _ in range(stalled)]
    clients: list[ClientConnection] = []
    for _ in range(good):
        clients.append(await connect(address, compression=None, max_queue=None, ping_interval=None))
        await asyncio.sleep(CONNECT_INTERVAL_S)
    connected_mb = resident_mb(pid)
    arrivals: dict[float, list[float]] = {}
    replaced = [0]
    tasks = [asyncio.create_task(_read(client, arrivals, replaced)) for client in clients]
    await asyncio.sleep(FOLLOW_S)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for client in clients:
        client.transport.abort()
    for stalled_socket in stalled_sockets:
        stalled_socket.close()
    # From the first client to the last: the clock of the daemon's event is not at hand.
    spread = sorted(max(times) - min(times) for times in arrivals.values() if len(times) == good)
    assert len(spread) > 50, f"only {len(spread)} messages reached all"
    late = 1e3 * np.percentile(spread, (50, 99))
    return {
        "clients": good + stalled,
        "messages": len(spread),
        "last_ms": {"p50": round(float(late[0]), 1), "p99": round(float(late[1]), 1)},
        "replaced": replaced[0],
        "kb_per_client": round(1e3 * (connected_mb - before_mb) / (good + stalled), 1),
    }


async def _read(client: ClientConnection, arrivals: dict[float, list[float]], replaced: list[int]) -> None:
    async for data in client:
        now = time.perf_counter()
        message = protocol.decode(data)
        if isinstance(message, protocol.Emotion) and not message.is_final:
            arrivals.setdefault(message.end, []).append(now)
        elif isinstance(message, protocol.Gap):
            replaced[0] += message.messages or 0


def _stall(address: str) -> socket.socket:
    """A client that connects and never reads."""
    host, port = address.removeprefix("ws://").rstrip("/").rsplit(":", 1)
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    raw.connect((host, int(port)))
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    lines = ["GET / HTTP/1.1", f"Host: {host}:{port}", "Upgrade: websocket", "Connection: Upgrade"]
    raw.sendall("\r\n".join([*lines, f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", ""]).encode())
    raw.recv(64)
    return raw


if __name__ == "__main__":
    main()
