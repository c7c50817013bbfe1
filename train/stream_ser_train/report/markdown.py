"""Results as Markdown pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stream_ser_train.data.emotions import EMOTIONS


def write_report(metrics: dict[str, Any], pictures: Sequence[str], file: Path) -> None:
    """The page of one training run, from the content of its metrics.json."""
    speakers = ", ".join(metrics["held_out_speakers"])
    corpus = metrics["corpus"]
    lines = [
        "# Training report",
        "",
        f"{corpus['clips']} clips of {corpus['speakers']} speakers; {metrics['wall_s']:.0f} s on {metrics['machine']}.",
        f"Command `{metrics['command']}`, commit `{metrics['commit']}`.",
        "",
        f"## On held-out speakers: {speakers}",
        "",
        "Measured on models trained without these speakers."
        + (" The exported bundles were then trained on all speakers with the same recipe." if metrics["parity"] else ""),
        "",
        *score_table({name: (model["uar"], model["accuracy"], model["recall"]) for name, model in metrics["models"].items()}),
        "",
        "Expected calibration error in 15 bins: "
        + ", ".join(f"{name} {model['ece']:.3f}" for name, model in metrics["models"].items())
        + ".",
    ]
    if metrics["parity"]:
        lines += ["", "## Keras against ONNX", "", "Largest difference of a probability on real windows:", ""]
        lines += [f"- {name}: {difference:.1e}" for name, difference in metrics["parity"].items()]
    lines += ["", *(f"![{Path(picture).stem}]({picture})" for picture in pictures)]
    file.write_text("\n".join(lines) + "\n")


def write_evaluation(result: dict[str, Any], pictures: Sequence[str], file: Path) -> None:
    """The page of one evaluation, from the content of its result file."""
    lines = [
        f"# Evaluation: {result['protocol']}",
        "",
        f"{len(result['folds'])} splits, seeds {', '.join(map(str, result['seeds']))};"
        f" {result['wall_s']:.0f} s on {result['machine']}.",
        f"Command `{result['command']}`, commit `{result['commit']}`.",
        "",
    ]
    if result["leaky"]:
        lines += ["**Leaky**: the same voices are on both sides of each split. Read the speaker-independent page.", ""]
    lines += evaluation_table(result)
    names = " | ".join(fold["name"] for fold in result["folds"])
    lines += ["", "UAR by split, %, and expected calibration error in 15 bins:", ""]
    lines += [f"| model | {names} | spread over seeds | calibration error |", "|---" * (len(result["folds"]) + 3) + "|"]
    for name, model in result["models"].items():
        cells = " | ".join(f"{100 * value:.1f}" for value in model["uar"]["per_fold"])
        spread = f"±{100 * model['uar']['std']:.1f}" if len(result["seeds"]) > 1 else "one seed"
        lines.append(f"| {name} | {cells} | {spread} | {model['ece']:.3f} |")
    lines += ["", *(f"![{Path(picture).stem}]({picture})" for picture in pictures)]
    file.write_text("\n".join(lines) + "\n")


def write_search(result: dict[str, Any], file: Path) -> None:
    """The page of a search: the effect of each part of the recipe on inner held-out speakers."""
    lines = [
        "# What the recipe was chosen by",
        "",
        f"Command `{result['command']}`, commit `{result['commit']}`, {result['machine']}.",
        "",
        "UAR in % on inner splits, one seed. For each test fold: models trained on neither its speakers nor those of one",
        "other fold, tested on that other. No clip of a test fold has part in its column. What ships are several members,",
        "trained three times as long as most of these: each variant differs from the brief form of that in one thing.",
    ]
    for model, variants in result["variants"].items():
        folds = range(len(next(iter(variants.values()))["per_fold"]))
        lines += ["", f"## {model}", ""]
        lines += [f"| variant | mean | {' | '.join(f'for fold {number}' for number in folds)} | minutes |"]
        lines += ["|---" * (len(folds) + 3) + "|"]
        for name, scores in sorted(variants.items(), key=lambda item: -item[1]["inner_uar"]):
            cells = " | ".join(f"{100 * value:.1f}" for value in scores["per_fold"])
            lines.append(f"| {name} | **{100 * scores['inner_uar']:.1f}** | {cells} | {scores['training_s'] / 60:.0f} |")
        choices = ", ".join(f"fold {number}: {name}" for number, name in enumerate(result["best_by_fold"][model]))
        lines += ["", f"Best by the inner scores of each fold alone: {choices}."]
    file.write_text("\n".join(lines) + "\n")


def evaluation_table(result: dict[str, Any]) -> list[str]:
    """The table of one evaluation, from the content of its result file."""
    return score_table({name: (m["uar"]["mean"], m["accuracy"]["mean"], m["recall"]) for name, m in result["models"].items()})


def score_table(models: dict[str, tuple[float, float, dict[str, float]]]) -> list[str]:
    """A table of UAR, accuracy and recall by emotion, in percent."""
    lines = [f"| model | UAR % | accuracy % | {' | '.join(EMOTIONS)} |", "|---" * (len(EMOTIONS) + 3) + "|"]
    for name, (uar, accuracy, recall) in models.items():
        cells = " | ".join(f"{100 * recall[emotion]:.0f}" if emotion in recall else "-" for emotion in EMOTIONS)
        lines.append(f"| {name} | **{100 * uar:.1f}** | {100 * accuracy:.1f} | {cells} |")
    return lines
