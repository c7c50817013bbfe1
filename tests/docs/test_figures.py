"""Figures of the documents are those of the result files."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from stream_ser.features import MfccSettings
from stream_ser.models.bundle import BUNDLED, MODELS, Metadata, load_bundle
from stream_ser.models.providers import CPU

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs/results"


def result(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text())


def text(page: str) -> str:
    """A page of docs/explanation, however its lines are broken."""
    return " ".join((ROOT / f"docs/explanation/{page}.md").read_text().split())


def metadata(model: str) -> Metadata:
    return load_bundle(BUNDLED / f"{model}.onnx", MfccSettings(), [CPU]).metadata


def percent(fraction: float) -> str:
    return f"{100 * fraction:.1f}"


def test_the_table_of_results() -> None:
    models, page = result("speaker-independent")["models"], text("recognition")
    for name, model in models.items():
        row = f"| {name} | {percent(model['uar']['mean'])} | {percent(model['accuracy']['mean'])} |"
        assert row in page, f"the page lacks: {row}"
    for name in ("lstm", "mlp", "fused"):
        assert f"{percent(models[name]['uar']['per_fold'][0])} ({name})" in page, "of the fold that nothing was chosen by"
    assert f"the fused one is {models['fused']['ece']:.3f}" in page


def test_live_streams() -> None:
    streaming, page = result("streaming"), text("recognition")
    after = {point["seconds"]: percent(point["uar"]) for point in streaming["curve"]}
    assert f"{percent(streaming['streaming_uar'])} at the end of an utterance" in page
    assert f"{after[0.5]} after half a second of speech, {after[1.0]} after one, {after[1.5]} after one and a half" in page


def test_windows() -> None:
    windows, page = result("streaming")["windows"], text("engine")
    assert "| " + " | ".join(f"{one['seconds']:g} s" for one in windows) + " |" in page
    assert "| " + " | ".join(percent(one["uar"]) for one in windows) + " |" in page


def test_the_leaky_figure() -> None:
    leaky = result("random")
    assert leaky["leaky"]
    fused = percent(leaky["models"]["fused"]["uar"]["mean"])
    assert f"In random splits by clip, as many publications report: {fused}" in text("recognition")


def test_rooms_and_channels() -> None:
    conditions, page = result("robustness")["conditions"], text("recognition")
    uar = {name: percent(condition["uar"]) for name, condition in conditions.items()}
    assert f"clean {uar['clean']};" in page
    for noise in ("white", "pink", "babble"):
        assert f"{uar[f'{noise} noise 10 dB']} ({noise})" in page
    assert f"over a telephone {uar['telephone band']}; in a small room {uar['small room']};" in page
    assert f"20 dB quieter {uar['gain -20 dB']}, 12 dB louder {uar['gain +12 dB']}." in page
    lost = percent(conditions["clean"]["uar"] - conditions["babble noise 5 dB"]["uar"])
    assert f"(babble) 5 dB below the speaker, {lost} points are lost" in page


def test_the_threshold_is_that_of_the_bundles_and_withholds_what_is_claimed() -> None:
    page, uncertain = text("recognition"), result("speaker-independent")["uncertain"]
    assert all(metadata(model).threshold == uncertain["threshold"] for model in MODELS)
    assert f"Below {uncertain['threshold']:g} the label is `uncertain`" in page
    withheld = round(100 * (1.0 - uncertain["coverage"]))
    assert f"held-out voices that is {withheld} utterances in 100, and two in three of the labels it withholds" in page
    assert round(3 * uncertain["risk_withheld"]) == 2, "two in three"


def test_the_temperatures_are_the_means_of_those_of_the_folds() -> None:
    found = result("speaker-independent")["temperatures"]
    bundled = {model: metadata(model).training["recipe"]["temperature"] for model in MODELS}
    bundled["fused"] = metadata("lstm").fusion_temperature
    assert {model: round(sum(by_fold) / len(by_fold), 2) for model, by_fold in found.items()} == bundled


def test_no_speech_no_label_was_measured() -> None:
    signals = result("non-speech")["signals"]
    assert len(signals) == 7
    assert all(signal == {"minutes": 10.0, "emotion_messages": 0} for signal in signals.values())


def test_the_table_of_costs() -> None:
    page = (ROOT / "docs/explanation/performance.md").read_text()
    for row in runpy.run_path(str(ROOT / "docs/make_performance.py"))["table"]():
        assert row in page, f"the page lacks: {row}"


def test_long_runs() -> None:
    soak, page = result("soak"), text("performance")
    samples = soak["samples"]
    (early,) = (one["rss_mb"] for one in samples if one["audio_h"] == 0.5)
    assert f"Over {soak['hours']:g} hours of audio" in page
    assert f"from {early:g} MB after half an hour to {samples[-1]['rss_mb']:g} MB" in page
    assert len({one["threads"] for one in samples[1:-1]}) == len({one["descriptors"] for one in samples[1:-1]}) == 1
    assert max(one["drift_s"] for one in samples) <= 0.2, "never more than 0.2 s"
    assert soak["lost_to_overload_s"] == 0.0, "nothing was lost"


def test_many_clients() -> None:
    fan_out, page = result("fan-out"), text("performance")
    many, alone, beside = (fan_out[name]["last_ms"] for name in ("subscribers", "good", "good_beside_stalled"))
    assert f"With {fan_out['subscribers']['clients']:,} subscribers, the last receives a message {many['p50']} ms after" in page
    assert f"after the first (p99 {many['p99']}), and none misses a message" in page
    assert fan_out["subscribers"]["replaced"] == 0
    assert f"p99 {beside['p99']} ms beside them, {alone['p99']} without" in page


def test_the_figures_beside_the_build_before() -> None:
    beside, page = result("beside"), (ROOT / "docs/explanation/performance.md").read_text()
    for row, name in (
        ("a hop of 1 stream", "hop_of_1_ms"),
        ("a hop of 100 streams", "hop_of_100_ms"),
        ("a hop of 400 streams", "hop_of_400_ms"),
        ("from start to ready", "ready_s"),
    ):
        assert f"| {row} | {beside['ratio'][name]:.2f} |" in page
    assert f"| memory | {beside['new']['rss_mb']:.1f} MB instead of {beside['old']['rss_mb']:.1f} |" in page
