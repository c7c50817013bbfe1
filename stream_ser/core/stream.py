"""One source's way to its recogniser: ring -> resampler -> hops."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ParamSpec, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from stream_ser.audio.resample import Resampler
from stream_ser.audio.ring import Chunk, SampleRing, WakeEvent
from stream_ser.core.hop import Hop
from stream_ser.core.recognizer import Recognizer
from stream_ser.events import OVERFLOW, Event

Samples = NDArray[np.float32]
_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

OnEvents = Callable[[list[Event]], None]
"""Takes events of one stream, on the worker's thread, and returns at once."""

OnEnd = Callable[[Exception | None], None]
"""Called on the worker's thread after the last event of a stream; with the exception where one ended it."""

RING_S = 3.0
"""Audio that may wait for a worker that fell behind: no answer is later than a window, and what is older makes room."""

_NO_SAMPLES: Samples = np.empty(0, np.float32)


class AudioTap(Protocol):
    """Takes the audio of a stream as the recogniser gets it, on the worker's thread, and returns at once."""

    def on_samples(self, samples: Samples) -> None:
        """The next samples, ``float32[n]`` at the recogniser's rate."""
        ...

    def on_loss(self, samples: int) -> None:
        """So many samples are missing before the next."""
        ...


class Stream:
    """One source: what it wrote, what of it was processed, and where its events go.

    Args:
        sample_rate: of what is written to the ring, in Hz.
        recognizer: of this stream.
        filled: set when the ring holds what the stream waits for.
        on_events: takes its events.
        on_end: called after the last.
        tap: takes its audio.
    """

    def __init__(
        self,
        sample_rate: int,
        recognizer: Recognizer,
        filled: WakeEvent,
        on_events: OnEvents,
        on_end: OnEnd,
        tap: AudioTap | None,
    ) -> None:
        self.ring = SampleRing(round(RING_S * sample_rate), filled)
        self.recognizer = recognizer
        self.on_events, self.on_end = on_events, on_end
        self.row: int | None = None
        """Its row in the state of the backend, once it has one."""
        self.ended = False
        """Whether all of it was processed, or it failed."""
        self.failure: Exception | None = None
        """What ended it before its end."""
        self._tap = tap
        self._rate = sample_rate
        self._resampler = Resampler(sample_rate, recognizer.sample_rate)
        self._ready = _NO_SAMPLES
        self._interruption: Chunk | None = None
        """Comes when what is ready is fed."""
        self._block = max(1, sample_rate // 10)
        self._flushed = False

    @property
    def time(self) -> float:
        """Seconds of the stream taken so far."""
        return self.recognizer.time

    @property
    def repaired(self) -> int:
        """Samples so far that were not finite."""
        return self.recognizer.buffer.repaired

    @property
    def clipped(self) -> int:
        """Samples so far at full scale."""
        return self.recognizer.buffer.clipped

    def attempt(
        self, work: Callable[_Arguments, _Result], *args: _Arguments.args, **kwargs: _Arguments.kwargs
    ) -> _Result | None:
        """What ``work`` returns; None where this stream has failed, or fails with it. Other streams go on."""
        if self.failure is None:
            try:
                return work(*args, **kwargs)
            except Exception as error:  # whatever it is, it is this stream's
                self.failure, self.ended = error, True
        return None

    def deliver(self, emit: Callable[_Arguments, list[Event]], *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> None:
        """Hand over the events that ``emit`` returns, if there are any."""
        events = self.attempt(emit, *args, **kwargs)
        if events:
            self.attempt(self.on_events, events)

    def pull(self) -> Hop | None:
        """Feed what the ring holds, until a hop is complete or nothing is left."""
        while not self.ended:
            if len(self._ready):
                taken, hop = self.recognizer.feed(self._ready)
                self._ready = self._ready[taken:]
            elif self._interruption is not None:
                chunk, self._interruption = self._interruption, None
                hop = self._skip(chunk)
            elif self._flushed:
                self.ended = True
                hop = self.recognizer.finish()
            elif not self._read():
                return None
            else:
                continue
            if hop is not None:
                return hop
        return None

    def _read(self) -> bool:
        """Make ready what the ring holds; return whether there was anything."""
        ended = self.ring.ended  # before reading: what was written before the end is then seen
        chunk = self.ring.read(self._block)
        if chunk.discontinuity is not None or chunk.lost:
            self._make_ready(_NO_SAMPLES, last=True)  # what the resampler holds back is not lost
            self._interruption = chunk
        elif len(chunk.samples):
            self._make_ready(chunk.samples)
        elif ended:
            self._flushed = True
            self._make_ready(chunk.samples, last=True)
        else:
            self.ring.wanted = max(1, math.ceil(self.recognizer.buffer.missing * self._rate / self.recognizer.sample_rate))
            return self.ring.waiting >= self.ring.wanted or self.ring.ended
        return True

    def _skip(self, chunk: Chunk) -> Hop | None:
        """Go on after what is missing before the samples of the chunk."""
        lost, reason = chunk.lost, OVERFLOW
        if chunk.discontinuity is not None:
            lost, self._rate, reason = chunk.discontinuity.lost, chunk.discontinuity.rate, chunk.discontinuity.reason
            self.ring.limit = min(self.ring.capacity, round(RING_S * self._rate))
            self._resampler = Resampler(self._rate, self.recognizer.sample_rate)
        else:
            self._resampler.reset()
        missing = round(lost * self.recognizer.sample_rate / self._rate)
        if self._tap is not None:
            self._tap.on_loss(missing)
        self._make_ready(chunk.samples)
        return self.recognizer.skip(missing, reason)

    def _make_ready(self, samples: Samples, *, last: bool = False) -> None:
        self._ready = self._resampler.push(samples, last=last)
        if self._tap is not None:
            self._tap.on_samples(self._ready)
