"""How far a probability can be believed: temperature, frequency, calibration error, risk against coverage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from stream_ser.events import EMOTIONS

Answers = NDArray[np.float32]
"""``float32[windows or clips, emotion]``, rows summing to 1; a row of zeros where nothing was heard."""

BINS = 15

_HOTTEST = 10.0
_LEAST = 1e-7


def temperature(answers: Answers, emotions: Sequence[int]) -> float:
    """The number to divide logits by, so that the answers' mean log likelihood is largest (Guo et al. 2017, arXiv 1706.04599).

    Answers of zeros are left out. Between 0.1 and 10.
    """
    heard = answers.any(axis=1)
    logits, truth = np.log(np.maximum(answers[heard], _LEAST)), np.asarray(emotions)[heard]

    def loss(logarithm: float) -> float:
        scaled = logits / np.exp(logarithm)
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        return float(np.mean(np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(truth)), truth]))

    bound = float(np.log(_HOTTEST))
    return float(np.exp(minimize_scalar(loss, bounds=(-bound, bound), method="bounded").x))


def soften(answers: Answers, divisor: float) -> Answers:
    """What the answers would be with logits divided by ``divisor``; rows of zeros stay."""
    powers = np.where(answers > 0.0, np.maximum(answers, _LEAST) ** (1.0 / divisor), 0.0)
    softened: Answers = (powers / np.maximum(powers.sum(axis=1, keepdims=True), _LEAST)).astype(np.float32)
    return softened


def shares(emotions: Sequence[int]) -> NDArray[np.float64]:
    """How often each emotion occurs, beside the mean of those that do: ``float64[emotion]``; 1 for one that does not."""
    counts = np.bincount(emotions, minlength=len(EMOTIONS))
    relative: NDArray[np.float64] = np.where(counts > 0, counts / counts[counts > 0].mean(), 1.0)
    return relative


def even(answers: Answers, trained: NDArray[np.float64]) -> Answers:
    """The answers as if no emotion were more frequent than another, from models trained on :func:`shares` ``trained``.

    By Bayes' rule (Saerens et al. 2002, doi:10.1162/089976602753284446). Rows of zeros stay.
    """
    evened = answers / trained
    normal: Answers = (evened / np.maximum(evened.sum(axis=1, keepdims=True), _LEAST)).astype(np.float32)
    return normal


@dataclass(frozen=True, slots=True)
class Reliability:
    """Answers grouped by confidence into :data:`BINS` bins of equal width, ``[bin]`` each."""

    count: NDArray[np.int64]
    confidence: NDArray[np.float64]
    """Mean in the bin."""
    accuracy: NDArray[np.float64]
    """Share that was right."""

    @property
    def error(self) -> float:
        """Expected calibration error: the mean gap between confidence and accuracy (Guo et al. 2017)."""
        return float(np.sum(self.count * np.abs(self.confidence - self.accuracy)) / max(1, self.count.sum()))


def reliability(answers: Answers, emotions: Sequence[int]) -> Reliability:
    """Compare how sure the answers were with how right; answers of zeros are left out."""
    confidence, right = _sure_and_right(answers, emotions)
    number = np.minimum((confidence * BINS).astype(int), BINS - 1)
    count = np.bincount(number, minlength=BINS)
    filled = np.maximum(count, 1)
    return Reliability(
        count,
        np.bincount(number, confidence, minlength=BINS) / filled,
        np.bincount(number, right, minlength=BINS) / filled,
    )


def risk_by_coverage(answers: Answers, emotions: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What answering only above a threshold gives: ``(threshold, risk)``, both ``float64[clips]``, by falling confidence.

    At index ``i`` the ``i + 1`` surest clips are answered, and ``risk`` is the share of them that is wrong
    (El-Yaniv and Wiener 2010).
    """
    confidence, right = _sure_and_right(answers, emotions)
    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum(~right[order])
    return confidence[order], wrong / np.arange(1, len(order) + 1)


@dataclass(frozen=True, slots=True)
class Withheld:
    """What a threshold does: the share of clips that get a label, and of wrong ones among these and among the rest."""

    threshold: float
    coverage: float
    risk: float
    risk_withheld: float


def withhold(answers: Answers, emotions: Sequence[int], threshold: float) -> Withheld:
    """Answer from ``threshold`` on; answers of zeros are left out. A risk of no clips at all is 0."""
    confidence, right = _sure_and_right(answers, emotions)
    kept = confidence >= threshold

    def risk(some: NDArray[np.bool_]) -> float:
        return float(np.mean(~right[some])) if some.any() else 0.0

    return Withheld(threshold, float(np.mean(kept)), risk(kept), risk(~kept))


def _sure_and_right(answers: Answers, emotions: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    heard = answers.any(axis=1)
    kept = answers[heard].astype(np.float64)
    return kept.max(axis=1), kept.argmax(axis=1) == np.asarray(emotions)[heard]
