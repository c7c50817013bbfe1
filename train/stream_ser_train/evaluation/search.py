"""The search for the recipe: variants of it, each measured on speakers of no test fold.

Every fold has its inner splits: models trained without it and without one other fold are tested on that other
(``plan.Plan.inner``). A choice made by the inner figures of a fold touches none of its clips.
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
from stream_ser_train.data.utterances import extract_utterances
from stream_ser_train.evaluation.plan import Plan
from stream_ser_train.evaluation.predict import predict_with
from stream_ser_train.evaluation.scores import score
from stream_ser_train.fitting.calibration import calibrate, class_priors
from stream_ser_train.fitting.jobs import train_all, training_seconds
from stream_ser_train.fitting.recipe import BABBLE_ONLY, FitSettings, Recipe
from stream_ser_train.networks.architectures import LstmSettings, MlpSettings
from stream_ser_train.progress import Step, silent

BRIEF = "one member, a third of the epochs"
"""The variant that all others change in one thing: fits, members and epochs take the time of a training."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A recipe for one model."""

    name: str
    model: str
    recipe: Recipe


def variants(shipped: Recipe) -> list[Variant]:
    """The variants of each model: a brief form of the shipped recipe, and changes of that."""
    return [variant for model in ("mlp", "lstm") for variant in _variants_of(model, shipped)]


def _variants_of(model: str, shipped: Recipe) -> list[Variant]:
    own = shipped.models[model]
    network, (fit, *_) = replace(own.network, members=1), own.fits
    brief, alterations = replace(fit, epochs=fit.epochs // 3), fit.alterations
    assert alterations is not None
    variants = []

    def add(
        name: str,
        network: LstmSettings | MlpSettings = network,
        fit: FitSettings = brief,
        **changes: Any,
    ) -> None:
        models = {**shipped.models, model: replace(own, network=network, fits=(fit,))}
        variants.append(Variant(name, model, replace(shipped, models=models, **changes)))

    def alter(name: str, changed: FrameAlterations) -> None:
        add(name, fit=replace(brief, alterations=changed))

    add(BRIEF)
    add("all the epochs", fit=fit)
    narrow = MfccSettings(frame_length=400, fft_length=512, filters=40, coefficients=30)
    add("frames of 25 ms, 40 filters, 30 coefficients", features=narrow)
    add("copies without rooms and telephones", copies=replace(shipped.copies, reverb_share=0.0, telephone_share=0.0))
    add("no altered copies", copies=CopySettings(count=0))
    add("no windows of clips as they are", fit=replace(brief, unaltered_share=0.0))
    alter("nobody talks behind", replace(alterations, babble_share=0.0))
    match network:
        case LstmSettings():
            add("three windows of ten of clips as they are", fit=replace(brief, unaltered_share=0.3))
            add("weight decay of 0.05", fit=replace(brief, weight_decay=0.05))
            add("half of the windows end early", fit=replace(brief, complete_share=0.5))
            add("few windows end early", fit=replace(brief, complete_share=own.fits[-1].complete_share))
            alter("others talk on before and after the speaker", replace(alterations, overhang=BABBLE_ONLY.overhang))
            behind = replace(BABBLE_ONLY, babble_share=alterations.babble_share, overhang=alterations.overhang)
            alter("frames as they are", behind)
        case MlpSettings():
            add("dropout of 0.3 and 0.6", replace(network, input_dropout=0.3, dropout=0.6))
            add("no correlations", replace(network, correlated=1, lags=()))
            add("no lagged correlations", replace(network, lags=()))
            alter("others fall silent with the speaker", replace(alterations, overhang=0.0))
            behind = replace(FrameAlterations(), babble_share=alterations.babble_share, overhang=alterations.overhang)
            alter("frames altered anew", behind)
    return variants


@dataclass(frozen=True, slots=True)
class VariantResult:
    """Inner scores of one variant."""

    variant: Variant
    per_fold: tuple[float, ...]
    """UAR on the inner held-out speakers of each fold."""
    seconds: float

    @property
    def uar(self) -> float:
        return float(np.mean(self.per_fold))


def extract_all(clips: Sequence[Clip], variants: Sequence[Variant], cache: Path, step: Step) -> None:
    """Compute the features of every variant."""
    for number, variant in enumerate(variants, start=1):
        extract_utterances(clips, variant.recipe.copies, variant.recipe.features, cache, silent)
        step(number, len(variants))


def search(clips: Sequence[Clip], variants: Sequence[Variant], cache: Path, jobs: int, done: Step) -> list[VariantResult]:
    """Train every variant on every inner split, one seed, and score it.

    Raises:
        CorpusError: the clips cannot be divided into folds.
    """
    splits = tuple(by_speaker(clips))
    inner = []
    for variant in variants:
        plan = Plan(splits, (0,), variant.recipe, cache, calibrated=True)
        inner.append([plan.inner(number, variant.model) for number in range(len(splits))])
    train_all([training for folds in inner for fold in folds for training, _ in fold], [], jobs, done)
    results = []
    for variant, folds in zip(variants, inner, strict=True):
        recipe = variant.recipe
        utterances = extract_utterances(clips, recipe.copies, recipe.features, cache, silent)
        by_clip = {item.clip: item for item in utterances}
        per_fold = []
        for fold in folds:
            scores = []
            for training, other in fold:
                test = splits[other].test
                priors = class_priors([clip.emotion for clip in training.clips])
                predictions = calibrate(predict_with(training, test, by_clip), 1.0, priors)
                scores.append(score([clip.emotion for clip in test], predictions).uar)
            per_fold.append(float(np.mean(scores)))
        seconds = {fit.file: training_seconds(fit) for fold in folds for training, _ in fold for fit in training.fits}
        results.append(VariantResult(variant, tuple(per_fold), sum(seconds.values())))
    return results


def search_summary(results: Sequence[VariantResult]) -> dict[str, Any]:
    """The result file's content: fractions of 1; and which variant each fold's inner scores would choose."""
    models = tuple(dict.fromkeys(result.variant.model for result in results))
    of_model = {model: [result for result in results if result.variant.model == model] for model in models}
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
