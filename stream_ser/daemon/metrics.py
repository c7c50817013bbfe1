"""What is counted for Prometheus; https://prometheus.io/docs/practices/naming gives the names their form.

Counts are plain numbers until somebody reads them: prometheus_client, which costs some megabytes, is imported by the first
``GET /metrics``.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from stream_ser.events import Emotion, Event, Gap

if TYPE_CHECKING:
    from prometheus_client import Metric

CONTENT_TYPE = "text/plain; version=1.0.0; charset=utf-8"

_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Around what a hop takes and what it may take."""

_STAGES = ("frontend", "inference", "delivery")


class _Durations:
    """A histogram."""

    def __init__(self) -> None:
        self._counts = [0] * (len(_BUCKETS_S) + 1)
        self.sum_s = 0.0

    def observe(self, seconds: float) -> None:
        self._counts[bisect_left(_BUCKETS_S, seconds)] += 1
        self.sum_s += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Upper bounds, and how many durations are within each."""
        total, found = 0, []
        for bound, count in zip((*map(str, _BUCKETS_S), "+Inf"), self._counts, strict=True):
            total += count
            found.append((bound, float(total)))
        return found


class Metrics:
    """The metrics of one process; observes its engine and its server. Methods may be called on any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stages = {stage: _Durations() for stage in _STAGES}
        self._latency = _Durations()
        self._streams = self._failed = self._clients = self._sent = self._emotions = 0
        self._dropped, self._refused, self._lost = Counter[str](), Counter[str](), dict[str, float]()
        self._source_up = True

    def exposition(self) -> bytes:
        """All metrics in the text format."""
        from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now; called by the registry of :meth:`exposition`."""
        from prometheus_client.core import CounterMetricFamily as Count
        from prometheus_client.core import GaugeMetricFamily as Gauge
        from prometheus_client.core import HistogramMetricFamily as Histogram

        with self._lock:
            stages = Histogram(
                "stream_ser_stage_seconds", "Time of one stage, for the hops of all streams together.", labels=["stage"]
            )
            for stage, durations in self._stages.items():
                stages.add_metric([stage], durations.buckets(), durations.sum_s)
            latency = Histogram(
                "stream_ser_latency_seconds", "From the step that took a hop's audio to its message in the queues."
            )
            latency.add_metric([], self._latency.buckets(), self._latency.sum_s)
            dropped = Count(
                "stream_ser_messages_dropped",
                "Messages not sent: an interim one replaced by a newer one, or to a client too far behind.",
                labels=["reason"],
            )
            refused = Count("stream_ser_connections_refused", "Connections refused.", labels=["reason"])
            lost = Count("stream_ser_audio_lost_seconds", "Audio never processed, of all streams.", labels=["reason"])
            for family, by_reason in ((dropped, self._dropped), (refused, self._refused), (lost, self._lost)):
                for reason, value in by_reason.items():
                    family.add_metric([reason], value)
            yield from (stages, latency, dropped, refused, lost)
            yield Gauge("stream_ser_streams", "Streams open now.", self._streams)
            yield Count("stream_ser_streams_failed", "Streams ended by an internal error.", self._failed)
            yield Gauge("stream_ser_clients", "Connections open now.", self._clients)
            yield Count("stream_ser_messages_sent", "Messages sent to clients.", self._sent)
            yield Count("stream_ser_final_emotions", "Utterances labelled; the labels are not counted.", self._emotions)
            yield Gauge(
                "stream_ser_source_up", "1 while the daemon's own source gives audio, 0 while it is lost.", self._source_up
            )

    def count_events(self, events: Iterable[Event]) -> None:
        """Count lost audio and labelled utterances of any stream."""
        with self._lock:
            for event in events:
                if isinstance(event, Gap):
                    self._lost[event.reason] = self._lost.get(event.reason, 0.0) + event.seconds
                elif isinstance(event, Emotion) and event.is_final:
                    self._emotions += 1

    def set_source_up(self, up: bool) -> None:
        self._source_up = up

    # EngineObserver

    def stream_opened(self) -> None:
        with self._lock:
            self._streams += 1

    def stream_closed(self, *, failed: bool) -> None:
        with self._lock:
            self._streams -= 1
            self._failed += failed

    def step_finished(self, frontend_s: float, inference_s: float, delivery_s: float) -> None:
        with self._lock:
            for stage, seconds in zip(_STAGES, (frontend_s, inference_s, delivery_s), strict=True):
                self._stages[stage].observe(seconds)

    def events_delivered(self, latency_s: float) -> None:
        with self._lock:
            self._latency.observe(latency_s)

    # ServerObserver

    def client_connected(self) -> None:
        with self._lock:
            self._clients += 1

    def client_disconnected(self) -> None:
        with self._lock:
            self._clients -= 1

    def message_sent(self) -> None:
        with self._lock:
            self._sent += 1

    def message_dropped(self, reason: str) -> None:
        with self._lock:
            self._dropped[reason] += 1

    def connection_refused(self, reason: str) -> None:
        with self._lock:
            self._refused[reason] += 1
