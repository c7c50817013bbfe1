"""Models trained for an evaluation: each fit once, cached, and then the bundle that would ship."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import keras
import numpy as np
import tensorflow as tf
from stream_ser_export.atomic_write import atomic_write

from stream_ser import __version__
from stream_ser.features import MfccSettings
from stream_ser.models.bundle import Metadata
from stream_ser_train.augmentation.clips import CopySettings
from stream_ser_train.data.corpus import Clip, describe_clips
from stream_ser_train.data.emotions import EMOTIONS
from stream_ser_train.data.utterances import ClipUtterances, extract_utterances
from stream_ser_train.fitting.baseline import BASELINES, clip_means
from stream_ser_train.fitting.batches import measure
from stream_ser_train.fitting.bundling import parity_windows, write_bundles
from stream_ser_train.fitting.calibration import Predictions
from stream_ser_train.fitting.fit import fit
from stream_ser_train.fitting.recipe import FitSettings, Recipe
from stream_ser_train.networks.architectures import LstmSettings, MlpSettings, build
from stream_ser_train.progress import Step, silent
from stream_ser_train.versions import BASELINE_VERSION, EXPORT_VERSION, FITTING_VERSION, FRONTEND_VERSION
from stream_ser_train.workers import training_workers

LICENCE = "that of the training data"

_UNIFORM = np.ones(len(EMOTIONS))
"""Priors that leave the predictions as they are: an evaluation calibrates them itself."""


class Job(Protocol):
    """Work of minutes or hours whose result is a file."""

    @property
    def file(self) -> Path: ...

    def run(self, threads: int) -> None: ...


@dataclass(frozen=True, slots=True)
class FitTraining:
    """One fit of one model on some clips. ``file`` holds its weights, in the order of Keras."""

    clips: tuple[Clip, ...]
    seed: int
    model: str
    network: LstmSettings | MlpSettings
    settings: FitSettings
    copies: CopySettings
    features: MfccSettings
    cache: Path

    @property
    def file(self) -> Path:
        recipe = asdict(self.network), asdict(self.settings), asdict(self.copies), self.features.fingerprint()
        key = f"frontend {FRONTEND_VERSION} fitting {FITTING_VERSION} {json.dumps(recipe)}"
        return _file(self.cache, self.model, self.seed, key, self.clips, ".npz")

    def run(self, threads: int) -> None:
        """Train."""
        began = time.monotonic()
        _limit_threads(threads)
        utterances = extract_utterances(self.clips, self.copies, self.features, self.cache, silent)
        model, _ = fit(self.network, self.settings, self.features, utterances, self.seed)
        with atomic_write(self.file) as partial:
            np.savez(partial, *model.get_weights(), seconds=time.monotonic() - began)

    def load(self, utterances: Sequence[ClipUtterances]) -> keras.Model:
        """The network of a fit that has run; ``utterances`` are those it ran on."""
        model = build(self.features.coefficients, measure(utterances), self.network)
        with np.load(self.file) as saved:
            model.set_weights([saved[f"arr_{number}"] for number in range(len(model.weights))])
        return model


@dataclass(frozen=True, slots=True)
class BundleTraining:
    """One model on some clips. ``file`` is its bundle, not calibrated; its fits run first."""

    clips: tuple[Clip, ...]
    seed: int
    model: str
    recipe: Recipe
    cache: Path

    @property
    def fits(self) -> tuple[FitTraining, ...]:
        own, copies, features = self.recipe.models[self.model], self.recipe.copies, self.recipe.features
        return tuple(
            FitTraining(self.clips, seed, self.model, own.network, settings, copies, features, self.cache)
            for settings, seed in own.seeded(self.seed)
        )

    @property
    def file(self) -> Path:
        facts = f"{self.recipe.fusion_temperature} {self.recipe.threshold}"
        key = f"export {EXPORT_VERSION} {facts} {' '.join(fit.file.name for fit in self.fits)}"
        return _file(self.cache, self.model, self.seed, key, (), ".onnx")

    def run(self, threads: int) -> None:
        """Join the fits and export them."""
        _limit_threads(threads)
        recipe = self.recipe
        utterances = extract_utterances(self.clips, recipe.copies, recipe.features, self.cache, silent)
        networks = [fit.load(utterances) for fit in self.fits]
        metadata = Metadata(
            name=self.model,
            version=__version__,
            labels=EMOTIONS,
            features=recipe.features,
            training={"clips": len(self.clips), "seed": self.seed},
            metrics={},
            licence=LICENCE,
            fusion_temperature=recipe.fusion_temperature,
            threshold=recipe.threshold,
        )
        network = recipe.models[self.model].network
        write_bundles(networks, network, 1.0, _UNIFORM, metadata, parity_windows(utterances), self.file)


@dataclass(frozen=True, slots=True)
class BaselineTraining:
    """One model of the baseline. ``file`` holds its predictions for ``test``: ``float32[clips, emotion]``."""

    clips: tuple[Clip, ...]
    test: tuple[Clip, ...]
    seed: int
    model: str
    epochs: int
    cache: Path

    @property
    def file(self) -> Path:
        key = f"baseline {BASELINE_VERSION} {self.epochs}"
        return _file(self.cache, self.model, self.seed, key, (*self.clips, *self.test), ".npz")

    def run(self, threads: int) -> None:
        """Train and predict."""
        began = time.monotonic()
        _limit_threads(threads)
        predictions = BASELINES[self.model](
            clip_means(self.clips, self.cache, silent),
            [clip.emotion for clip in self.clips],
            clip_means(self.test, self.cache, silent),
            self.seed,
            self.epochs,
        )
        with atomic_write(self.file) as partial:
            np.savez(partial, predictions=predictions, seconds=time.monotonic() - began)

    def predictions(self) -> Predictions:
        """Of a training that has run: ``float32[clips, emotion]``."""
        with np.load(self.file) as saved:
            predictions: Predictions = saved["predictions"]
        return predictions


def training_seconds(training: FitTraining | BaselineTraining) -> float:
    """How long a finished training took."""
    with np.load(training.file) as saved:
        return float(saved["seconds"])


def train_all(bundles: Sequence[BundleTraining], baselines: Sequence[BaselineTraining], jobs: int, done: Step) -> float:
    """Run what is missing: the fits of ``bundles``, ``baselines``, and then the bundles.

    Returns:
        Seconds that all fits and baselines took, one after the other, including those that ran before.
    """
    trainings: list[FitTraining | BaselineTraining] = [*(fit for bundle in bundles for fit in bundle.fits), *baselines]
    by_file = {training.file: training for training in trainings}
    exported = len({bundle.file for bundle in bundles})
    run_missing(trainings, jobs, lambda number, total: done(number, total + exported))
    run_missing(bundles, jobs, lambda number, total: done(len(by_file) + number, len(by_file) + total))
    return sum(map(training_seconds, by_file.values()))


def run_missing(work: Sequence[Job], jobs: int, done: Step) -> None:
    """Run the jobs whose file does not exist yet, ``jobs`` at a time; what is finished remains when this is stopped."""
    for folder in {job.file.parent for job in work}:
        folder.mkdir(parents=True, exist_ok=True)
    missing = {job.file: job for job in work if not job.file.exists()}
    total = len({job.file for job in work})
    done(total - len(missing), total)
    if not missing:
        return
    threads = max(1, (os.cpu_count() or 1) // jobs)
    with training_workers(jobs) as workers:
        waiting = {workers.submit(_run, job.run, threads) for job in missing.values()}
        while waiting:
            ready, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in ready:
                future.result()
            done(total - len(waiting), total)


def _run(run: Callable[[int], None], threads: int) -> None:
    run(threads)


def _limit_threads(threads: int) -> None:
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def _file(cache: Path, model: str, seed: int, key: str, clips: Sequence[Clip], suffix: str) -> Path:
    digest = hashlib.sha256(key.encode())
    digest.update(describe_clips(clips).encode())
    return cache / "trainings" / f"{model}-seed-{seed}-{digest.hexdigest()[:16]}{suffix}"
