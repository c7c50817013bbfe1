"""A whole evaluation on a small corpus: what is trained on, what is written, what is resumed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from speech_corpus import write_corpus
from stream_ser_train import evaluate
from stream_ser_train.corpus import Clip, Corpus, open_corpus
from stream_ser_train.evaluate import OURS, THEIRS, Task, summary
from stream_ser_train.examples import Heard
from stream_ser_train.fit import FitSettings, fit
from stream_ser_train.progress import silent
from stream_ser_train.protocols import Protocol
from stream_ser_train.recipe import Recipe
from stream_ser_train.splits import ACTOR_FOLDS, by_actor

BRIEF = Recipe(copies=1, fits={name: FitSettings(epochs=1) for name in OURS}, original_epochs=1)
ACTORS = (2, 3, 10, 8, 1)
"""One of each fold."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return open_corpus(write_corpus(tmp_path_factory.mktemp("data"), ACTORS, emotions=(1, 2, 3, 5)))


def test_every_fold_and_model_is_scored_and_written(corpus: Corpus, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    outcome = evaluate.evaluate(
        corpus, Protocol.SPEAKER_INDEPENDENT, [0], BRIEF, tmp_path, 2, lambda done, total: steps.append((done, total))
    )
    assert steps[-1] == (20, 20)
    result = json.loads(json.dumps(summary(outcome, "stream-ser evaluate")))
    assert set(result["models"]) == {*OURS, *THEIRS, "fused"}
    assert [fold["test_actors"] for fold in result["folds"]] == [[2], [3], [10], [8], [1]]
    for model in result["models"].values():
        assert len(model["uar"]["per_fold"]) == 5
        assert model["uar"]["mean"] == pytest.approx(np.mean(model["uar"]["per_fold"]), abs=1e-3)
        assert 0.0 <= model["accuracy"]["mean"] <= 1.0
    assert result["leaky"] is False
    assert {"protocol", "seeds", "command", "commit", "machine", "wall_s"} <= set(result)

    def no_training(task: Task) -> None:
        raise AssertionError(f"{task.file} was there")

    evaluate._train_and_test, kept = no_training, evaluate._train_and_test
    try:
        again = evaluate.evaluate(corpus, Protocol.SPEAKER_INDEPENDENT, [0], BRIEF, tmp_path, 2, silent)
    finally:
        evaluate._train_and_test = kept
    assert summary(again, "")["models"] == result["models"]


@pytest.mark.parametrize("model", OURS)
def test_no_clip_of_a_test_actor_reaches_fitting(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    fitted: list[Clip] = []

    def watched(name: str, heard: list[Heard], settings: FitSettings, seed: int) -> object:
        fitted.extend(one.clip for one in heard)
        return fit(name, heard, settings, seed)

    monkeypatch.setattr(evaluate, "fit", watched)
    # TensorFlow runs in this process already, and then refuses a change of its threads.
    monkeypatch.setattr(tf.config.threading, "set_intra_op_parallelism_threads", lambda threads: None)
    monkeypatch.setattr(tf.config.threading, "set_inter_op_parallelism_threads", lambda threads: None)
    (tmp_path / "evaluate").mkdir()
    for split, actors in zip(by_actor(corpus.clips), ACTOR_FOLDS, strict=True):
        fitted.clear()
        evaluate._train_and_test(Task(split, 0, model, BRIEF, tmp_path, 1))
        assert fitted
        assert not {clip.actor for clip in fitted} & actors
        assert set(fitted) == set(split.train)


def test_a_change_of_recipe_or_data_is_trained_anew(corpus: Corpus, tmp_path: Path) -> None:
    first, second, *_ = by_actor(corpus.clips)
    longer = Recipe(copies=1, fits={name: FitSettings(epochs=2) for name in OURS}, original_epochs=1)
    tasks = [
        Task(first, 0, "mlp", BRIEF, tmp_path, 1),
        Task(second, 0, "mlp", BRIEF, tmp_path, 1),
        Task(first, 1, "mlp", BRIEF, tmp_path, 1),
        Task(first, 0, "lstm", BRIEF, tmp_path, 1),
        Task(first, 0, "mlp", longer, tmp_path, 1),
    ]
    assert len({task.file for task in tasks}) == len(tasks)
    assert Task(first, 0, "mlp", BRIEF, tmp_path, 2).file == tasks[0].file
