"""Reports to the service manager: that the daemon is ready, then every second that worker, source and event loop go on."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Protocol

from stream_ser import logs
from stream_ser.audio.ring import SampleRing
from stream_ser.daemon.sd_notify import notify
from stream_ser.daemon.state import HUNG_AFTER_S, DaemonState, StreamProgress

CHECK_INTERVAL_S = 1.0

COUNTS_INTERVAL_S = 5.0
"""Between two messages about broken, clipped or incomplete audio, at least."""


class WatchedHost(Protocol):
    """What is watched of an :class:`~stream_ser.core.host.EngineHost`."""

    @property
    def heartbeat(self) -> float: ...


class WatchedStream(StreamProgress, Protocol):
    """What is watched of a :class:`~stream_ser.core.host.HostedStream`."""

    @property
    def ring(self) -> SampleRing: ...


class Watchdog:
    """Compares the daemon with what it was at the last check.

    Args:
        host: whose worker must go on.
        stream: the daemon's own, whose ring must be written to unless its source is known to be lost.
        state: of the daemon.
        address: where clients connect.
        clients: gives the connections open now.
        publish_status: called when faults of the audio were counted, at most every :data:`COUNTS_INTERVAL_S`.
    """

    def __init__(
        self,
        host: WatchedHost,
        stream: WatchedStream,
        state: DaemonState,
        address: str,
        clients: Callable[[], int],
        publish_status: Callable[[], None],
    ) -> None:
        self._host, self._stream, self._state = host, stream, state
        self._address, self._clients, self._publish_status = address, clients, publish_status
        self._last_summary = ""
        self._last_written, self._written_at = stream.ring.written, time.monotonic()
        self._last_counts, self._counts_at = state.counts(stream), -math.inf

    async def run(self) -> None:
        """Report readiness, then check every :data:`CHECK_INTERVAL_S`, until cancelled."""
        self._last_summary = self._summary()
        notify(f"READY=1\nSTATUS={self._last_summary}")
        while True:
            self.check(time.monotonic())
            await asyncio.sleep(CHECK_INTERVAL_S)

    def check(self, now: float) -> None:
        """Check once.

        Args:
            now: seconds, on the clock of ``time.monotonic``.
        """
        summary = self._summary()
        changed = [f"STATUS={summary}"] if summary != self._last_summary else []
        notify("\n".join((["WATCHDOG=1"] if self._goes_on(now) else []) + changed))
        self._last_summary = summary
        counts = self._state.counts(self._stream)
        if counts != self._last_counts and now - self._counts_at > COUNTS_INTERVAL_S:
            self._last_counts, self._counts_at = counts, now
            self._publish_status()
            logs.warning("audio_degraded", **asdict(counts))

    def _goes_on(self, now: float) -> bool:
        """Whether worker and source make progress. That the event loop does is shown by this being called."""
        written = self._stream.ring.written
        if written != self._last_written or not self._state.is_listening:
            self._last_written, self._written_at = written, now
        return now - self._host.heartbeat < HUNG_AFTER_S and now - self._written_at < HUNG_AFTER_S

    def _summary(self) -> str:
        return self._state.summary(self._address, self._clients())
