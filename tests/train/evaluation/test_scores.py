from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import recall_score
from stream_ser_train.evaluation.scores import pool, score

pytestmark = pytest.mark.unit


def one_hot(labels: list[int]) -> np.ndarray:
    return np.eye(8, dtype=np.float32)[labels]


def test_uar_and_accuracy_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth, labels = rng.integers(0, 8, 200), rng.integers(0, 8, 200)
    scores = score(truth.tolist(), one_hot(labels.tolist()))
    assert scores.uar == pytest.approx(recall_score(truth, labels, average="macro"))
    assert scores.accuracy == pytest.approx(np.mean(truth == labels))


def test_a_clip_without_speech_is_wrong() -> None:
    predictions = one_hot([0, 0, 1, 1])
    predictions[0] = 0.0
    scores = score([0, 0, 1, 1], predictions)
    assert scores.accuracy == 0.75
    assert scores.uar == 0.75
    assert scores.counts[0, -1] == 1


def test_emotions_that_did_not_occur_do_not_count() -> None:
    assert score([3, 3], one_hot([3, 4])).uar == 0.5


def test_pooling_adds_the_counts() -> None:
    pooled = pool([score([0], one_hot([0])), score([0, 1], one_hot([1, 1]))])
    assert pooled.accuracy == pytest.approx(2 / 3)
