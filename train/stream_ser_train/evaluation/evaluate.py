"""Retrains per split and seed, and writes down how right the models were on clips they never saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stream_ser import provenance
from stream_ser.events import EMOTIONS
from stream_ser.models import decision
from stream_ser_train.data.corpus import Clip
from stream_ser_train.data.splits import Split
from stream_ser_train.data.utterances import Heard
from stream_ser_train.evaluation.predict import Calibrated, bundle_model, calibrate, clip_answers
from stream_ser_train.evaluation.protocols import FUSED, OURS, THEIRS, Protocol
from stream_ser_train.evaluation.scores import Scores, pool, score
from stream_ser_train.fitting.calibration import (
    Answers,
    Reliability,
    Withheld,
    reliability,
    shares,
    soften,
    temperature,
    withhold,
)
from stream_ser_train.fitting.jobs import BundleTraining, OriginalTraining, train_all
from stream_ser_train.fitting.recipe import Recipe
from stream_ser_train.report.progress import Step


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that an evaluation trains."""

    splits: tuple[Split, ...]
    seeds: tuple[int, ...]
    recipe: Recipe
    cache: Path
    calibrated: bool
    """With temperatures found on speakers of the training side; needs splits that are folds by speaker."""

    def ours(self, model: str, seed: int, split: Split) -> BundleTraining:
        return BundleTraining(split.train, seed, model, self.recipe, self.cache)

    def theirs(self, model: str, seed: int, split: Split) -> OriginalTraining:
        return OriginalTraining(split.train, split.test, seed, model, self.recipe.original_epochs, self.cache)

    def without(self, one: int, other: int, model: str) -> BundleTraining:
        """The model that heard neither the speakers of fold ``one`` nor those of fold ``other``.

        It serves both folds: for each it answers clips of the other, which is on its training side. One seed of it is
        trained, the first.
        """
        tested = set(self.splits[other].test)
        clips = tuple(clip for clip in self.splits[one].train if clip not in tested)
        return BundleTraining(clips, self.seeds[0], model, self.recipe, self.cache)

    def inner(self, number: int, model: str) -> tuple[tuple[BundleTraining, int], ...]:
        """For fold ``number``: models that heard none of its speakers, each with the fold of those it did not hear either."""
        count = len(self.splits)
        after, before = (number + 1) % count, (number - 1) % count
        return (self.without(number, after, model), after), (self.without(before, number, model), before)

    def bundles(self) -> list[BundleTraining]:
        """All of our models, those that take longest first."""
        planned: list[BundleTraining] = []
        for model in OURS:
            if self.calibrated:
                planned += [training for number in range(len(self.splits)) for training, _ in self.inner(number, model)]
            planned += [self.ours(model, seed, split) for seed in self.seeds for split in self.splits]
        return planned

    def originals(self) -> list[OriginalTraining]:
        """All of theirs."""
        return [self.theirs(model, seed, split) for model in THEIRS for seed in self.seeds for split in self.splits]


_UNCALIBRATED = {**dict.fromkeys(OURS, 1.0), FUSED: decision.FUSED_TEMPERATURE}


@dataclass(frozen=True, slots=True)
class Inner:
    """What the held-out speakers of the training side of a split say: those of two folds, each heard by models without them."""

    temperatures: Mapping[str, float]
    """Of each of our models, and of them fused."""
    answers: Answers
    """Fused and calibrated, to the clips of the first of the two folds: over all splits, each fold once."""
    truth: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Answers by model, seed and split, in the order of each split's test clips."""

    plan: Plan
    answers: dict[str, list[list[Answers]]]
    temperatures: Sequence[Mapping[str, float]]
    """By split, of each of our models and of them fused."""
    inner: Sequence[Inner]
    """By split; empty without calibration."""
    wall_seconds: float
    """Training, by all jobs together, over their number: also where a run was stopped and went on."""

    def scores(self, model: str) -> list[list[Scores]]:
        """By seed and split."""
        return [
            [score(_truth(split.test), answers) for split, answers in zip(self.plan.splits, by_split, strict=True)]
            for by_split in self.answers[model]
        ]

    def uar(self, model: str) -> float:
        """Mean over splits and seeds."""
        return float(np.mean([one.uar for by_split in self.scores(model) for one in by_split]))

    def calibrated(self, number: int) -> tuple[tuple[Calibrated, ...], ...]:
        """Our models of split ``number``, by seed."""
        split = self.plan.splits[number]
        trained = _truth(split.train)
        return tuple(
            tuple(Calibrated(m, self.plan.ours(m, seed, split).file, self.temperatures[number][m], trained) for m in OURS)
            for seed in self.plan.seeds
        )

    def confusion(self, model: str) -> Scores:
        """All answers, over splits and seeds."""
        return pool([one for by_split in self.scores(model) for one in by_split])

    def withheld(self) -> Withheld:
        """What ``uncertain`` withholds of the inner held-out speakers' labels; needs calibration."""
        return withhold(*self.held_out(), decision.DecisionSettings().threshold)

    def held_out(self) -> tuple[Answers, tuple[int, ...]]:
        """Fused answers, with the truth, of all inner held-out speakers; needs calibration."""
        return np.concatenate([one.answers for one in self.inner]), tuple(label for one in self.inner for label in one.truth)

    def reliability(self, model: str) -> Reliability:
        """Of all answers, over splits and seeds."""
        truth = [emotion for split in self.plan.splits for emotion in _truth(split.test)]
        answers = [np.concatenate(by_split) for by_split in self.answers[model]]
        return reliability(np.concatenate(answers), truth * len(answers))


def evaluate(plan: Plan, heard: Sequence[Heard], jobs: int, done: Step) -> Outcome:
    """Train and test every model on every split and seed, ``jobs`` at a time.

    Args:
        plan: what to train.
        heard: the utterances of every test clip.
        jobs: trainings at a time.
        done: told after each training.
    """
    took = train_all(plan.bundles(), plan.originals(), jobs, done)
    by_clip = {one.clip: one for one in heard}

    answers: dict[str, list[list[Answers]]] = {model: [[] for _ in plan.seeds] for model in (*OURS, *THEIRS, FUSED)}
    inner = [_hear_inner(plan, number, by_clip) for number in range(len(plan.splits))] if plan.calibrated else []
    temperatures = [one.temperatures for one in inner] or [_UNCALIBRATED] * len(plan.splits)
    for split, divisors in zip(plan.splits, temperatures, strict=True):
        trained = shares(_truth(split.train))
        for row, seed in enumerate(plan.seeds):
            tested = {}
            for model in OURS:
                raw = answers_of(plan.ours(model, seed, split), split.test, by_clip)
                tested[model] = among(split.choices, calibrate(raw, divisors[model], trained))
            tested[FUSED] = fuse([tested[model] for model in OURS], divisors[FUSED])
            for model in THEIRS:
                tested[model] = among(split.choices, np.load(plan.theirs(model, seed, split).file)["answers"])
            for model, found in tested.items():
                answers[model][row].append(found)
    return Outcome(plan, answers, temperatures, inner, took / jobs)


def _hear_inner(plan: Plan, number: int, heard: Mapping[Clip, Heard]) -> Inner:
    """What is known of split ``number`` from its inner held-out speakers."""
    folds = [plan.splits[other].test for _, other in plan.inner(number, OURS[0])]
    truth = [emotion for fold in folds for emotion in _truth(fold)]
    divisors, said = {}, {}
    for model in OURS:
        trainings = [training for training, _ in plan.inner(number, model)]
        raw = [answers_of(training, fold, heard) for training, fold in zip(trainings, folds, strict=True)]
        divisors[model] = temperature(np.concatenate(raw), truth)
        trained = [shares(_truth(training.clips)) for training in trainings]
        calibrated = [calibrate(one, divisors[model], share) for one, share in zip(raw, trained, strict=True)]
        said[model] = np.concatenate(calibrated)
    together = fuse([said[model] for model in OURS], 1.0)
    divisors[FUSED] = temperature(together, truth)
    first = len(folds[0])
    return Inner(divisors, soften(together, divisors[FUSED])[:first], tuple(truth[:first]))


def answers_of(training: BundleTraining, clips: Sequence[Clip], heard: Mapping[Clip, Heard]) -> Answers:
    """What a finished training says of clips, not calibrated."""
    return clip_answers(bundle_model(training.file, training.recipe.features), [heard[clip] for clip in clips])


def among(choices: Sequence[int], answers: Answers) -> Answers:
    """The answers given that the emotion is one of ``choices``."""
    allowed = np.zeros(answers.shape[1], np.float32)
    allowed[list(choices)] = 1.0
    kept = answers * allowed
    normal: Answers = kept / np.maximum(kept.sum(axis=1, keepdims=True), 1e-9)
    return normal


def fuse(answers: Sequence[Answers], divisor: float = decision.FUSED_TEMPERATURE) -> Answers:
    """The models together, as the daemon fuses them; rows of zeros stay."""
    fused: Answers = decision.fuse(answers, divisor) * answers[0].any(axis=1, keepdims=True)
    return fused


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
        "models": {model: _model_summary(outcome, model) for model in outcome.answers},
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
        "temperatures": {model: [_round(by_split[model]) for by_split in outcome.temperatures] for model in (*OURS, FUSED)},
        "uncertain": {name: _round(value) for name, value in asdict(outcome.withheld()).items()},
    }


def _round(value: float | np.floating[Any]) -> float:
    return round(float(value), 4)


def _truth(clips: Sequence[Clip]) -> tuple[int, ...]:
    return tuple(clip.emotion for clip in clips)
