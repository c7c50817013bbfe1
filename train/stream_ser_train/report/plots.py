"""Plots of reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from stream_ser_train.data.emotions import EMOTIONS
from stream_ser_train.evaluation.scores import Scores
from stream_ser_train.fitting.calibration import Predictions, Reliability, Withheld, risk_by_coverage
from stream_ser_train.fitting.fit import History

matplotlib.use("Agg")


def plot_confusion(scores: Scores, title: str, file: Path) -> None:
    """Share of each emotion's clips that got each label, in percent."""
    counts = scores.counts
    shown = counts if counts[:, -1].any() else counts[:, :-1]
    labels = [*EMOTIONS, "(none)"][: shown.shape[1]]
    share = 100.0 * shown / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(7.2, 6.2), layout="constrained")
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0.0, vmax=100.0)
    for row, column in np.ndindex(*share.shape):
        colour = "white" if share[row, column] > 55.0 else "black"
        axes.text(column, row, f"{share[row, column]:.0f}", ha="center", va="center", color=colour, fontsize=9)
    axes.set_xticks(range(len(labels)), labels, rotation=40, ha="right")
    axes.set_yticks(range(len(EMOTIONS)), EMOTIONS)
    axes.set_xlabel("predicted")
    axes.set_ylabel("acted")
    axes.set_title(
        f"{title}\nUAR {scores.uar:.1%}, accuracy {scores.accuracy:.1%}, {counts.sum()} clips; % of row", fontsize=11
    )
    figure.savefig(file, dpi=110)


def plot_learning(histories: Mapping[str, History], file: Path) -> None:
    """Training loss and held-out accuracy by epoch, one column a model."""
    figure = Figure(figsize=(4.6 * len(histories), 5.6), layout="constrained")
    grid = figure.subplots(2, len(histories), squeeze=False, sharex="col")
    for column, (name, history) in enumerate(histories.items()):
        loss, accuracy = grid[0, column], grid[1, column]
        loss.plot(range(1, len(history.loss) + 1), history.loss)
        loss.set_title(name)
        loss.set_ylabel("training loss")
        accuracy.plot(
            [e for e, _ in history.held_out], [100.0 * a for _, a in history.held_out], marker="o", color="tab:orange"
        )
        accuracy.set_ylabel("accuracy on held-out speakers, %")
        accuracy.set_xlabel("epoch")
        accuracy.set_ylim(0.0, 100.0)
        for axes in (loss, accuracy):
            axes.grid(alpha=0.3)
    figure.savefig(file, dpi=110)


def plot_reliability(models: Mapping[str, Reliability], file: Path) -> None:
    """How often predictions of each confidence were right: on the diagonal the probability is that frequency."""
    figure = Figure(figsize=(4.2 * len(models), 4.6), layout="constrained")
    for axes, (name, reliability) in zip(figure.subplots(1, len(models), squeeze=False)[0], models.items(), strict=True):
        axes.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle="--")
        filled = reliability.count > 0
        sizes = 12.0 + 300.0 * reliability.count[filled] / reliability.count.sum()
        axes.plot(reliability.confidence[filled], reliability.accuracy[filled], linewidth=1)
        axes.scatter(reliability.confidence[filled], reliability.accuracy[filled], s=sizes)
        axes.set_xlim(0.0, 1.0)
        axes.set_ylim(0.0, 1.0)
        axes.set_xlabel("confidence (dots: share of the predictions)")
        axes.set_ylabel("share that was right")
        axes.set_title(f"{name}, calibration error {reliability.error:.3f}")
        axes.grid(alpha=0.3)
    figure.savefig(file, dpi=110)


def plot_risk(predictions: Predictions, emotions: Sequence[int], chosen: Withheld, file: Path) -> None:
    """Share of wrong labels against share of utterances that get one, and the threshold for `uncertain`."""
    _, risk = risk_by_coverage(predictions, emotions)
    coverage = np.arange(1, len(risk) + 1) / len(risk)
    point = (100.0 * chosen.coverage, 100.0 * chosen.risk)
    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.plot(100.0 * coverage, 100.0 * risk)
    axes.scatter(*point, color="tab:red", zorder=3)
    axes.annotate(
        f"uncertain below {chosen.threshold:g}", point, xytext=(-10, 8), textcoords="offset points", ha="right"
    )  # fmt: skip
    axes.set_xlabel("utterances that get a label, %")
    axes.set_ylabel("of those, wrong labels, %")
    axes.set_xlim(0.0, 100.0)
    axes.set_ylim(bottom=0.0)
    axes.grid(alpha=0.3)
    figure.savefig(file, dpi=110)


def plot_curve(curve: Sequence[Mapping[str, float]], final: float, file: Path) -> None:
    """UAR against seconds of speech so far."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.plot([point["seconds"] for point in curve], [100.0 * point["uar"] for point in curve], marker="o")
    axes.axhline(100.0 * final, color="grey", linewidth=1, linestyle="--", label="whole utterance")
    axes.axhline(12.5, color="grey", linewidth=1, linestyle=":", label="guessing")
    axes.set_xlabel("seconds of speech")
    axes.set_ylabel("UAR, %")
    axes.set_ylim(bottom=0.0)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(file, dpi=110)
