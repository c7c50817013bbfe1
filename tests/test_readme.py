"""Figures in the README are those of the result files."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean

ROOT = Path(__file__).parents[1]


def test_the_table_of_results_is_that_of_the_result_file() -> None:
    models = json.loads((ROOT / "docs/results/speaker-independent.json").read_text())["models"]
    readme = (ROOT / "README.md").read_text()
    for name, model in models.items():
        row = f"| {name} | {100 * model['uar']['mean']:.1f} | {100 * model['accuracy']['mean']:.1f} |"
        assert row in readme, f"README lacks: {row}"


def test_the_folds_that_nothing_was_chosen_by_are_told_apart() -> None:
    models = json.loads((ROOT / "docs/results/speaker-independent.json").read_text())["models"]
    readme = (ROOT / "README.md").read_text()
    for name in ("lstm", "mlp", "fused"):
        assert f"{100 * mean(models[name]['uar']['per_fold'][2:]):.1f} ({name})" in readme


def test_no_label_on_what_nobody_says_is_a_measured_claim() -> None:
    signals = json.loads((ROOT / "docs/results/non-speech.json").read_text())["signals"]
    assert len(signals) == 7
    assert all(signal == {"minutes": 10.0, "emotion_messages": 0} for signal in signals.values())


def test_the_pages_it_points_to_are_there() -> None:
    readme = (ROOT / "README.md").read_text()
    targets = [part.split(")")[0] for part in readme.split("](")[1:]]
    assert targets
    for target in targets:
        assert (ROOT / target).exists(), target
