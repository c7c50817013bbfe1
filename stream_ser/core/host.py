"""An engine and its worker behind asyncio: open a stream, write samples, get events on the loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stream_ser.audio.ring import Discontinuity, SampleRing
from stream_ser.core.engine import Engine
from stream_ser.core.stream import AudioTap, Stream
from stream_ser.core.worker import Worker
from stream_ser.events import Event

OnEvents = Callable[[list[Event]], None]
"""Takes events of one stream, on the loop."""

OnEnd = Callable[[Exception | None], None]
"""Called on the loop after the last event of a stream; with the exception where one ended it."""

_ROOM_POLL_S = 0.005


class HostedStream:
    """One stream of an :class:`EngineHost`, used on the loop."""

    def __init__(self, stream: Stream, sample_rate: int) -> None:
        self._stream, self._sample_rate = stream, sample_rate

    @property
    def ring(self) -> SampleRing:
        """Where a source that has a thread of its own writes."""
        return self._stream.ring

    @property
    def time(self) -> float:
        """Seconds of the stream taken so far."""
        return self._stream.time

    @property
    def repaired(self) -> int:
        """Samples so far that were not finite."""
        return self._stream.repaired

    @property
    def clipped(self) -> int:
        """Samples so far at full scale."""
        return self._stream.clipped

    @property
    def ended(self) -> bool:
        """Whether all of it was processed, or it failed."""
        return self._stream.ended

    async def write(self, samples: NDArray[np.float32]) -> None:
        """Write mono samples as room comes; returns early when the stream is over."""
        while len(samples) and not self.ended:
            room = self.ring.room
            if room:
                self.ring.write(samples[:room])
                samples = samples[room:]
            else:
                await asyncio.sleep(_ROOM_POLL_S)

    def interrupt(self, lost: int, reason: str) -> None:
        """What is written next does not follow what was written last; ``lost`` samples are missing between."""
        self.ring.interrupt(Discontinuity(lost, self._sample_rate, reason))

    def end(self) -> None:
        """No more samples come; what is left is processed, then ``on_end`` is called."""
        self.ring.end()


class EngineHost:
    """The one engine of a process and the thread that steps it.

    Args:
        engine: what processes the streams.
        on_failure: called on the loop when the engine as a whole fails; no stream goes on then.
    """

    def __init__(self, engine: Engine, on_failure: Callable[[BaseException], None]) -> None:
        self.engine = engine
        self._loop = asyncio.get_running_loop()
        self._worker = Worker(engine, lambda error: self._on_loop(on_failure, error))

    @property
    def heartbeat(self) -> float:
        """When the worker last went on, on the clock of ``time.monotonic``; every second at least."""
        return self._worker.heartbeat

    def start(self) -> None:
        """Start the worker."""
        self._worker.start()

    async def stop(self) -> None:
        """Finish the step in progress and end the worker."""
        await asyncio.to_thread(self._worker.stop)

    def open_stream(self, sample_rate: int, on_events: OnEvents, on_end: OnEnd, tap: AudioTap | None = None) -> HostedStream:
        """Open a stream of mono samples at ``sample_rate`` Hz."""

        def hand_over(events: list[Event]) -> None:
            self._on_loop(self._deliver, on_events, events, self.engine.step_began)

        stream = self.engine.add(sample_rate, hand_over, lambda failure: self._on_loop(on_end, failure), tap)
        return HostedStream(stream, sample_rate)

    def _deliver(self, on_events: OnEvents, events: list[Event], began: float) -> None:
        on_events(events)
        self.engine.observer.events_delivered(self._loop.time() - began)

    def _on_loop(self, call: Callable[..., None], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(call, *args)
