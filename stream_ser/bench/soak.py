"""Runs the whole daemon for hours of audio, and watches whether anything grows or falls behind."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from stream_ser import protocol
from stream_ser.audio.ring import Discontinuity, SampleRing
from stream_ser.audio.sources.file import DEMO
from stream_ser.audio.sources.source import SourceState, Tell
from stream_ser.daemon.app import Daemon
from stream_ser.daemon.settings import load_settings

PACE = 60.0
"""Seconds of audio in a second."""

LOOKS = 16
"""How often it is looked at, at even times of the audio."""

LOSSES = 10
"""Times in an hour of audio that the source is lost for a second."""

VISIT = 5.0
"""Seconds after which the client that comes and goes, goes."""


@dataclass(frozen=True, slots=True)
class Look:
    """The process at one time: the daemon, its source and two clients."""

    audio_h: float
    rss_mb: float
    threads: int
    descriptors: int
    drift_s: float
    """Seconds of audio that were due and are not heard yet."""


class Endless:
    """The demo recording over and over at :data:`PACE`, now and then lost for a second.

    Args:
        hours: of audio.
    """

    name, host_api, failure, overflows = "soak", "", None, 0

    def __init__(self, hours: float) -> None:
        self._demo, rate = soundfile.read(DEMO, dtype="float32")
        self.sample_rate = int(rate)
        self._samples = round(hours * 3_600 * self.sample_rate)
        self._stop = threading.Event()
        self.began = 0.0

    def start(self, ring: SampleRing, tell: Tell) -> None:
        self.began = time.monotonic()
        self._thread = threading.Thread(target=self._play, args=(ring, tell), name="soak source", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def due(self) -> float:
        """Seconds of audio that should have been given by now."""
        return min(self._samples / self.sample_rate, PACE * (time.monotonic() - self.began))

    def _play(self, ring: SampleRing, tell: Tell) -> None:
        block, given, losses = self.sample_rate // 2, 0, 0
        while given < self._samples:
            if self._stop.wait(max(0.0, given / self.sample_rate - self.due) / PACE):
                break
            if given * LOSSES > (losses + 1) * 3_600 * self.sample_rate:
                losses += 1
                tell(SourceState.LOST, "the soak run pulls the plug")
                ring.interrupt(Discontinuity(self.sample_rate, self.sample_rate))
                tell(SourceState.RESTORED, "")
                given += self.sample_rate
            ring.write(np.take(self._demo, np.arange(given, given + block), mode="wrap"))
            given += block
        ring.end()


def soak(hours: float, told: Callable[[Look], None]) -> dict[str, Any]:
    """Run the daemon with the bundled models on ``hours`` of audio; one client stays, another comes and goes.

    Raises:
        UserError: the models cannot be used.
    """
    looks: list[Look] = []
    source = Endless(hours)
    over = threading.Event()
    counts = {"messages": 0, "visits": 0, "lost_to_overload_s": 0.0}
    helpers: list[threading.Thread] = []

    def started(address: str, daemon: Daemon) -> None:
        def look() -> None:
            for number in range(LOOKS + 1):
                due = 3_600 * hours * number / LOOKS
                if over.wait(max(0.0, due - source.due) / PACE):
                    return
                heard = daemon.heard
                looks.append(_look(heard / 3_600, source.due - heard))
                told(looks[-1])

        work = (look, lambda: _stay(address, counts), lambda: _visit(address, counts, over))
        helpers.extend(threading.Thread(target=one, daemon=True) for one in work)
        for helper in helpers:
            helper.start()

    settings = load_settings({"port": 0}).model_copy(update={"record": None})
    began = time.monotonic()
    try:
        asyncio.run(Daemon(settings, source, lambda: settings, started, lambda _: None).run())
    finally:
        over.set()
        for helper in helpers:
            helper.join()
    return {
        "hours": hours,
        "pace": PACE,
        "wall_s": round(time.monotonic() - began, 1),
        **counts,
        "looks": [*map(asdict, looks)],
    }


def _look(audio_h: float, drift_s: float) -> Look:
    status = Path("/proc/self/status").read_text()

    def field(name: str) -> int:
        found = re.search(rf"{name}:\s+(\d+)", status)
        return int(found[1]) if found else 0

    descriptors = sum(1 for _ in Path("/proc/self/fd").iterdir())
    return Look(round(audio_h, 3), round(field("VmRSS") / 1e3, 1), field("Threads"), descriptors, round(drift_s, 2))


def _stay(address: str, counts: dict[str, float]) -> None:
    with connect(address, compression=None) as client:
        for text in client:
            counts["messages"] += 1
            message = protocol.decode(text)
            if isinstance(message, protocol.Gap) and message.reason == "overflow":
                counts["lost_to_overload_s"] += float(message.seconds or 0.0)


def _visit(address: str, counts: dict[str, float], over: threading.Event) -> None:
    while not over.is_set():
        with contextlib.suppress(OSError, WebSocketException), connect(address, compression=None) as client:
            counts["visits"] += 1
            leaves = time.monotonic() + VISIT
            while time.monotonic() < leaves and not over.is_set():
                client.recv(VISIT)
