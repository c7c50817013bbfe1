"""Models trained for an evaluation: each once, kept in the cache as the bundle that would ship."""

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

import numpy as np
import onnx
import tensorflow as tf
from stream_ser_export.whole import whole

from stream_ser import __version__
from stream_ser.events import EMOTIONS
from stream_ser.models.bundle import Metadata, decode_metadata
from stream_ser_train.answers import final_window
from stream_ser_train.batches import Batch, pad
from stream_ser_train.bundling import write_bundles
from stream_ser_train.corpus import Clip
from stream_ser_train.examples import Heard, hear
from stream_ser_train.fit import fit
from stream_ser_train.original import ORIGINAL, clip_means
from stream_ser_train.progress import Step, silent
from stream_ser_train.recipe import Recipe
from stream_ser_train.sources import HEARING, fingerprint, trainer
from stream_ser_train.workers import start_training_worker

LICENCE = "that of the training data"

_SOURCES = (
    *HEARING,
    *trainer("batches", "bundling", "fit", "frame_augmentation", "layers", "networks", "original", "stepping"),
)
"""What a change of makes kept trainings stale."""

_PROBES = 64

_AS_TRAINED = np.ones(len(EMOTIONS))
"""Shares that leave the answers as they are: an evaluation calibrates them itself."""


class Training(Protocol):
    """Something that takes long and leaves a file."""

    @property
    def file(self) -> Path: ...

    def run(self, threads: int) -> None: ...


@dataclass(frozen=True, slots=True)
class BundleTraining:
    """One of our models on some clips. ``file`` is its bundle, not calibrated."""

    clips: tuple[Clip, ...]
    seed: int
    model: str
    recipe: Recipe
    cache: Path

    @property
    def file(self) -> Path:
        recipe = asdict(self.recipe.models[self.model]), asdict(self.recipe.copies), self.recipe.features.fingerprint()
        return _file(self.cache, self.model, self.seed, json.dumps(recipe), self.clips, ".onnx")

    def run(self, threads: int) -> None:
        """Train and export."""
        began = time.monotonic()
        _use(threads)
        recipe = self.recipe
        heard = hear(self.clips, recipe.copies, recipe.features, self.cache, silent)
        network, _ = fit(recipe.models[self.model], recipe.features, heard, self.seed)
        metadata = Metadata(
            name=self.model,
            version=__version__,
            labels=EMOTIONS,
            features=recipe.features,
            training={"clips": len(self.clips), "seed": self.seed, "seconds": round(time.monotonic() - began, 1)},
            metrics={},
            licence=LICENCE,
        )
        write_bundles(network, recipe.models[self.model].network, 1.0, _AS_TRAINED, metadata, probe(heard), self.file)


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
        return _file(self.cache, self.model, self.seed, f"{self.epochs}", (*self.clips, *self.test), ".npz")

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
        with whole(self.file) as partial:
            np.savez(partial, answers=answers, seconds=time.monotonic() - began)


def seconds(training: Training) -> float:
    """What a finished training took."""
    if training.file.suffix == ".npz":
        with np.load(training.file) as saved:
            return float(saved["seconds"])
    properties = {prop.key: prop.value for prop in onnx.load(training.file).metadata_props}
    return float(decode_metadata(properties, training.file).training["seconds"])


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


def _file(cache: Path, model: str, seed: int, recipe: str, clips: Sequence[Clip], suffix: str) -> Path:
    key = hashlib.sha256(recipe.encode())
    key.update(" ".join(f"{clip.name} {clip.checksum}" for clip in clips).encode())
    key.update(fingerprint(_SOURCES).encode())
    return cache / "trainings" / f"{model}-seed-{seed}-{key.hexdigest()[:16]}{suffix}"
