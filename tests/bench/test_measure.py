"""The benchmark measures something, and its file is what it should be; how long things take is not for tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from batch_sizes import record_batch_sizes
from rich.console import Console

from stream_ser.bench import measure as bench
from stream_ser.features import MfccSettings
from stream_ser.models.classifier import load_classifier
from stream_ser.models.providers import CPU, ProviderChoice
from stream_ser.speech.detector import VoiceActivity
from stream_ser.speech.gate import SpeechGate

pytestmark = pytest.mark.unit


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "STREAMS", (1, 3))
    for name, value in (("_HOPS", 20), ("_HOPS_OF_MANY", 2), ("_WARM", 8), ("_IDLE_SECONDS", 0.5)):
        monkeypatch.setattr(bench, name, value)


def test_the_speech_it_measures_with_is_speech_throughout() -> None:
    signal = bench.speech(12.0, 16_000)
    gate, silent = SpeechGate(), 0
    for probability in VoiceActivity().push(signal):
        gate.update(probability)
        silent += gate.utterance is None
    assert silent < 0.05 * gate.chunks, (silent, gate.chunks)


@pytest.mark.usefixtures("brief")
def test_the_file_holds_every_figure(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    bench.bench(ProviderChoice.CPU, 0.1, 1.0, file, Console(quiet=True))
    result = json.loads(file.read_text())
    assert result["provider"] == CPU
    assert {"machine", "commit", "command"} <= set(result)
    assert set(result["hop_ms"]) == {"p50", "p99", "stages"}
    assert set(result["hop_ms"]["stages"]) == {"voice activity", "MFCC", "models", "decision", "message"}
    spreads = [result["hop_ms"], result["end_to_end_ms"], *result["hop_ms"]["stages"].values()]
    assert all(0.0 < spread["p50"] <= spread["p99"] for spread in spreads)
    assert [one["n"] for one in result["streams"]] == [1, 3]
    assert all(0.0 < one["p50_ms"] <= one["p99_ms"] and one["cpu_percent"] > 0.0 for one in result["streams"])
    assert result["max_streams_realtime"] in (0, 1, 3)
    assert result["ready_s"] > 0.0
    assert result["rss_mb"] > 10.0
    assert 0.0 <= result["idle_cpu_percent"] < 100.0


@pytest.mark.usefixtures("brief")
def test_every_stream_is_answered_in_a_loaded_hop(bundles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = load_classifier(bundles, MfccSettings(), ProviderChoice.CPU, 3.0)
    asked = record_batch_sizes(monkeypatch, classifier)
    bench.load(classifier, 5, 0.1, 3.0, 40)
    assert len(asked) == 48
    assert sum(asked[8:]) > 0.9 * 5 * 40


def test_a_soak_run_looks_at_memory_threads_descriptors_and_drift(tmp_path: Path) -> None:
    file = tmp_path / "soak.json"
    bench.soak_for(0.05, file, Console(quiet=True))
    found = json.loads(file.read_text())
    assert found["command"] == "stream-ser bench --soak 0.05"
    assert found["messages"] > 100
    assert found["visits"] >= 1
    looks = found["looks"]
    assert len(looks) > 10
    assert looks[-1]["audio_h"] == pytest.approx(0.05, abs=0.01)
    assert all(look["rss_mb"] > 20 and look["threads"] > 2 and look["descriptors"] > 5 for look in looks)
    assert [look["audio_h"] for look in looks] == sorted(look["audio_h"] for look in looks)
