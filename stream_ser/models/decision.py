"""Probabilities of several models over time -> one label that does not flicker."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_ser.events import UNCERTAIN

Probabilities = NDArray[np.float32]
"""``float32[emotion]``, summing to 1."""

SMOOTHING_TIME_CONSTANT_S = 0.2
"""Of the exponential smoothing of interim answers."""

LABEL_MARGIN = 0.05
"""How far another label must lead to replace the present one, while that is not uncertain."""

_PROBABILITY_FLOOR = 1e-7


def fuse(models: Sequence[Probabilities], temperature: float) -> Probabilities:
    """The answers of several models, ``float32[..., emotion]`` each, as one: their geometric mean, brought back to sum 1.

    The logarithmic pool (Genest and Zidek 1986, doi:10.1214/ss/1177013825). Calibrated models that err apart are right together
    more often than this claims: its logits are divided by ``temperature``, unless there is one model only.
    """
    divisor = temperature * len(models) if len(models) > 1 else 1.0
    logarithms = np.log(np.maximum(models, _PROBABILITY_FLOOR)).sum(axis=0) / divisor
    powers = np.exp(logarithms - logarithms.max(axis=-1, keepdims=True))
    fused: Probabilities = (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)
    return fused


@dataclass(slots=True)
class Decision:
    """The label of one utterance as it unfolds.

    Args:
        labels: what the probabilities stand for, in order.
        hop: seconds between two answers.
        threshold: probability below which the label is ``uncertain``.
    """

    labels: tuple[str, ...]
    hop: float
    threshold: float
    _smooth: Probabilities | None = None
    _leader: int | None = None

    def interim(self, fused: Probabilities) -> tuple[str, Probabilities]:
        """Take the newest window's answer; return the label so far and the smoothed probabilities behind it."""
        weight = math.exp(-self.hop / SMOOTHING_TIME_CONSTANT_S)
        self._smooth = fused if self._smooth is None else weight * self._smooth + (1.0 - weight) * fused
        best = int(np.argmax(self._smooth))
        if self._leader is None or not self._keeps_lead(self._smooth[self._leader], self._smooth[best]):
            self._leader = best
        return self._name(self._leader, self._smooth), self._smooth

    def final(self, fused: Probabilities) -> tuple[str, Probabilities]:
        """Take the last answer of the utterance; return its label and probabilities, and forget the utterance."""
        self.reset()
        return self._name(int(np.argmax(fused)), fused), fused

    def reset(self) -> None:
        """Forget the utterance."""
        self._smooth, self._leader = None, None

    def _keeps_lead(self, leader: float, best: float) -> bool:
        return leader >= self.threshold and leader > best - LABEL_MARGIN

    def _name(self, index: int, probabilities: Probabilities) -> str:
        return self.labels[index] if probabilities[index] >= self.threshold else UNCERTAIN
