"""What the recipe was chosen by: variants of it, each measured on speakers that no test fold holds.

Every fold has its inner split: models that heard neither the fold nor one other are tested on that other
(``evaluate.Plan.inner``). A choice made by the inner figures of a fold touches none of its clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from stream_ser.features import MfccSettings
from stream_ser_train.augmentation.clips import CopySettings
from stream_ser_train.augmentation.frames import FrameAlterations
from stream_ser_train.data.corpus import Clip
from stream_ser_train.data.splits import by_speaker
from stream_ser_train.data.utterances import hear
from stream_ser_train.evaluation.evaluate import Plan, answers_of
from stream_ser_train.evaluation.predict import calibrate
from stream_ser_train.evaluation.scores import score
from stream_ser_train.fitting.calibration import shares
from stream_ser_train.fitting.jobs import seconds, train_all
from stream_ser_train.fitting.recipe import OTHERS_ONLY, FitSettings, Recipe
from stream_ser_train.networks.architectures import LstmSettings, MlpSettings
from stream_ser_train.report.progress import Step, silent

BRIEF = "one member, a third of the epochs"
"""What all variants differ from in one thing: fits, members and epochs are what takes the time of a training."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A recipe for one model."""

    name: str
    model: str
    recipe: Recipe


def variants(shipped: Recipe) -> list[Variant]:
    """What is tried for each model: a brief form of the shipped recipe, and changes of that."""
    return [variant for model in ("mlp", "lstm") for variant in _variants_of(model, shipped)]


def _variants_of(model: str, shipped: Recipe) -> list[Variant]:
    own = shipped.models[model]
    network, (fit, *_) = replace(own.network, members=1), own.fits
    brief, alterations = replace(fit, epochs=fit.epochs // 3), fit.alterations
    assert alterations is not None
    tried = []

    def add(
        name: str,
        network: LstmSettings | MlpSettings = network,
        fit: FitSettings = brief,
        **changes: Any,
    ) -> None:
        models = {**shipped.models, model: replace(own, network=network, fits=(fit,))}
        tried.append(Variant(name, model, replace(shipped, models=models, **changes)))

    def alter(name: str, changed: FrameAlterations) -> None:
        add(name, fit=replace(brief, alterations=changed))

    add(BRIEF)
    add("all the epochs", fit=fit)
    narrow = MfccSettings(frame_length=400, fft_length=512, filters=40, coefficients=30)
    add("frames of 25 ms, 40 filters, 30 coefficients", features=narrow)
    add("copies without rooms and telephones", copies=replace(shipped.copies, reverb_share=0.0, telephone_share=0.0))
    add("no altered copies", copies=CopySettings(count=0))
    add("no windows of clips as they are", fit=replace(brief, unaltered=0.0))
    alter("nobody talks behind", replace(alterations, babble_share=0.0))
    match network:
        case LstmSettings():
            add("three windows of ten of clips as they are", fit=replace(brief, unaltered=0.3))
            add("weight decay of 0.05", fit=replace(brief, weight_decay=0.05))
            add("half of the windows end early", fit=replace(brief, whole=0.5))
            add("few windows end early", fit=replace(brief, whole=own.fits[-1].whole))
            alter("others talk on before and after the speaker", replace(alterations, overhang=OTHERS_ONLY.overhang))
            behind = replace(OTHERS_ONLY, babble_share=alterations.babble_share, overhang=alterations.overhang)
            alter("frames as they are", behind)
        case MlpSettings():
            add("dropout of 0.3 and 0.6", replace(network, input_dropout=0.3, dropout=0.6))
            add("no correlations", replace(network, correlated=1, lags=()))
            add("no lagged correlations", replace(network, lags=()))
            alter("others fall silent with the speaker", replace(alterations, overhang=0.0))
            behind = replace(FrameAlterations(), babble_share=alterations.babble_share, overhang=alterations.overhang)
            alter("frames altered anew", behind)
    return tried


@dataclass(frozen=True, slots=True)
class Found:
    """Inner figures of one variant."""

    variant: Variant
    per_fold: tuple[float, ...]
    """UAR on the inner held-out speakers of each fold."""
    seconds: float

    @property
    def uar(self) -> float:
        return float(np.mean(self.per_fold))


def hear_all(clips: Sequence[Clip], tried: Sequence[Variant], cache: Path, step: Step) -> None:
    """Compute the features that the variants read."""
    for number, variant in enumerate(tried, start=1):
        hear(clips, variant.recipe.copies, variant.recipe.features, cache, silent)
        step(number, len(tried))


def search(clips: Sequence[Clip], tried: Sequence[Variant], cache: Path, jobs: int, done: Step) -> list[Found]:
    """Train every variant on every inner split, one seed, and score it.

    Raises:
        CorpusError: the clips cannot be divided into folds.
    """
    splits = tuple(by_speaker(clips))
    inner = []
    for variant in tried:
        plan = Plan(splits, (0,), variant.recipe, cache, calibrated=True)
        inner.append([plan.inner(number, variant.model) for number in range(len(splits))])
    train_all([training for folds in inner for fold in folds for training, _ in fold], [], jobs, done)
    found = []
    for variant, folds in zip(tried, inner, strict=True):
        by_clip = {one.clip: one for one in hear(clips, variant.recipe.copies, variant.recipe.features, cache, silent)}
        per_fold = []
        for fold in folds:
            figures = []
            for training, other in fold:
                test = splits[other].test
                answers = answers_of(training, test, by_clip)
                answers = calibrate(answers, 1.0, shares([clip.emotion for clip in training.clips]))
                figures.append(score([clip.emotion for clip in test], answers).uar)
            per_fold.append(float(np.mean(figures)))
        took = {fit.file: seconds(fit) for fold in folds for training, _ in fold for fit in training.fits}
        found.append(Found(variant, tuple(per_fold), sum(took.values())))
    return found


def search_summary(found: Sequence[Found]) -> dict[str, Any]:
    """The result file's content: fractions of 1; and which variant each fold's inner figures would choose."""
    models = tuple(dict.fromkeys(one.variant.model for one in found))
    of_model = {model: [one for one in found if one.variant.model == model] for model in models}
    return {
        "variants": {
            model: {
                one.variant.name: {
                    "inner_uar": round(one.uar, 4),
                    "per_fold": [round(value, 4) for value in one.per_fold],
                    "training_s": round(one.seconds, 1),
                }
                for one in tried
            }
            for model, tried in of_model.items()
        },
        "best_by_fold": {
            model: [max(tried, key=lambda one: one.per_fold[number]).variant.name for number in range(len(tried[0].per_fold))]
            for model, tried in of_model.items()
        },
    }
