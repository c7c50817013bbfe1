"""What Prometheus may ask about: https://prometheus.io/docs/practices/naming gives the names their form."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST

_REGISTRY = CollectorRegistry()
ProcessCollector(registry=_REGISTRY)

_QUICK = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Seconds, around what a hop takes and what it may take."""

_STAGES = Histogram(
    "stream_ser_stage_seconds",
    "Time of one stage, for the hops of all streams together.",
    ["stage"],
    registry=_REGISTRY,
    buckets=_QUICK,
)
HEAR, ANSWER, DELIVER = (_STAGES.labels(stage) for stage in ("hear", "answer", "deliver"))
LATENCY = Histogram(
    "stream_ser_latency_seconds",
    "From the step that took a hop's audio to its message in the queues.",
    registry=_REGISTRY,
    buckets=_QUICK,
)
STREAMS = Gauge("stream_ser_streams", "Streams that are heard now.", registry=_REGISTRY)
CLIENTS = Gauge("stream_ser_clients", "Connections open now.", registry=_REGISTRY)
SENT = Counter("stream_ser_messages_sent", "Messages sent to clients.", registry=_REGISTRY)
DROPPED = Counter(
    "stream_ser_messages_dropped",
    "Messages not sent: an interim one replaced by a newer one, or to a client too far behind.",
    ["reason"],
    registry=_REGISTRY,
)
LOST = Counter("stream_ser_audio_lost_seconds", "Audio never heard, of all streams.", ["reason"], registry=_REGISTRY)
EMOTIONS = Counter("stream_ser_final_emotions", "Utterances labelled, without saying how.", registry=_REGISTRY)
REFUSED = Counter("stream_ser_connections_refused", "Connections turned away.", ["reason"], registry=_REGISTRY)
SOURCE_UP = Gauge("stream_ser_source_up", "1 while the daemon's own source is heard, 0 while it is lost.", registry=_REGISTRY)


def exposition() -> bytes:
    """All of them in the text format."""
    return generate_latest(_REGISTRY)
