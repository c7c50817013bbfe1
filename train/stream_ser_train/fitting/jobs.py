"""Models trained for an evaluation: each fit once, kept in the cache, and then the bundle that would ship."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol

import keras
import numpy as np
import tensorflow as tf
from stream_ser_export.atomic_write import atomic_write

from stream_ser import __version__
from stream_ser.events import EMOTIONS
from stream_ser.features import MfccSettings
from stream_ser.models.bundle import Metadata
from stream_ser_train.augmentation.clips import CopySettings
from stream_ser_train.data.corpus import Clip
from stream_ser_train.data.fingerprint import HEARING, fingerprint, trainer
from stream_ser_train.data.utterances import Heard, hear
from stream_ser_train.evaluation.predict import final_window
from stream_ser_train.fitting.batches import Batch, measure, pad
from stream_ser_train.fitting.fit import fit
from stream_ser_train.fitting.original import ORIGINAL, clip_means
from stream_ser_train.fitting.recipe import FitSettings, Recipe
from stream_ser_train.fitting.workers import start_training_worker
from stream_ser_train.networks.architectures import LstmSettings, MlpSettings, build
from stream_ser_train.networks.bundling import write_bundles
from stream_ser_train.report.progress import Step, silent

LICENCE = "that of the training data"

_FITTING = (
    *HEARING,
    *trainer("fitting/batches", "fitting/fit", "augmentation/frames", "networks/layers", "networks/architectures"),
)
"""What a change of makes kept fits stale."""

_EXPORTING = trainer("networks/bundling", "networks/stepping")
"""What a change of makes kept bundles stale too."""

_ORIGINAL = trainer("fitting/original")
"""What a change of makes kept answers of the original recipe stale."""

_PROBES = 64

_AS_TRAINED = np.ones(len(EMOTIONS))
"""Shares that leave the answers as they are: an evaluation calibrates them itself."""


class Training(Protocol):
    """Something that takes long and leaves a file."""

    @property
    def file(self) -> Path: ...

    def run(self, threads: int) -> None: ...


@dataclass(frozen=True, slots=True)
class FitTraining:
    """One fit of one of our models on some clips. ``file`` holds its weights, as Keras lists them."""

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
        return _file(self.cache, self.model, self.seed, json.dumps(recipe), self.clips, _FITTING, ".npz")

    def run(self, threads: int) -> None:
        """Train."""
        began = time.monotonic()
        _use(threads)
        heard = hear(self.clips, self.copies, self.features, self.cache, silent)
        model, _ = fit(self.network, self.settings, self.features, heard, self.seed)
        with atomic_write(self.file) as partial:
            np.savez(partial, *model.get_weights(), seconds=time.monotonic() - began)

    def trained(self, heard: Sequence[Heard]) -> keras.Model:
        """The network of a fit that has run; ``heard`` is what it ran on."""
        model = build(self.features.coefficients, measure(heard), self.network)
        with np.load(self.file) as saved:
            model.set_weights([saved[f"arr_{number}"] for number in range(len(model.weights))])
        return model


@dataclass(frozen=True, slots=True)
class BundleTraining:
    """One of our models on some clips. ``file`` is its bundle, not calibrated; its fits run before."""

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
        return _file(self.cache, self.model, self.seed, " ".join(fit.file.name for fit in self.fits), (), _EXPORTING, ".onnx")

    def run(self, threads: int) -> None:
        """Put the fits together and export them."""
        _use(threads)
        recipe = self.recipe
        heard = hear(self.clips, recipe.copies, recipe.features, self.cache, silent)
        networks = [fit.trained(heard) for fit in self.fits]
        metadata = Metadata(
            name=self.model,
            version=__version__,
            labels=EMOTIONS,
            features=recipe.features,
            training={"clips": len(self.clips), "seed": self.seed},
            metrics={},
            licence=LICENCE,
        )
        write_bundles(networks, recipe.models[self.model].network, 1.0, _AS_TRAINED, metadata, probe(heard), self.file)


@dataclass(frozen=True, slots=True)
class OriginalTraining:
    """One model of the original recipe. ``file`` holds its answers for ``test``: ``float32[clips, emotion]``."""

    clips: tuple[Clip, ...]
    test: tuple[Clip, ...]
    seed: int
    model: str
    epochs: int
    cache: Path

    @property
    def file(self) -> Path:
        return _file(self.cache, self.model, self.seed, f"{self.epochs}", (*self.clips, *self.test), _ORIGINAL, ".npz")

    def run(self, threads: int) -> None:
        """Train and answer."""
        began = time.monotonic()
        _use(threads)
        answers = ORIGINAL[self.model](
            clip_means(self.clips, self.cache, silent),
            [clip.emotion for clip in self.clips],
            clip_means(self.test, self.cache, silent),
            self.seed,
            self.epochs,
        )
        with atomic_write(self.file) as partial:
            np.savez(partial, answers=answers, seconds=time.monotonic() - began)


def seconds(training: FitTraining | OriginalTraining) -> float:
    """What a finished training took."""
    with np.load(training.file) as saved:
        return float(saved["seconds"])


def train_all(bundles: Sequence[BundleTraining], originals: Sequence[OriginalTraining], jobs: int, done: Step) -> float:
    """Run what is missing: the fits of ``bundles`` first, ``originals``, and then the bundles.

    Returns:
        Seconds that all fits and originals took, one after the other, whenever that was.
    """
    trainings: list[FitTraining | OriginalTraining] = [*(fit for bundle in bundles for fit in bundle.fits), *originals]
    took = {training.file: training for training in trainings}
    exported = len({bundle.file for bundle in bundles})
    run_all(trainings, jobs, lambda number, total: done(number, total + exported))
    run_all(bundles, jobs, lambda number, total: done(len(took) + number, len(took) + total))
    return sum(map(seconds, took.values()))


def run_all(trainings: Sequence[Training], jobs: int, done: Step) -> None:
    """Run those whose file is not there yet, ``jobs`` at a time; what is finished stays when this is stopped."""
    for folder in {training.file.parent for training in trainings}:
        folder.mkdir(parents=True, exist_ok=True)
    missing = {training.file: training for training in trainings if not training.file.exists()}
    total = len({training.file for training in trainings})
    done(total - len(missing), total)
    if not missing:
        return
    threads = max(1, (os.cpu_count() or 1) // jobs)
    with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=start_training_worker) as workers:
        waiting = {workers.submit(_run, training.run, threads) for training in missing.values()}
        try:
            while waiting:
                ready, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in ready:
                    future.result()
                done(total - len(waiting), total)
        except BaseException:
            workers.shutdown(wait=False, cancel_futures=True)
            for process in list(workers._processes.values()):
                process.terminate()
            raise


def probe(heard: Sequence[Heard]) -> Batch:
    """Real windows of many lengths to compare Keras and ONNX on."""
    frames = [final_window(part) for one in heard for part in one.copies[0]]
    chosen = frames[:: max(1, len(frames) // _PROBES)][:_PROBES]
    return pad(chosen, [0] * len(chosen))


def _run(run: Callable[[int], None], threads: int) -> None:
    run(threads)


def _use(threads: int) -> None:
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def _file(cache: Path, model: str, seed: int, recipe: str, clips: Sequence[Clip], sources: Sequence[Path], suffix: str) -> Path:
    key = hashlib.sha256(recipe.encode())
    key.update(" ".join(f"{clip.name} {clip.checksum}" for clip in clips).encode())
    key.update(fingerprint(sources).encode())
    return cache / "trainings" / f"{model}-seed-{seed}-{key.hexdigest()[:16]}{suffix}"
