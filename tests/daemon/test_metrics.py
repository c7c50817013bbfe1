from __future__ import annotations

import subprocess
import sys

import pytest
from prometheus_client import exposition

from stream_ser.daemon.metrics import CONTENT_TYPE, Metrics
from stream_ser.events import Emotion, Gap, SpeechStart

pytestmark = pytest.mark.unit


def values(metrics: Metrics) -> dict[str, float]:
    """By sample, without those that are 0."""
    lines = (line for line in metrics.exposition().decode().splitlines() if not line.startswith("#"))
    pairs = (line.rsplit(" ", 1) for line in lines)
    return {name: float(value) for name, value in pairs if float(value) and name.startswith("stream_ser")}


def test_a_stage_has_a_time_for_each_step() -> None:
    metrics = Metrics()
    metrics.step_finished(0.25, 0.5, 0.125)
    metrics.step_finished(0.25, 0.5, 0.125)
    found = values(metrics)
    sums = {stage: found[f'stream_ser_stage_seconds_sum{{stage="{stage}"}}'] for stage in ("frontend", "inference", "delivery")}
    assert sums == {"frontend": 0.5, "inference": 1.0, "delivery": 0.25}
    assert found['stream_ser_stage_seconds_count{stage="frontend"}'] == 2
    within = {
        bound: found.get(f'stream_ser_stage_seconds_bucket{{le="{bound}",stage="frontend"}}')
        for bound in ("0.1", "0.25", "+Inf")
    }
    assert within == {"0.1": None, "0.25": 2.0, "+Inf": 2.0}


def test_the_format_is_the_one_that_is_announced() -> None:
    assert CONTENT_TYPE == exposition.CONTENT_TYPE_LATEST
    assert b"# TYPE stream_ser_messages_dropped_total counter" in Metrics().exposition()
    assert b"process_resident_memory_bytes" in Metrics().exposition()


def test_counting_needs_no_library_until_it_is_read() -> None:
    counting = "import sys; from stream_ser.daemon.metrics import Metrics; Metrics().message_sent()"
    check = "assert 'prometheus_client' not in sys.modules; Metrics().exposition(); assert 'prometheus_client' in sys.modules"
    subprocess.run([sys.executable, "-c", f"{counting}; {check}"], check=True)


def test_streams_are_counted_and_those_that_failed() -> None:
    metrics = Metrics()
    for _ in range(3):
        metrics.stream_opened()
    metrics.stream_closed(failed=False)
    metrics.stream_closed(failed=True)
    found = values(metrics)
    assert found["stream_ser_streams"] == 1
    assert found["stream_ser_streams_failed_total"] == 1


def test_lost_audio_is_counted_by_reason_and_labels_are_not_told_apart() -> None:
    metrics = Metrics()
    final = Emotion(0.0, 1.0, "sad", {"sad": 1.0}, {}, is_final=True)
    interim = Emotion(0.0, 1.0, "sad", {"sad": 1.0}, {}, is_final=False)
    metrics.count_events([SpeechStart(0.0), interim, final, Gap(0.0, 1.5, "overflow"), Gap(0.0, 0.5, "overflow")])
    found = values(metrics)
    assert found['stream_ser_audio_lost_seconds_total{reason="overflow"}'] == 2.0
    assert found["stream_ser_final_emotions_total"] == 1
    assert "sad" not in metrics.exposition().decode()


def test_what_the_server_does_is_counted() -> None:
    metrics = Metrics()
    metrics.client_connected()
    metrics.client_connected()
    metrics.client_disconnected()
    metrics.message_sent()
    metrics.message_dropped("replaced")
    metrics.connection_refused("token")
    metrics.events_delivered(0.001)
    metrics.set_source_up(False)
    found = values(metrics)
    assert found["stream_ser_clients"] == 1
    assert found["stream_ser_messages_sent_total"] == 1
    assert found['stream_ser_messages_dropped_total{reason="replaced"}'] == 1
    assert found['stream_ser_connections_refused_total{reason="token"}'] == 1
    assert found["stream_ser_latency_seconds_count"] == 1
    assert "stream_ser_source_up" not in found
