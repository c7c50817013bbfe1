"""Retrains the models on every split and seed, and scores them on clips that they were not trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from stream_ser import provenance
from stream_ser.models.bundle import MODELS
from stream_ser_train.data.corpus import Clip
from stream_ser_train.data.emotions import EMOTIONS
from stream_ser_train.data.utterances import ClipUtterances
from stream_ser_train.evaluation.plan import Plan
from stream_ser_train.evaluation.predict import CalibratedBundle, fuse, predict_with, restrict_to
from stream_ser_train.evaluation.protocols import FUSED, Protocol
from stream_ser_train.evaluation.scores import Scores, pool, score
from stream_ser_train.fitting.baseline import BASELINES
from stream_ser_train.fitting.calibration import (
    Predictions,
    Reliability,
    Withheld,
    apply_temperature,
    calibrate,
    class_priors,
    fit_temperature,
    reliability,
    withhold,
)
from stream_ser_train.fitting.jobs import train_all
from stream_ser_train.progress import Step


@dataclass(frozen=True, slots=True)
class InnerCalibration:
    """What is fitted on the inner held-out speakers of a split: those of two folds, each predicted by models without them."""

    temperatures: Mapping[str, float]
    """Of each model, and of the fused ones."""
    predictions: Predictions
    """Fused and calibrated, for the clips of the first of the two folds: over all splits, each fold once."""
    truth: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Predictions by model, seed and split, in the order of each split's test clips."""

    plan: Plan
    predictions: dict[str, list[list[Predictions]]]
    temperatures: Sequence[Mapping[str, float]]
    """By split, of each model and of the fused ones."""
    inner: Sequence[InnerCalibration]
    """By split; empty without calibration."""
    wall_seconds: float
    """Training, by all jobs together, over their number: also where a run was stopped and resumed."""

    def scores(self, model: str) -> list[list[Scores]]:
        """By seed and split."""
        return [
            [score(_truth(split.test), predictions) for split, predictions in zip(self.plan.splits, by_split, strict=True)]
            for by_split in self.predictions[model]
        ]

    def uar(self, model: str) -> float:
        """Mean over splits and seeds."""
        return float(np.mean([scores.uar for by_split in self.scores(model) for scores in by_split]))

    def calibrated(self, number: int) -> tuple[tuple[CalibratedBundle, ...], ...]:
        """The models of split ``number``, by seed."""
        split, temperatures = self.plan.splits[number], self.temperatures[number]
        trained = _truth(split.train)
        return tuple(
            tuple(
                CalibratedBundle(model, self.plan.training(model, seed, split).file, temperatures[model], trained)
                for model in MODELS
            )
            for seed in self.plan.seeds
        )

    def confusion(self, model: str) -> Scores:
        """All predictions, over splits and seeds."""
        return pool([scores for by_split in self.scores(model) for scores in by_split])

    def withheld(self) -> Withheld:
        """What ``uncertain`` withholds of the inner held-out speakers' labels; needs calibration."""
        return withhold(*self.held_out(), self.plan.recipe.threshold)

    def held_out(self) -> tuple[Predictions, tuple[int, ...]]:
        """Fused predictions, with the truth, for all inner held-out speakers; needs calibration."""
        predictions = np.concatenate([inner.predictions for inner in self.inner])
        return predictions, tuple(label for inner in self.inner for label in inner.truth)

    def reliability(self, model: str) -> Reliability:
        """Of all predictions, over splits and seeds."""
        truth = [emotion for split in self.plan.splits for emotion in _truth(split.test)]
        predictions = [np.concatenate(by_split) for by_split in self.predictions[model]]
        return reliability(np.concatenate(predictions), truth * len(predictions))


def evaluate(plan: Plan, utterances: Sequence[ClipUtterances], jobs: int, done: Step) -> Outcome:
    """Train and test every model on every split and seed, ``jobs`` at a time.

    Args:
        plan: what to train.
        utterances: of every test clip.
        jobs: trainings at a time.
        done: called after each training.
    """
    seconds = train_all(plan.bundles(), plan.baselines(), jobs, done)
    by_clip = {item.clip: item for item in utterances}

    predictions: dict[str, list[list[Predictions]]] = {
        model: [[] for _ in plan.seeds] for model in (*MODELS, *BASELINES, FUSED)
    }
    inner = [_calibrate_inner(plan, number, by_clip) for number in range(len(plan.splits))] if plan.calibrated else []
    uncalibrated = {**dict.fromkeys(MODELS, 1.0), FUSED: plan.recipe.fusion_temperature}
    temperatures = [one.temperatures for one in inner] or [uncalibrated] * len(plan.splits)
    for split, by_model in zip(plan.splits, temperatures, strict=True):
        priors = class_priors(_truth(split.train))
        for row, seed in enumerate(plan.seeds):
            tested = {}
            for model in MODELS:
                raw = predict_with(plan.training(model, seed, split), split.test, by_clip)
                tested[model] = restrict_to(split.choices, calibrate(raw, by_model[model], priors))
            tested[FUSED] = fuse([tested[model] for model in MODELS], by_model[FUSED])
            for model in BASELINES:
                tested[model] = restrict_to(split.choices, plan.baseline(model, seed, split).predictions())
            for model, found in tested.items():
                predictions[model][row].append(found)
    return Outcome(plan, predictions, temperatures, inner, seconds / jobs)


def _calibrate_inner(plan: Plan, number: int, utterances: Mapping[Clip, ClipUtterances]) -> InnerCalibration:
    """Fit the temperatures of split ``number`` on its inner held-out speakers."""
    folds = [plan.splits[other].test for _, other in plan.inner(number, MODELS[0])]
    truth = [emotion for fold in folds for emotion in _truth(fold)]
    temperatures, calibrated = {}, {}
    for model in MODELS:
        trainings = [training for training, _ in plan.inner(number, model)]
        raw = [predict_with(training, fold, utterances) for training, fold in zip(trainings, folds, strict=True)]
        temperatures[model] = fit_temperature(np.concatenate(raw), truth)
        priors = [class_priors(_truth(training.clips)) for training in trainings]
        calibrated[model] = np.concatenate(
            [calibrate(part, temperatures[model], prior) for part, prior in zip(raw, priors, strict=True)]
        )
    fused = fuse([calibrated[model] for model in MODELS], 1.0)
    temperatures[FUSED] = fit_temperature(fused, truth)
    first = len(folds[0])
    return InnerCalibration(temperatures, apply_temperature(fused, temperatures[FUSED])[:first], tuple(truth[:first]))


def summary(outcome: Outcome, protocol: Protocol, command: str) -> dict[str, Any]:
    """The result file's content; fractions of 1."""
    plan = outcome.plan
    return {
        "protocol": protocol.value,
        "leaky": protocol is Protocol.RANDOM,
        "folds": [
            {"name": split.name, "test_speakers": sorted({clip.speaker for clip in split.test}), "test_clips": len(split.test)}
            for split in plan.splits
        ],
        "seeds": list(plan.seeds),
        **provenance.origin(command),
        "wall_s": round(outcome.wall_seconds, 1),
        **(_calibration(outcome) if plan.calibrated else {}),
        "models": {model: _model_summary(outcome, model) for model in outcome.predictions},
    }


def _model_summary(outcome: Outcome, model: str) -> dict[str, Any]:
    scores = outcome.scores(model)
    uar = np.array([[one.uar for one in by_split] for by_split in scores])
    accuracy = np.array([[one.accuracy for one in by_split] for by_split in scores])
    recalls = [one.recall_by_emotion() for by_split in scores for one in by_split]
    occurring = [emotion for emotion in EMOTIONS if any(emotion in recall for recall in recalls)]
    return {
        "uar": {
            "mean": _round(uar.mean()),
            "std": _round(uar.mean(axis=1).std()),
            "per_fold": [_round(value) for value in uar.mean(axis=0)],
        },
        "accuracy": {"mean": _round(accuracy.mean()), "std": _round(accuracy.mean(axis=1).std())},
        "recall": {
            emotion: _round(np.mean([recall[emotion] for recall in recalls if emotion in recall])) for emotion in occurring
        },
        "ece": _round(outcome.reliability(model).error),
    }


def _calibration(outcome: Outcome) -> dict[str, Any]:
    return {
        "temperatures": {model: [_round(by_split[model]) for by_split in outcome.temperatures] for model in (*MODELS, FUSED)},
        "uncertain": {name: _round(value) for name, value in asdict(outcome.withheld()).items()},
    }


def _round(value: float | np.floating[Any]) -> float:
    return round(float(value), 4)


def _truth(clips: Sequence[Clip]) -> tuple[int, ...]:
    return tuple(clip.emotion for clip in clips)
