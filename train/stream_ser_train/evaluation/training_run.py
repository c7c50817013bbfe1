"""One training run: the recipe is measured on held-out speakers, then fitted on all clips and exported."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import Console

from stream_ser import __version__, provenance
from stream_ser.models.bundle import Metadata
from stream_ser_train.data.corpus import Corpus, CorpusError, describe_clips
from stream_ser_train.data.emotions import EMOTIONS
from stream_ser_train.data.splits import fold_of
from stream_ser_train.data.utterances import ClipUtterances, extract_utterances
from stream_ser_train.evaluation.predict import accuracy, fuse, keras_predictor, predict_clips
from stream_ser_train.evaluation.protocols import FUSED
from stream_ser_train.evaluation.scores import Scores, score
from stream_ser_train.fitting.baseline import BASELINES, clip_means
from stream_ser_train.fitting.bundling import parity_windows, write_bundles
from stream_ser_train.fitting.calibration import Predictions, calibrate, class_priors, reliability
from stream_ser_train.fitting.fit import History, fit
from stream_ser_train.fitting.recipe import Recipe
from stream_ser_train.networks.architectures import join_networks
from stream_ser_train.progress import bar
from stream_ser_train.versions import FITTING_VERSION, FRONTEND_VERSION, versions

RAVDESS_LICENCE = "CC BY-NC-SA 4.0 (trained on RAVDESS, Livingstone and Russo 2018)"
OTHER_LICENCE = "that of the data sets it was trained on"


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """The figures of one training run."""

    corpus: dict[str, Any]
    held_out_speakers: tuple[str, ...]
    scores: dict[str, Scores]
    """On the held-out speakers, by models that were not trained on them."""
    calibration_errors: dict[str, float]
    """Expected, on the held-out speakers, by model: how far the confidences can be trusted."""
    histories: dict[str, History]
    """By fit."""
    parity: dict[str, float]
    """Largest difference between Keras and ONNX, by model; empty where nothing was exported."""
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


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """Where and how a run works: bundles and checkpoints go into ``out``, cached features come from ``cache``."""

    recipe: Recipe
    seed: int
    out: Path
    cache: Path
    command: str
    console: Console

    def train(self, corpus: Corpus) -> TrainingResult:
        """Measure the recipe on held-out speakers, train it on all clips, and export the bundles.

        Raises:
            CorpusError: the corpus cannot be trained on.
            InterruptedFitError: the user pressed Ctrl-C.
            ParityError: Keras and ONNX disagree.
        """
        began = time.monotonic()
        speakers = hold_out(corpus)
        self.out.mkdir(parents=True, exist_ok=True)
        with bar(self.console, "extracting utterances") as step:
            utterances = extract_utterances(corpus.clips, self.recipe.copies, self.recipe.features, self.cache, step)
        rest = [item for item in utterances if item.clip.speaker not in speakers]
        held_out = [item for item in utterances if item.clip.speaker in speakers]
        if not any(item.copies[0] for item in rest) or not any(item.copies[0] for item in held_out):
            raise CorpusError("no speech was found in the clips; check them with: stream-ser data check DIR")
        predictions, histories = self._measure(rest, held_out)
        truth = [item.clip.emotion for item in held_out]
        scores = {name: score(truth, rows) for name, rows in predictions.items()}
        errors = {name: reliability(rows, truth).error for name, rows in predictions.items()}
        parity = {name: self._export(name, corpus, utterances, speakers, scores[name]) for name in self.recipe.models}
        return TrainingResult(
            _describe(corpus),
            speakers,
            scores,
            errors,
            histories,
            parity,
            time.monotonic() - began,
            self.command,
            asdict(self.recipe),
        )

    def _measure(
        self, rest: Sequence[ClipUtterances], held_out: Sequence[ClipUtterances]
    ) -> tuple[dict[str, Predictions], dict[str, History]]:
        """Predictions for held-out clips by model, fused ones included, and the history of each fit."""
        predictions: dict[str, Predictions] = {}
        histories: dict[str, History] = {}

        def held_out_accuracy(network: keras.Model) -> float:
            return accuracy(predict_clips(keras_predictor(network), held_out), held_out)

        priors = class_priors([item.clip.emotion for item in rest])
        for name, model in self.recipe.models.items():
            fits = self._fit(name, "held-out", rest, held_out_accuracy)
            histories |= {label: history for label, (_, history) in fits.items()}
            raw = predict_clips(keras_predictor(join_networks([network for network, _ in fits.values()])), held_out)
            predictions[name] = calibrate(raw, model.temperature, priors)
        predictions[FUSED] = fuse(list(predictions.values()), self.recipe.fusion_temperature)
        return predictions, histories

    def _export(
        self,
        name: str,
        corpus: Corpus,
        utterances: Sequence[ClipUtterances],
        held_out_speakers: Sequence[str],
        scores: Scores,
    ) -> float:
        """Fit one model on all clips and write its bundle; return the largest difference between Keras and ONNX."""
        model = self.recipe.models[name]
        fits = self._fit(name, "all", utterances, None)
        metadata = Metadata(
            name=name,
            version=__version__,
            labels=EMOTIONS,
            features=self.recipe.features,
            training={
                "corpus": _describe(corpus),
                "recipe": asdict(model),
                "copies": asdict(self.recipe.copies),
                "seed": self.seed,
                "versions": versions(),
            },
            metrics={
                "protocol": f"the same recipe without speakers {', '.join(held_out_speakers)}, tested on them",
                "uar": round(scores.uar, 4),
                "accuracy": round(scores.accuracy, 4),
            },
            licence=RAVDESS_LICENCE if _is_ravdess(corpus) else OTHER_LICENCE,
            fusion_temperature=self.recipe.fusion_temperature,
            threshold=self.recipe.threshold,
        )
        return write_bundles(
            [network for network, _ in fits.values()],
            model.network,
            model.temperature,
            class_priors([clip.emotion for clip in corpus.clips]),
            metadata,
            parity_windows(utterances),
            self.out / f"{name}.onnx",
        )

    def _fit(
        self,
        name: str,
        speakers: str,
        utterances: Sequence[ClipUtterances],
        accuracy: Callable[[keras.Model], float] | None,
    ) -> dict[str, tuple[keras.Model, History]]:
        """Every fit of one model, by a label for people; each resumes from a checkpoint of its own."""
        recipe, model, fits = self.recipe, self.recipe.models[name], {}
        features = recipe.features.fingerprint()
        clips = describe_clips([item.clip for item in utterances])
        for number, (settings, seed) in enumerate(model.seeded(self.seed), start=1):
            # Named by data, settings and versions, so that no run resumes from another's.
            key = f"{FRONTEND_VERSION} {FITTING_VERSION} {seed} {model.network} {settings} {recipe.copies} {features} {clips}"
            folder = f"{name}-{speakers}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
            label = f"{name}, fit {number} of {len(model.fits)}"
            with bar(self.console, f"{label}, {speakers} speakers") as step:
                fits[label] = fit(
                    model.network,
                    settings,
                    recipe.features,
                    utterances,
                    seed,
                    accuracy=accuracy,
                    checkpoint=self.out / "checkpoints" / folder,
                    epoch_done=step,
                )
        return fits


def train_baseline(run: TrainingRun, corpus: Corpus) -> TrainingResult:
    """Measure the baseline on the held-out speakers of such a run; nothing is exported.

    Raises:
        CorpusError: the corpus cannot be trained on.
    """
    began = time.monotonic()
    speakers = hold_out(corpus)
    run.out.mkdir(parents=True, exist_ok=True)
    rest = [clip for clip in corpus.clips if clip.speaker not in speakers]
    held_out = [clip for clip in corpus.clips if clip.speaker in speakers]
    with bar(run.console, "MFCC means of the clips") as step:
        means = dict(zip(corpus.clips, clip_means(corpus.clips, run.cache, step), strict=True))
    train_means, test_means = (np.stack([means[clip] for clip in clips]) for clips in (rest, held_out))
    truth, scores, errors = [clip.emotion for clip in held_out], {}, {}
    with bar(run.console, "fitting") as step:
        for number, (name, predict) in enumerate(BASELINES.items(), start=1):
            emotions = [clip.emotion for clip in rest]
            predictions = predict(train_means, emotions, test_means, run.seed, run.recipe.baseline_epochs)
            scores[name], errors[name] = score(truth, predictions), reliability(predictions, truth).error
            step(number, len(BASELINES))
    wall = time.monotonic() - began
    return TrainingResult(_describe(corpus), speakers, scores, errors, {}, {}, wall, run.command, {"original": True})


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


def _describe(corpus: Corpus) -> dict[str, Any]:
    return {"clips": len(corpus.clips), "speakers": len(corpus.speakers), "doubled": len(corpus.duplicates)}


def _is_ravdess(corpus: Corpus) -> bool:
    return all(speaker.startswith("ravdess ") for speaker in corpus.speakers)
