"""What the daemon does now, and the messages, pages and lines that describe it. No I/O."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from stream_ser import __version__, protocol
from stream_ser.audio.sources.source import Source, SourceState
from stream_ser.events import NO_SPEECH, Emotion, Event, SpeechEnd
from stream_ser.models.classifier import Classifier
from stream_ser.protocol import StreamState

HUNG_AFTER_S = 5.0
"""Time without progress of the worker, or of a source that is not known to be lost, after which something hangs."""


class StreamProgress(Protocol):
    """How far a stream has come; a :class:`~stream_ser.core.host.HostedStream` is one."""

    @property
    def time(self) -> float: ...

    @property
    def repaired(self) -> int: ...

    @property
    def clipped(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Counts:
    """Faults of the audio so far."""

    repaired: int
    """Samples that were not finite."""
    clipped: int
    """Samples at full scale."""
    overflows: int
    """Blocks that the sound system gave incomplete."""


class DaemonState:
    """The state of the daemon's own source, its label and its recording.

    Args:
        source: the daemon's own.
        classifier: what labels it.
        hop: seconds between two answers.
        recording: folder that is written to; None while nothing is recorded.
    """

    def __init__(self, source: Source, classifier: Classifier, hop: float, recording: Path | None) -> None:
        self._source, self._classifier, self._hop = source, classifier, hop
        self.activity = StreamState.LISTENING
        self.reason = ""
        """Why the source is lost; else empty."""
        self.label = NO_SPEECH
        """The label now."""
        self.recording = recording
        self.started_at = time.time()
        """Wall clock at stream time 0, in seconds since 1970 UTC."""

    @property
    def is_listening(self) -> bool:
        return self.activity is StreamState.LISTENING

    def apply(self, event: Event) -> None:
        """Follow the label."""
        if isinstance(event, Emotion):
            self.label = event.label
        elif isinstance(event, SpeechEnd):
            self.label = NO_SPEECH

    def source_changed(self, change: SourceState, reason: str) -> None:
        """The source was lost or restored. A status with ``source_restored`` is sent once, then it is listening again."""
        self.activity, self.reason = StreamState(change.value), reason

    def counts(self, stream: StreamProgress) -> Counts:
        return Counts(stream.repaired, stream.clipped, self._source.overflows)

    def hello(self, stream_time: float) -> protocol.Hello:
        """What the source and the models are, ``stream_time`` seconds after the start."""
        classifier = self._classifier
        return protocol.Hello(
            protocol=protocol.VERSION,
            version=__version__,
            source=self._source.name,
            host_api=self._source.host_api,
            sample_rate=self._source.sample_rate,
            started_at=self.started_at,
            time=stream_time,
            labels=classifier.labels,
            hop=self._hop,
            window=classifier.window,
            models=classifier.versions,
            provider=classifier.provider,
            provider_reason=classifier.reason,
            recording=self.recording is not None,
        )

    def upload_hello(self) -> protocol.Hello:
        """The first message to a client that sends its own audio, which begins now and is never recorded."""
        return msgspec.structs.replace(
            self.hello(0.0), source="", host_api="", sample_rate=0, started_at=time.time(), recording=False
        )

    def status(self, stream: StreamProgress) -> protocol.Status:
        """The status of the daemon's own source."""
        counts = self.counts(stream)
        return protocol.Status(
            state=self.activity.value,
            reason=self.reason,
            time=stream.time,
            label=self.label,
            repaired=counts.repaired,
            clipped=counts.clipped,
            overflows=counts.overflows,
            recording=self.recording is not None,
        )

    def greeting(self, stream: StreamProgress) -> list[protocol.ServerMessage]:
        """The first messages to a client of the daemon's own source."""
        return [self.hello(stream.time), self.status(stream)]

    def health(self, worker_age_s: float, clients: int) -> dict[str, object]:
        """Content of ``/healthz``; ``ok`` is false while no audio comes or the worker hangs.

        Args:
            worker_age_s: since the worker last went on.
            clients: connections open now.
        """
        return {
            "ok": self.is_listening and worker_age_s < HUNG_AFTER_S,
            "state": self.activity.value,
            "reason": self.reason,
            "source": self._source.name,
            "worker_age_s": round(worker_age_s, 3),
            "provider": self._classifier.provider,
            "clients": clients,
        }

    def summary(self, address: str, clients: int) -> str:
        """One line for the service manager."""
        activity = (
            f"{self.activity.value} to {self._source.name}" if self.is_listening else f"{self.activity.value}: {self.reason}"
        )
        recording = "" if self.recording is None else f"; RECORDING to {self.recording}"
        return f"{activity}, {self.label}; {clients} clients at {address}; {self._classifier.provider}{recording}"
