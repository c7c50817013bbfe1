"""``stream-ser train``: from a corpus to bundles and a report."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import Console
from stream_ser_export.convert import TOLERANCE

from stream_ser import __version__, provenance
from stream_ser.events import EMOTIONS
from stream_ser.models.bundle import Metadata
from stream_ser_train.data.corpus import Clip, Corpus, CorpusError
from stream_ser_train.data.splits import fold_of
from stream_ser_train.data.utterances import Heard, hear
from stream_ser_train.evaluation.evaluate import fuse
from stream_ser_train.evaluation.predict import calibrate, clip_answers
from stream_ser_train.evaluation.protocols import FUSED
from stream_ser_train.evaluation.scores import Scores, score
from stream_ser_train.fitting.calibration import reliability, shares
from stream_ser_train.fitting.fit import History, fit, keras_model
from stream_ser_train.fitting.jobs import probe
from stream_ser_train.fitting.original import ORIGINAL, clip_means
from stream_ser_train.fitting.recipe import Recipe
from stream_ser_train.networks.architectures import joined
from stream_ser_train.networks.bundling import write_bundles
from stream_ser_train.report.markdown import write_report
from stream_ser_train.report.plots import plot_confusion, plot_learning
from stream_ser_train.report.progress import bar

RAVDESS_LICENCE = "CC BY-NC-SA 4.0 (trained on RAVDESS, Livingstone and Russo 2018)"
OTHER_LICENCE = "that of the data sets it was trained on"


@dataclass(frozen=True, slots=True)
class Result:
    """What a training run learnt about itself."""

    corpus: dict[str, Any]
    held_out_speakers: tuple[str, ...]
    scores: dict[str, Scores]
    """On the held-out speakers, by models that never heard them."""
    calibration_errors: dict[str, float]
    """Expected, on the held-out speakers, by model: how far the confidences can be believed."""
    histories: dict[str, History]
    """By fit."""
    parity: dict[str, float]
    """Largest difference between Keras and ONNX, by model."""
    wall_seconds: float
    command: str
    recipe: dict[str, Any]

    def encode(self) -> dict[str, Any]:
        """The content of metrics.json; fractions of 1."""
        return {
            **provenance.origin(self.command),
            "wall_s": round(self.wall_seconds, 1),
            "corpus": self.corpus,
            "recipe": self.recipe,
            "held_out_speakers": list(self.held_out_speakers),
            "models": {
                name: {
                    "uar": round(scores.uar, 4),
                    "accuracy": round(scores.accuracy, 4),
                    "recall": {emotion: round(recall, 4) for emotion, recall in scores.recall_by_emotion().items()},
                    "ece": round(self.calibration_errors[name], 4),
                }
                for name, scores in self.scores.items()
            },
            "parity": self.parity,
        }


def hold_out(corpus: Corpus) -> tuple[str, ...]:
    """Speakers to measure on: the first fold of those present, else the last fifth of the speakers.

    Raises:
        CorpusError: one speaker cannot be on both sides.
    """
    speakers = corpus.speakers
    if len(speakers) < 2:
        raise CorpusError(
            f"the data set has one speaker only ({speakers[0]}); training needs two or more, to measure on a new voice"
        )
    folds = fold_of(speakers)
    first = tuple(speaker for speaker in speakers if folds[speaker] == 0)
    return first if 0 < len(first) < len(speakers) else speakers[-max(1, len(speakers) // 5) :]


def train(corpus: Corpus, recipe: Recipe, seed: int, out: Path, cache: Path, command: str, console: Console) -> Result:
    """Measure the recipe on held-out speakers, train it on all clips, and write bundles and report into ``out``.

    Raises:
        CorpusError: the corpus cannot be trained on.
        InterruptedFitError: the user pressed Ctrl-C.
        ParityError: Keras and ONNX disagree.
    """
    began = time.monotonic()
    speakers = hold_out(corpus)
    out.mkdir(parents=True, exist_ok=True)
    with bar(console, "hearing the clips") as step:
        heard = hear(corpus.clips, recipe.copies, recipe.features, cache, step)
    rest = [one for one in heard if one.clip.speaker not in speakers]
    held = [one for one in heard if one.clip.speaker in speakers]
    if not any(one.copies[0] for one in rest) or not any(one.copies[0] for one in held):
        raise CorpusError("no speech was heard in the clips; look them over with: stream-ser data check DIR")
    emotions = [one.clip.emotion for one in held]
    histories: dict[str, History] = {}
    answers = {}
    for name, model_recipe in recipe.models.items():
        fitted = _fit_apart(name, "held-out", rest, held, recipe, seed, out, console)
        histories |= {one: history for one, (_, history) in fitted.items()}
        answer = clip_answers(keras_model(joined([model for model, _ in fitted.values()])), held)
        answers[name] = calibrate(answer, model_recipe.temperature, shares([one.clip.emotion for one in rest]))
    answers[FUSED] = fuse(list(answers.values()))
    scores = {name: score(emotions, answer) for name, answer in answers.items()}
    errors = {name: reliability(answer, emotions).error for name, answer in answers.items()}
    parity = {}
    batch = probe(heard)
    for name, model_recipe in recipe.models.items():
        fitted = _fit_apart(name, "all", heard, [], recipe, seed, out, console)
        metadata = Metadata(
            name=name,
            version=__version__,
            labels=EMOTIONS,
            features=recipe.features,
            training={
                "corpus": _describe(corpus),
                "recipe": asdict(model_recipe),
                "copies": asdict(recipe.copies),
                "seed": seed,
            },
            metrics={
                "protocol": f"the same recipe without speakers {', '.join(speakers)}, tested on them",
                "uar": round(scores[name].uar, 4),
                "accuracy": round(scores[name].accuracy, 4),
            },
            licence=RAVDESS_LICENCE if _is_ravdess(corpus) else OTHER_LICENCE,
        )
        trained = shares([clip.emotion for clip in corpus.clips])
        parity[name] = write_bundles(
            [model for model, _ in fitted.values()],
            model_recipe.network,
            model_recipe.temperature,
            trained,
            metadata,
            batch,
            out / f"{name}.onnx",
        )
    console.print(f"Keras and ONNX agree to {max(parity.values()):.1e} (limit {TOLERANCE:.0e}).", highlight=False)
    wall = time.monotonic() - began
    result = Result(_describe(corpus), speakers, scores, errors, histories, parity, wall, command, asdict(recipe))
    plot_learning(histories, out / "learning-curves.png")
    for name, one in scores.items():
        plot_confusion(one, f"{name}, {', '.join(speakers)} held out", out / f"confusion-{name}.png")
    _write(result, out)
    return result


def train_original(corpus: Corpus, recipe: Recipe, seed: int, out: Path, cache: Path, command: str, console: Console) -> Result:
    """Measure the original project's recipe on the same held-out actors; nothing is exported.

    Raises:
        CorpusError: the corpus cannot be trained on.
    """
    began = time.monotonic()
    speakers = hold_out(corpus)
    out.mkdir(parents=True, exist_ok=True)
    rest = [clip for clip in corpus.clips if clip.speaker not in speakers]
    held = [clip for clip in corpus.clips if clip.speaker in speakers]
    with bar(console, "MFCC means of the clips") as step:
        means = dict(zip(corpus.clips, clip_means(corpus.clips, cache, step), strict=True))
    train_means = np.stack([means[clip] for clip in rest])
    test_means = np.stack([means[clip] for clip in held])
    emotions = [clip.emotion for clip in held]
    scores, errors = {}, {}
    with bar(console, "fitting") as step:
        for number, (name, fit_original) in enumerate(ORIGINAL.items(), start=1):
            answers = fit_original(train_means, [clip.emotion for clip in rest], test_means, seed, recipe.original_epochs)
            scores[name], errors[name] = score(emotions, answers), reliability(answers, emotions).error
            plot_confusion(scores[name], f"{name}, {', '.join(speakers)} held out", out / f"confusion-{name}.png")
            step(number, len(ORIGINAL))
    wall = time.monotonic() - began
    result = Result(_describe(corpus), speakers, scores, errors, {}, {}, wall, command, {"original": True})
    _write(result, out)
    return result


def sample(corpus: Corpus, clips_per_speaker: int) -> Corpus:
    """A smaller corpus: some clips of each speaker, spread over the emotions."""
    chosen: list[Clip] = []
    for speaker in corpus.speakers:
        own = sorted(corpus.of_speakers(frozenset({speaker})), key=lambda clip: (clip.emotion, clip.name))
        chosen += own[:: max(1, len(own) // clips_per_speaker)][:clips_per_speaker]
    return Corpus(tuple(sorted(chosen)))


def _fit_apart(
    name: str,
    speakers: str,
    heard: Sequence[Heard],
    held_out: Sequence[Heard],
    recipe: Recipe,
    seed: int,
    out: Path,
    console: Console,
) -> dict[str, tuple[keras.Model, History]]:
    """Every fit of one model, by what a person reads of it; each can go on from a checkpoint of its own."""
    own, fitted = recipe.models[name], {}
    clips = " ".join(one.clip.name for one in heard)
    for number, (settings, own_seed) in enumerate(own.seeded(seed), start=1):
        # Named by data and settings, so that no run goes on from another's.
        text = f"{own_seed} {own.network} {settings} {recipe.copies} {clips}"
        checkpoint = out / "checkpoints" / f"{name}-{speakers}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        label = f"{name}, fit {number} of {len(own.fits)}"
        with bar(console, f"{label}, {speakers} speakers") as step:
            fitted[label] = fit(
                own.network,
                settings,
                recipe.features,
                heard,
                own_seed,
                held_out=held_out,
                checkpoint=checkpoint,
                epoch_done=step,
            )
    return fitted


def _describe(corpus: Corpus) -> dict[str, Any]:
    return {"clips": len(corpus.clips), "speakers": len(corpus.speakers), "doubled": len(corpus.doubled)}


def _is_ravdess(corpus: Corpus) -> bool:
    return all(speaker.startswith("ravdess ") for speaker in corpus.speakers)


def _write(result: Result, out: Path) -> None:
    (out / "metrics.json").write_text(json.dumps(result.encode(), indent=2) + "\n")
    write_report(result.encode(), sorted(file.name for file in out.glob("*.png")), out / "report.md")
