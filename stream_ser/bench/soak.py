"""Runs the whole daemon for hours of audio, and samples whether anything grows or falls behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from msgspec.structs import replace
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from stream_ser import protocol
from stream_ser.audio.ring import Discontinuity, SampleRing
from stream_ser.audio.sources.file import DEMO
from stream_ser.audio.sources.source import OnStateChange, SourceState
from stream_ser.bench.process import resident_mb, status_field
from stream_ser.daemon.app import Daemon
from stream_ser.daemon.settings import load_settings

PACE = 60.0
"""Seconds of audio in a second."""

SAMPLE_COUNT = 16
"""At even intervals of the audio."""

LOSSES_PER_HOUR = 10
"""Of audio: the source is lost for a second each time."""

VISIT_S = 5.0
"""For which the client that comes and goes stays connected."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The process at one time: the daemon, its source and two clients."""

    audio_h: float
    rss_mb: float
    threads: int
    descriptors: int
    drift_s: float
    """Audio that was due and is not processed yet."""


class EndlessSource:
    """The demo recording, repeated at :data:`PACE`, now and then lost for a second.

    Args:
        hours: of audio.
    """

    name, host_api, failure, overflows = "soak", "", None, 0

    def __init__(self, hours: float) -> None:
        self._demo, rate = soundfile.read(DEMO, dtype="float32")
        self.sample_rate = int(rate)
        self._total = round(hours * 3_600 * self.sample_rate)
        self._stop = threading.Event()
        self._began = 0.0

    def start(self, ring: SampleRing, on_state_change: OnStateChange) -> None:
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._play, args=(ring, on_state_change), name="soak source", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def due_s(self) -> float:
        """Audio that should have been written by now."""
        return min(self._total / self.sample_rate, PACE * (time.monotonic() - self._began))

    def _play(self, ring: SampleRing, on_state_change: OnStateChange) -> None:
        block, written, losses = self.sample_rate // 2, 0, 0
        while written < self._total:
            if self._stop.wait(max(0.0, written / self.sample_rate - self.due_s) / PACE):
                break
            if written * LOSSES_PER_HOUR > (losses + 1) * 3_600 * self.sample_rate:
                losses += 1
                on_state_change(SourceState.LOST, "a loss of the soak run")
                ring.interrupt(Discontinuity(self.sample_rate, self.sample_rate))
                on_state_change(SourceState.RESTORED, "")
                written += self.sample_rate
            ring.write(np.take(self._demo, np.arange(written, written + block), mode="wrap"))
            written += block
        ring.end()


def soak(hours: float, on_sample: Callable[[Sample], None]) -> dict[str, Any]:
    """Run the daemon with the bundled models on ``hours`` of audio; one client stays, another comes and goes.

    Raises:
        UserError: the models cannot be used.
    """
    samples: list[Sample] = []
    source = EndlessSource(hours)
    over = threading.Event()
    counts = {"messages": 0, "visits": 0, "lost_to_overload_s": 0.0}
    threads: list[threading.Thread] = []

    def take_samples(daemon: Daemon) -> None:
        for number in range(SAMPLE_COUNT + 1):
            due = 3_600 * hours * number / SAMPLE_COUNT
            if over.wait(max(0.0, due - source.due_s) / PACE):
                return
            samples.append(_sample(daemon.time, source.due_s))
            on_sample(samples[-1])

    def on_started(address: str, daemon: Daemon) -> None:
        threads.extend(
            threading.Thread(target=target, args=arguments, daemon=True)
            for target, arguments in (
                (take_samples, (daemon,)),
                (_follow, (address, counts)),
                (_visit, (address, counts, over)),
            )
        )
        for thread in threads:
            thread.start()

    settings = replace(load_settings({"port": 0}), record=None)
    began = time.monotonic()
    try:
        asyncio.run(Daemon(settings, source, lambda: settings, on_started, lambda _: None).run())
    finally:
        over.set()
        for thread in threads:
            thread.join()
    return {
        "hours": hours,
        "pace": PACE,
        "wall_s": round(time.monotonic() - began, 1),
        **counts,
        "samples": [*map(asdict, samples)],
    }


def _sample(stream_time: float, due_s: float) -> Sample:
    pid = os.getpid()
    return Sample(
        audio_h=round(stream_time / 3_600, 3),
        rss_mb=round(resident_mb(pid), 1),
        threads=status_field(pid, "Threads"),
        descriptors=sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()),
        drift_s=round(due_s - stream_time, 2),
    )


def _follow(address: str, counts: dict[str, float]) -> None:
    """Receive everything until the daemon ends."""
    with connect(address, compression=None) as client:
        for text in client:
            counts["messages"] += 1
            message = protocol.decode(text)
            if isinstance(message, protocol.Gap) and message.reason == "overflow":
                counts["lost_to_overload_s"] += float(message.seconds or 0.0)


def _visit(address: str, counts: dict[str, float], over: threading.Event) -> None:
    """Connect and leave, again and again."""
    while not over.is_set():
        with contextlib.suppress(OSError, WebSocketException), connect(address, compression=None) as client:
            counts["visits"] += 1
            leave_at = time.monotonic() + VISIT_S
            while time.monotonic() < leave_at and not over.is_set():
                client.recv(VISIT_S)
