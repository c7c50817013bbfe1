"""From what a client declares and sends to a stream of the engine. No socket and no clock."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stream_ser.core.host import HostedStream
from stream_ser.events import RATE_LIMITED, SOURCE_LOST
from stream_ser.protocol import AudioEnd, AudioStart, Error, Reset
from stream_ser.server.pcm import Pace, PcmDecoder

ERROR_INTERVAL_S = 1.0
"""At least so long between two errors about audio that came too fast."""

Samples = NDArray[np.float32]


class UploadSession:
    """One client's audio: its format, its pace, and the stream that it goes to.

    Args:
        open_stream: opens a stream at a rate, in Hz; called once, when the format is known.
        send_error: called with what the client did wrong.
        batch: whether audio may come faster than real time.
    """

    def __init__(self, open_stream: Callable[[int], HostedStream], send_error: Callable[[Error], None], *, batch: bool) -> None:
        self._open_stream, self._send_error, self._batch = open_stream, send_error, batch
        self.stream: HostedStream | None = None
        """Open once the client has declared its format."""
        self.ended = False
        """Whether no more audio comes."""
        self._last_error_at = -ERROR_INTERVAL_S
        self._dropped = 0
        """Samples that came too fast, after all that was accepted."""

    @property
    def time(self) -> float:
        """Seconds of the client's audio so far."""
        return 0.0 if self.stream is None else self.stream.time

    def on_control(self, message: AudioStart | AudioEnd | Reset, now: float) -> None:
        """Process a message received ``now``, in seconds of any clock that goes on."""
        match message:
            case AudioStart() if self.stream is not None:
                self._error("audio_started", "the format of this audio is known; connect anew for another")
            case AudioStart():
                self._format, self._decoder = message, PcmDecoder(message)
                self._pace = Pace(message.sample_rate, now)
                self.stream = self._open_stream(message.sample_rate)
            case _ if self.stream is None or self.ended:
                self._refuse_audio()
            case Reset():
                self._decoder = PcmDecoder(self._format)
                self.stream.interrupt(0, SOURCE_LOST)
            case AudioEnd():
                if not self._decoder.is_aligned:
                    self._error("bad_audio", "the last bytes were no whole sample; they are left out")
                self.end()

    def on_audio(self, data: bytes, now: float) -> Samples:
        """The samples to write to the stream, of a binary message received ``now``: fewer where it came too fast."""
        if self.stream is None or self.ended:
            self._refuse_audio()
            return np.empty(0, np.float32)
        self._report_dropped()
        samples = self._decoder.decode(data)
        if self._batch:
            return samples
        accepted = self._pace.accept(len(samples), now)
        if accepted < len(samples):
            self._dropped += len(samples) - accepted
            if now - self._last_error_at >= ERROR_INTERVAL_S:
                self._last_error_at = now
                self._error("rate_limited", "audio came faster than real time; slow down, or connect to ?mode=batch")
        return samples[:accepted]

    def end(self) -> None:
        """No more audio comes: the client declared its end, or is gone."""
        self._report_dropped()
        self.ended = True
        if self.stream is not None:
            self.stream.end()

    def _report_dropped(self) -> None:
        if self.stream is not None and self._dropped:
            self.stream.interrupt(self._dropped, RATE_LIMITED)
            self._dropped = 0

    def _refuse_audio(self) -> None:
        reason = "it is over" if self.ended else "send audio_start first, with the sample_rate"
        self._error("no_audio_start", f"no audio is expected: {reason}")

    def _error(self, code: str, message: str) -> None:
        self._send_error(Error(code=code, message=message))
