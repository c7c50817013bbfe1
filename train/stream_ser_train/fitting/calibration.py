"""How far a probability can be trusted: temperature, class priors, calibration error, risk against coverage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from stream_ser_train.data.emotions import EMOTIONS

Predictions = NDArray[np.float32]
"""``float32[windows or clips, emotion]``, rows summing to 1; a row of zeros where no speech was found."""

BINS = 15

_MAX_TEMPERATURE = 10.0
_MIN_PROBABILITY = 1e-7


def fit_temperature(predictions: Predictions, emotions: Sequence[int]) -> float:
    """The number to divide logits by, so that the mean log likelihood is largest (Guo et al. 2017, arXiv 1706.04599).

    Rows of zeros are left out. Between 0.1 and 10.
    """
    speech = predictions.any(axis=1)
    logits, truth = np.log(np.maximum(predictions[speech], _MIN_PROBABILITY)), np.asarray(emotions)[speech]

    def loss(logarithm: float) -> float:
        scaled = logits / np.exp(logarithm)
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        return float(np.mean(np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(truth)), truth]))

    bound = float(np.log(_MAX_TEMPERATURE))
    return float(np.exp(minimize_scalar(loss, bounds=(-bound, bound), method="bounded").x))


def apply_temperature(predictions: Predictions, temperature: float) -> Predictions:
    """The predictions with their logits divided by ``temperature``; rows of zeros stay."""
    powers = np.where(predictions > 0.0, np.maximum(predictions, _MIN_PROBABILITY) ** (1.0 / temperature), 0.0)
    return _normalise(powers)


def class_priors(emotions: Sequence[int]) -> NDArray[np.float64]:
    """How often each emotion occurs, relative to the mean of those that do: ``float64[emotion]``; 1 for one that does not."""
    counts = np.bincount(emotions, minlength=len(EMOTIONS))
    relative: NDArray[np.float64] = np.where(counts > 0, counts / counts[counts > 0].mean(), 1.0)
    return relative


def divide_by_priors(predictions: Predictions, priors: NDArray[np.float64]) -> Predictions:
    """The predictions as if no emotion were more frequent than another, from models trained on :func:`class_priors`.

    By Bayes' rule (Saerens et al. 2002, doi:10.1162/089976602753284446). Rows of zeros stay.
    """
    return _normalise(predictions / priors)


def calibrate(predictions: Predictions, temperature: float, priors: NDArray[np.float64]) -> Predictions:
    """The predictions as a bundle makes them, from those of a model trained on :func:`class_priors` ``priors``."""
    return divide_by_priors(apply_temperature(predictions, temperature), priors)


@dataclass(frozen=True, slots=True)
class Reliability:
    """Predictions grouped by confidence into :data:`BINS` bins of equal width, ``[bin]`` each."""

    count: NDArray[np.int64]
    confidence: NDArray[np.float64]
    """Mean in the bin."""
    accuracy: NDArray[np.float64]
    """Share that was right."""

    @property
    def error(self) -> float:
        """Expected calibration error: the mean gap between confidence and accuracy (Guo et al. 2017)."""
        return float(np.sum(self.count * np.abs(self.confidence - self.accuracy)) / max(1, self.count.sum()))


def reliability(predictions: Predictions, emotions: Sequence[int]) -> Reliability:
    """Compare the confidence of the predictions with their accuracy; rows of zeros are left out."""
    confidence, correct = _confidence_and_correct(predictions, emotions)
    number = np.minimum((confidence * BINS).astype(int), BINS - 1)
    count = np.bincount(number, minlength=BINS)
    filled = np.maximum(count, 1)
    return Reliability(
        count,
        np.bincount(number, confidence, minlength=BINS) / filled,
        np.bincount(number, correct, minlength=BINS) / filled,
    )


def risk_by_coverage(predictions: Predictions, emotions: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The effect of a threshold: ``(threshold, risk)``, both ``float64[clips]``, by falling confidence.

    At index ``i`` the ``i + 1`` most confident clips get a label, and ``risk`` is the share of them that is wrong
    (El-Yaniv and Wiener 2010).
    """
    confidence, correct = _confidence_and_correct(predictions, emotions)
    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum(~correct[order])
    return confidence[order], wrong / np.arange(1, len(order) + 1)


@dataclass(frozen=True, slots=True)
class Withheld:
    """The effect of one threshold: the share of clips that get a label, and of wrong ones among these and among the rest."""

    threshold: float
    coverage: float
    risk: float
    risk_withheld: float


def withhold(predictions: Predictions, emotions: Sequence[int], threshold: float) -> Withheld:
    """Label clips from ``threshold`` on; rows of zeros are left out. The risk of no clips at all is 0."""
    confidence, correct = _confidence_and_correct(predictions, emotions)
    labelled = confidence >= threshold

    def risk(chosen: NDArray[np.bool_]) -> float:
        return float(np.mean(~correct[chosen])) if chosen.any() else 0.0

    return Withheld(threshold, float(np.mean(labelled)), risk(labelled), risk(~labelled))


def _confidence_and_correct(predictions: Predictions, emotions: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    speech = predictions.any(axis=1)
    rows = predictions[speech].astype(np.float64)
    return rows.max(axis=1), rows.argmax(axis=1) == np.asarray(emotions)[speech]


def _normalise(rows: NDArray[np.float64] | Predictions) -> Predictions:
    normalised: Predictions = (rows / np.maximum(rows.sum(axis=1, keepdims=True), _MIN_PROBABILITY)).astype(np.float32)
    return normalised
