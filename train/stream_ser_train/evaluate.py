"""Retrains per split and seed, and writes down how right the models were on clips they never saw."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from stream_ser.events import EMOTIONS
from stream_ser.features import MfccSettings
from stream_ser_train import provenance
from stream_ser_train.corpus import Corpus
from stream_ser_train.examples import hear
from stream_ser_train.fit import clip_probabilities, fit
from stream_ser_train.original import ORIGINAL, clip_means
from stream_ser_train.progress import Step, silent
from stream_ser_train.protocols import Protocol
from stream_ser_train.recipe import Recipe
from stream_ser_train.scores import Scores, pool, score
from stream_ser_train.splits import Split, at_random, by_actor
from stream_ser_train.whole import whole
from stream_ser_train.workers import start_training_worker

RANDOM_SPLITS = 5
OURS = ("lstm", "mlp")
THEIRS = ("original_lstm", "original_mlp")
FUSED = "fused"

_SOURCES = ("augmentation.py", "batches.py", "examples.py", "fit.py", "layers.py", "networks.py", "original.py")


@dataclass(frozen=True, slots=True)
class Task:
    """One model to train and test."""

    split: Split
    seed: int
    model: str
    recipe: Recipe
    cache: Path
    threads: int

    @property
    def file(self) -> Path:
        """Where its answers are kept, so that a run that was stopped goes on after the tasks it finished."""
        key = hashlib.sha256(MfccSettings().fingerprint().encode())
        key.update(json.dumps(asdict(self.recipe)).encode())
        key.update(" ".join(clip.name for clip in self.split.train + self.split.test).encode())
        for source in _SOURCES:
            key.update((Path(__file__).parent / source).read_bytes())
        name = f"{self.split.name.replace(' ', '-')}-seed-{self.seed}-{self.model}-{key.hexdigest()[:12]}.npz"
        return self.cache / "evaluate" / name


@dataclass(frozen=True, slots=True)
class Outcome:
    """Scores by model, seed and split."""

    protocol: Protocol
    splits: tuple[Split, ...]
    seeds: tuple[int, ...]
    scores: dict[str, list[list[Scores]]]
    wall_seconds: float
    """Training and testing, by all jobs together, over their number: also where a run was stopped and went on."""


def prepare(corpus: Corpus, recipe: Recipe, cache: Path, progress: Step) -> None:
    """Compute the features that every training reads.

    Raises:
        CorpusError: a clip is unreadable.
    """
    hear(corpus.clips, recipe.copies, MfccSettings(), cache, progress)
    clip_means(corpus.clips, cache, progress)


def evaluate(
    corpus: Corpus,
    protocol: Protocol,
    seeds: Sequence[int],
    recipe: Recipe,
    cache: Path,
    jobs: int,
    done: Step,
) -> Outcome:
    """Train and test every model on every split and seed, ``jobs`` at a time.

    Raises:
        CorpusError: the clips cannot be divided so.
    """
    if protocol is Protocol.SPEAKER_INDEPENDENT:
        plan = [(split, seed) for seed in seeds for split in by_actor(corpus.clips)]
        splits = tuple(by_actor(corpus.clips))
    else:
        splits = tuple(at_random(corpus.clips, range(RANDOM_SPLITS)))
        plan = [(split, seed) for seed in seeds for split in splits]
    threads = max(1, (os.cpu_count() or 1) // jobs)
    tasks = [Task(split, seed, model, recipe, cache, threads) for model in OURS + THEIRS for split, seed in plan]
    _run(tasks, jobs, done)
    answers = {(task.model, task.seed, task.split.name): np.load(task.file) for task in tasks}
    scores: dict[str, list[list[Scores]]] = {
        model: [[_score(split, answers[model, seed, split.name]["answers"]) for split in splits] for seed in seeds]
        for model in OURS + THEIRS
    }
    scores[FUSED] = [
        [_score(split, np.mean([answers[m, seed, split.name]["answers"] for m in OURS], axis=0)) for split in splits]
        for seed in seeds
    ]
    seconds = sum(float(answer["seconds"]) for answer in answers.values())
    return Outcome(protocol, splits, tuple(seeds), scores, seconds / jobs)


def summary(outcome: Outcome, command: str) -> dict[str, Any]:
    """The result file's content; fractions of 1."""
    return {
        "protocol": outcome.protocol.value,
        "leaky": outcome.protocol is Protocol.RANDOM,
        "folds": [
            {"name": split.name, "test_actors": sorted({clip.actor for clip in split.test}), "test_clips": len(split.test)}
            for split in outcome.splits
        ],
        "seeds": list(outcome.seeds),
        "command": command,
        "commit": provenance.commit(),
        "machine": provenance.machine(),
        "wall_s": round(outcome.wall_seconds, 1),
        "models": {model: _model_summary(scores) for model, scores in outcome.scores.items()},
    }


def confusion(outcome: Outcome, model: str) -> Scores:
    """All answers of one model, over splits and seeds."""
    return pool([one for by_split in outcome.scores[model] for one in by_split])


def _model_summary(scores: list[list[Scores]]) -> dict[str, Any]:
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
    }


def _round(value: float | np.floating[Any]) -> float:
    return round(float(value), 4)


def _score(split: Split, answers: NDArray[np.float32]) -> Scores:
    return score([clip.emotion for clip in split.test], answers)


def _run(tasks: Sequence[Task], jobs: int, done: Step) -> None:
    (tasks[0].cache / "evaluate").mkdir(parents=True, exist_ok=True)
    open_tasks = [task for task in tasks if not task.file.exists()]
    finished = len(tasks) - len(open_tasks)
    done(finished, len(tasks))
    if not open_tasks:
        return
    with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=start_training_worker) as workers:
        waiting = {workers.submit(_train_and_test, task) for task in open_tasks}
        try:
            while waiting:
                ready, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in ready:
                    future.result()
                finished += len(ready)
                done(finished, len(tasks))
        except BaseException:
            workers.shutdown(wait=False, cancel_futures=True)
            for process in list(workers._processes.values()):
                process.terminate()
            raise


def _train_and_test(task: Task) -> None:

    began = time.monotonic()
    tf.config.threading.set_intra_op_parallelism_threads(task.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    if task.model in ORIGINAL:
        answers = ORIGINAL[task.model](
            clip_means(task.split.train, task.cache, silent),
            [clip.emotion for clip in task.split.train],
            clip_means(task.split.test, task.cache, silent),
            task.seed,
            task.recipe.original_epochs,
        )
    else:
        features = MfccSettings()
        heard = {
            one.clip: one for one in hear(task.split.train + task.split.test, task.recipe.copies, features, task.cache, silent)
        }
        settings = task.recipe.fits[task.model]
        model, _ = fit(task.model, [heard[clip] for clip in task.split.train], settings, task.seed)
        answers = clip_probabilities(model, [heard[clip] for clip in task.split.test])
    with whole(task.file) as partial:
        np.savez(partial, answers=answers, seconds=time.monotonic() - began)
