"""Figures in the README are those of the result files."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from stream_ser.features import MfccSettings
from stream_ser.models.bundle import BUNDLED, MODELS, load_bundle
from stream_ser.models.decision import FUSED_TEMPERATURE, DecisionSettings
from stream_ser.models.providers import CPU

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]


def percent(fraction: float) -> str:
    return f"{100 * fraction:.1f}"


def test_the_table_of_results_is_that_of_the_result_file() -> None:
    models = json.loads((ROOT / "docs/results/speaker-independent.json").read_text())["models"]
    readme = (ROOT / "README.md").read_text()
    for name, model in models.items():
        row = f"| {name} | {percent(model['uar']['mean'])} | {percent(model['accuracy']['mean'])} |"
        assert row in readme, f"README lacks: {row}"
    for name in ("lstm", "mlp", "fused"):
        assert f"{percent(models[name]['uar']['per_fold'][0])} ({name})" in readme, "of the fold that nothing was chosen by"
    assert f"the fused one is {models['fused']['ece']:.3f}" in readme


def test_figures_of_live_streams_are_those_of_the_result_file() -> None:
    result = json.loads((ROOT / "docs/results/streaming.json").read_text())
    readme = (ROOT / "README.md").read_text()
    after = {point["seconds"]: percent(point["uar"]) for point in result["curve"]}
    assert f"{percent(result['streaming_uar'])} at the end of an utterance" in readme
    assert f"{after[0.5]} after half a second of speech, {after[1.0]} after\n  one, {after[1.5]} after one and a half" in readme


def test_the_leaky_figure_is_that_of_the_result_file() -> None:
    result = json.loads((ROOT / "docs/results/random.json").read_text())
    assert result["leaky"]
    assert (
        f"in random splits by clip, as many publications report: {percent(result['models']['fused']['uar']['mean'])}."
        in (ROOT / "README.md").read_text()
    )


def test_figures_of_rooms_and_channels_are_those_of_the_result_file() -> None:
    conditions = json.loads((ROOT / "docs/results/robustness.json").read_text())["conditions"]
    found = {name: percent(condition["uar"]) for name, condition in conditions.items()}
    readme = (ROOT / "README.md").read_text()
    assert f"clean {found['clean']};" in readme
    for kind in ("white", "pink", "babble"):
        assert f"{found[f'{kind} noise 10 dB']} ({kind})" in readme
    assert f"over a telephone {found['telephone band']}; in a small room {found['small room']};" in readme
    assert f"20 dB quieter {found['gain -20 dB']}, 12 dB louder {found['gain +12 dB']}." in readme


def test_the_threshold_is_the_default_and_withholds_what_is_claimed() -> None:
    readme = (ROOT / "README.md").read_text()
    assert f"Below {DecisionSettings().threshold:g} the label is `uncertain`" in readme
    uncertain = json.loads((ROOT / "docs/results/speaker-independent.json").read_text())["uncertain"]
    assert uncertain["threshold"] == DecisionSettings().threshold
    withheld = round(100 * (1.0 - uncertain["coverage"]))
    assert f"held-out voices that is {withheld} utterances in 100, and two in three of the labels it withholds" in readme
    assert round(3 * uncertain["risk_withheld"]) == 2, "two in three"


def test_the_temperatures_are_what_held_out_speakers_ask_for() -> None:
    found = json.loads((ROOT / "docs/results/speaker-independent.json").read_text())["temperatures"]
    baked = {"fused": FUSED_TEMPERATURE}
    for model in MODELS:
        bundle = load_bundle(BUNDLED / f"{model}.onnx", MfccSettings(), [CPU])
        baked[model] = bundle.metadata.training["recipe"]["temperature"]
    assert {model: round(sum(by_fold) / len(by_fold), 2) for model, by_fold in found.items()} == baked


def test_no_label_on_what_nobody_says_is_a_measured_claim() -> None:
    signals = json.loads((ROOT / "docs/results/non-speech.json").read_text())["signals"]
    assert len(signals) == 7
    assert all(signal == {"minutes": 10.0, "emotion_messages": 0} for signal in signals.values())


def test_the_table_of_costs_is_that_of_the_result_files() -> None:
    readme = (ROOT / "README.md").read_text()
    for row in runpy.run_path(str(ROOT / "docs/make_performance.py"))["table"]():
        assert row in readme, f"README lacks: {row}"


def test_the_pages_it_points_to_are_there() -> None:
    readme = (ROOT / "README.md").read_text()
    targets = [part.split(")")[0] for part in readme.split("](")[1:]]
    assert targets
    for target in targets:
        assert (ROOT / target).exists(), target


def test_what_a_soak_run_found_is_that_of_the_result_file() -> None:
    found = json.loads((ROOT / "docs/results/soak.json").read_text())
    looks, readme = found["looks"], (ROOT / "README.md").read_text()
    (early,) = (look["rss_mb"] for look in looks if look["audio_h"] == 0.5)
    assert f"Over {found['hours']:g} hours of audio" in readme
    assert f"from\n{early:g} MB after half an hour to {looks[-1]['rss_mb']:g} MB" in readme
    assert len({look["threads"] for look in looks[1:-1]}) == len({look["descriptors"] for look in looks[1:-1]}) == 1
    assert max(look["drift_s"] for look in looks) <= 0.2, "never more than 0.2 s"
    assert found["lost_to_overload_s"] == 0.0, "nothing was lost"


def test_figures_of_many_clients_are_those_of_the_result_file() -> None:
    found = json.loads((ROOT / "docs/results/fan-out.json").read_text())
    many, alone, beside = (found[name]["last_ms"] for name in ("subscribers", "good", "good_beside_stalled"))
    readme = (ROOT / "README.md").read_text()
    assert f"With {found['subscribers']['clients']:,} subscribers, the last is told {many['p50']} ms after" in readme
    assert f"after the first (p99 {many['p99']}), and none misses a message" in readme
    assert found["subscribers"]["replaced"] == 0
    assert f"p99 {beside['p99']} ms beside them, {alone['p99']} without" in readme
