"""The benchmark measures something, and its file is what it should be; how long things take is not for tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from stream_ser.bench import load, process, report, soak, timing
from stream_ser.models.providers import CPU, ProviderChoice

pytestmark = pytest.mark.integration


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "STREAM_COUNTS", (1, 3))
    monkeypatch.setattr(load, "HOPS_OF_MANY", 2)
    monkeypatch.setattr(timing, "HOPS", 20)
    monkeypatch.setattr(timing, "WARM_UP_HOPS", 8)
    monkeypatch.setattr(process, "IDLE_S", 0.5)


@pytest.mark.usefixtures("brief")
def test_the_file_holds_every_figure(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    report.bench(ProviderChoice.CPU, 0.1, 1.0, file, Console(quiet=True))
    result = json.loads(file.read_text())
    assert result["provider"] == CPU
    assert {"machine", "commit", "command"} <= set(result)
    assert set(result["hop_ms"]) == {"p50", "p99", "stages"}
    assert set(result["hop_ms"]["stages"]) == {"voice activity", "MFCC", "models", "decision", "message"}
    spreads = [result["hop_ms"], result["end_to_end_ms"], *result["hop_ms"]["stages"].values()]
    assert all(0.0 < spread["p50"] <= spread["p99"] for spread in spreads)
    assert [point["n"] for point in result["streams"]] == [1, 3]
    assert all(0.0 < point["p50_ms"] <= point["p99_ms"] and point["cpu_percent"] > 0.0 for point in result["streams"])
    assert result["max_streams_realtime"] in (0, 1, 3)
    assert result["ready_s"] > 0.0
    assert result["rss_mb"] > 10.0
    assert 0.0 <= result["idle_cpu_percent"] < 100.0


def test_the_file_of_a_soak_run_holds_its_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "PACE", 10.0)  # at which a busy machine loses little
    file = tmp_path / "soak.json"
    report.soak(0.02, file, Console(quiet=True))
    result = json.loads(file.read_text())
    assert result["command"] == "stream-ser bench --soak 0.02"
    assert result["messages"] > 100
    assert result["visits"] >= 1
    samples = result["samples"]
    assert len(samples) > 10
    assert samples[-1]["audio_h"] == pytest.approx(0.02, abs=0.002)
    assert all(sample["rss_mb"] > 20 and sample["threads"] > 2 and sample["descriptors"] > 5 for sample in samples)
    assert [sample["audio_h"] for sample in samples] == sorted(sample["audio_h"] for sample in samples)
