"""A client's own stream: from what it declares and sends to a stream of the engine. No socket and no clock."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stream_ser.audio.ring import Discontinuity
from stream_ser.core.engine import Stream
from stream_ser.events import RATE_LIMITED
from stream_ser.protocol import AudioEnd, AudioStart, Error, Reset
from stream_ser.server.pcm import AudioReader, Pace

TOLD_EVERY = 1.0
"""Seconds between two errors about audio that came too fast."""

Samples = NDArray[np.float32]


class AudioSession:
    """What one client declared, and where its audio goes.

    Args:
        open_stream: opens a stream at a rate; called once, when the format is known.
        tell: takes what the client did wrong.
        batch: whether audio may come faster than real time; then whoever calls :meth:`write` waits for room.
    """

    def __init__(self, open_stream: Callable[[int], Stream], tell: Callable[[Error], None], *, batch: bool) -> None:
        self._open_stream, self._tell, self._batch = open_stream, tell, batch
        self.stream: Stream | None = None
        """Open once the client has declared its format."""
        self.ended = False
        """Whether the client said that its audio is over."""
        self._told = -TOLD_EVERY
        self._lost = 0
        """Samples that came too fast, after all that was written."""

    @property
    def time(self) -> float:
        """Seconds of its audio so far."""
        return 0.0 if self.stream is None else self.stream.recognizer.time

    def heed(self, message: AudioStart | AudioEnd | Reset, now: float) -> None:
        """Take a message that came ``now``."""
        match message:
            case AudioStart() if self.stream is not None:
                self._tell(Error(code="audio_started", message="the format of this audio is known; connect anew for another"))
            case AudioStart():
                self._start, self._reader = message, AudioReader(message)
                self._pace = Pace(message.sample_rate, now)
                self.stream = self._open_stream(message.sample_rate)
            case _ if self.stream is None or self.ended:
                self._refuse()
            case Reset():
                self._reader = AudioReader(self._start)
                self.stream.ring.interrupt(Discontinuity(0, self._start.sample_rate))
            case AudioEnd():
                if not self._reader.is_whole:
                    self._tell(Error(code="bad_audio", message="the last bytes were no whole sample; they are left out"))
                self.end()

    def hear(self, data: bytes, now: float) -> Samples:
        """The samples of a binary frame that came ``now``, to be given to :meth:`write`: fewer where it came too fast."""
        if self.stream is None or self.ended:
            self._refuse()
            return np.empty(0, np.float32)
        self._note_loss()
        samples = self._reader.read(data)
        if self._batch:
            return samples
        taken = self._pace.take(len(samples), now)
        if taken < len(samples):
            self._lost += len(samples) - taken
            if now - self._told >= TOLD_EVERY:
                self._told = now
                self._tell(
                    Error(code="rate_limited", message="audio came faster than real time; slow down, or connect to ?mode=batch")
                )
        return samples[:taken]

    def write(self, samples: Samples) -> None:
        """Hand samples to the stream."""
        assert self.stream is not None
        self.stream.ring.write(samples)

    def end(self) -> None:
        """No audio comes any more: the client said so, or is gone."""
        self._note_loss()
        self.ended = True
        if self.stream is not None:
            self.stream.ring.end()

    def _note_loss(self) -> None:
        if self.stream is not None and self._lost:
            self.stream.ring.interrupt(Discontinuity(self._lost, self._start.sample_rate, RATE_LIMITED))
            self._lost = 0

    def _refuse(self) -> None:
        what = "it is over" if self.ended else "say audio_start first, with the sample_rate"
        self._tell(Error(code="no_audio_start", message=f"no audio is expected: {what}"))
