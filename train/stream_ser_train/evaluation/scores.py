"""Scores of a model on clips that it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from stream_ser_train.data.emotions import EMOTIONS

NO_LABEL = len(EMOTIONS)
"""Index for a clip that got no label."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Counts of truth against label, ``int[emotion, emotion + 1]``; the last column is "no label"."""

    counts: NDArray[np.int64]

    @property
    def recall(self) -> NDArray[np.float64]:
        """By emotion; NaN where there was no clip of it."""
        with np.errstate(invalid="ignore"):
            values: NDArray[np.float64] = np.diag(self.counts) / self.counts.sum(axis=1)
        return values

    def recall_by_emotion(self) -> dict[str, float]:
        """Of the emotions that occurred."""
        return {emotion: float(r) for emotion, r in zip(EMOTIONS, self.recall, strict=True) if not np.isnan(r)}

    @property
    def uar(self) -> float:
        """Unweighted average recall: the mean over the emotions that occurred."""
        return float(np.nanmean(self.recall))

    @property
    def accuracy(self) -> float:
        return float(np.diag(self.counts).sum() / self.counts.sum())


def score(emotions: Sequence[int], probabilities: NDArray[np.float32]) -> Scores:
    """Compare with the truth; a row of zeros (no speech was found) is no label, and wrong."""
    return score_labels(emotions, np.where(probabilities.any(axis=1), probabilities.argmax(axis=1), NO_LABEL))


def score_labels(emotions: Sequence[int], labels: NDArray[np.int64]) -> Scores:
    """Compare labels, ``int64[clips]``, with the truth; :data:`NO_LABEL` is wrong."""
    counts = confusion_matrix(emotions, labels, labels=range(len(EMOTIONS) + 1))
    return Scores(counts[:-1])


def pool(scores: Sequence[Scores]) -> Scores:
    """All counts together."""
    return Scores(np.sum([one.counts for one in scores], axis=0))
