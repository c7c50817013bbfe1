"""What is counted for Prometheus; https://prometheus.io/docs/practices/naming gives the names their form."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from stream_ser.events import Emotion, Event, Gap

CONTENT_TYPE = CONTENT_TYPE_LATEST

_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Around what a hop takes and what it may take."""


class Metrics:
    """The metrics of one process; observes its engine and its server. Methods may be called on any thread."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        stages = Histogram(
            "stream_ser_stage_seconds",
            "Time of one stage, for the hops of all streams together.",
            ["stage"],
            registry=registry,
            buckets=_BUCKETS_S,
        )
        self._frontend, self._inference, self._delivery = map(stages.labels, ("frontend", "inference", "delivery"))
        self._latency = Histogram(
            "stream_ser_latency_seconds",
            "From the step that took a hop's audio to its message in the queues.",
            registry=registry,
            buckets=_BUCKETS_S,
        )
        self._streams = Gauge("stream_ser_streams", "Streams open now.", registry=registry)
        self._failed = Counter("stream_ser_streams_failed", "Streams ended by an internal error.", registry=registry)
        self._clients = Gauge("stream_ser_clients", "Connections open now.", registry=registry)
        self._sent = Counter("stream_ser_messages_sent", "Messages sent to clients.", registry=registry)
        self._dropped = Counter(
            "stream_ser_messages_dropped",
            "Messages not sent: an interim one replaced by a newer one, or to a client too far behind.",
            ["reason"],
            registry=registry,
        )
        self._lost = Counter(
            "stream_ser_audio_lost_seconds", "Audio never processed, of all streams.", ["reason"], registry=registry
        )
        self._emotions = Counter(
            "stream_ser_final_emotions", "Utterances labelled; the labels are not counted.", registry=registry
        )
        self._refused = Counter("stream_ser_connections_refused", "Connections refused.", ["reason"], registry=registry)
        self._source_up = Gauge(
            "stream_ser_source_up", "1 while the daemon's own source gives audio, 0 while it is lost.", registry=registry
        )
        self._source_up.set(1)

    def exposition(self) -> bytes:
        """All metrics in the text format."""
        return generate_latest(self._registry)

    def count_events(self, events: Iterable[Event]) -> None:
        """Count lost audio and labelled utterances of any stream."""
        for event in events:
            if isinstance(event, Gap):
                self._lost.labels(event.reason).inc(event.seconds)
            elif isinstance(event, Emotion) and event.is_final:
                self._emotions.inc()

    def set_source_up(self, up: bool) -> None:
        self._source_up.set(up)

    # EngineObserver

    def stream_opened(self) -> None:
        self._streams.inc()

    def stream_closed(self, *, failed: bool) -> None:
        self._streams.dec()
        if failed:
            self._failed.inc()

    def step_finished(self, frontend_s: float, inference_s: float, delivery_s: float) -> None:
        self._frontend.observe(frontend_s)
        self._inference.observe(inference_s)
        self._delivery.observe(delivery_s)

    def events_delivered(self, latency_s: float) -> None:
        self._latency.observe(latency_s)

    # ServerObserver

    def client_connected(self) -> None:
        self._clients.inc()

    def client_disconnected(self) -> None:
        self._clients.dec()

    def message_sent(self) -> None:
        self._sent.inc()

    def message_dropped(self, reason: str) -> None:
        self._dropped.labels(reason).inc()

    def connection_refused(self, reason: str) -> None:
        self._refused.labels(reason).inc()
