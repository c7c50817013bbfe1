"""``stream-ser train``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from stream_ser.errors import UserError, choose
from stream_ser_train.cli.data import open_data
from stream_ser_train.data.corpus import cache_folder
from stream_ser_train.data.splits import sample
from stream_ser_train.workers import import_tensorflow

if TYPE_CHECKING:
    from stream_ser_train.evaluation.training_run import TrainingResult


class RecipeChoice(StrEnum):
    """Values of ``--recipe``."""

    RECIPE = "ours"
    BASELINE = "original"


def train_command(data: Sequence[Path], out: Path, recipe: str, seed: int, quick: bool, console: Console) -> None:
    """Measure a recipe, and write bundles and report into ``out``; the baseline is measured only.

    Raises:
        UserError: ``recipe`` is no choice, or the user pressed Ctrl-C.
        CorpusError: the data cannot be trained on.
        ParityError: Keras and ONNX disagree.
    """
    import_tensorflow()
    from stream_ser_export.convert import TOLERANCE

    from stream_ser_train.evaluation.training_run import TrainingRun, train_baseline
    from stream_ser_train.fitting.fit import InterruptedFitError
    from stream_ser_train.fitting.recipe import FULL, QUICK, QUICK_CLIPS

    choice = choose(RecipeChoice, recipe, "--recipe")
    corpus = open_data(data, console)
    if quick:
        corpus = sample(corpus, QUICK_CLIPS)
    command = f"stream-ser train --recipe {choice.value} --seed {seed}" + (" --quick" if quick else "")
    run = TrainingRun(QUICK if quick else FULL, seed, out, cache_folder(), command, console)
    try:
        result = run.train(corpus) if choice is RecipeChoice.RECIPE else train_baseline(run, corpus)
    except InterruptedFitError as stopped:
        if stopped.checkpoint is None:
            raise UserError("stopped before the first checkpoint; nothing was written") from None
        raise UserError(f"stopped; the last checkpoint is in {stopped.checkpoint}; the same command resumes from it") from None
    except KeyboardInterrupt:
        raise UserError("stopped; what was computed is cached, and the same command resumes from it") from None
    if result.parity:
        agreement = max(result.parity.values())
        console.print(f"Keras and ONNX agree to {agreement:.1e} (limit {TOLERANCE:.0e}).", highlight=False)
    _write_report(result, out)
    console.print("On held-out speakers:")
    for name, scores in result.scores.items():
        accuracy = f"UAR {scores.uar:.1%}, accuracy {scores.accuracy:.1%}"
        console.print(f"{name:<14} {accuracy}, calibration error {result.calibration_errors[name]:.3f}", highlight=False)
    console.print(f"Report: {out / 'report.md'}", soft_wrap=True, highlight=False)
    if choice is RecipeChoice.RECIPE:
        console.print(f"Listen with these models: stream-ser listen --models {out}", soft_wrap=True, highlight=False)


def _write_report(result: TrainingResult, out: Path) -> None:
    """Write metrics, plots and the page that shows them into ``out``."""
    from stream_ser_train.report.markdown import write_report
    from stream_ser_train.report.plots import plot_confusion, plot_learning

    if result.histories:
        plot_learning(result.histories, out / "learning-curves.png")
    for name, scores in result.scores.items():
        plot_confusion(scores, f"{name}, {', '.join(result.held_out_speakers)} held out", out / f"confusion-{name}.png")
    metrics = result.encode()
    (out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    write_report(metrics, sorted(file.name for file in out.glob("*.png")), out / "report.md")
