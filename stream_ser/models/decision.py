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

_LEAST = 1e-7


FUSED_TEMPERATURE = 0.87
"""Mean of what the inner held-out speakers of the five folds ask for (``temperatures`` in the speaker-independent results)."""


def fuse(models: Sequence[Probabilities], temperature: float = FUSED_TEMPERATURE) -> Probabilities:
    """The answers of several models, ``float32[..., emotion]`` each, as one: their geometric mean, brought back to sum 1.

    The logarithmic pool (Genest and Zidek 1986, doi:10.1214/ss/1177013825). Calibrated models that err apart are right together
    more often than this says: its logits are divided by ``temperature``, unless there is one model only.
    """
    divisor = temperature * len(models) if len(models) > 1 else 1.0
    logarithms = np.log(np.maximum(models, _LEAST)).sum(axis=0) / divisor
    powers = np.exp(logarithms - logarithms.max(axis=-1, keepdims=True))
    fused: Probabilities = (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)
    return fused


@dataclass(frozen=True, slots=True)
class DecisionSettings:
    """How quickly and how readily a label changes.

    ``time_constant`` (seconds) smooths interim answers exponentially; another label must lead by ``margin`` to replace
    the present one while that is not uncertain; below ``threshold`` the label is ``uncertain``. The threshold is the one
    that leaves a label on more than nine utterances of ten, on the risk and coverage curve of the inner held-out speakers
    (``stream-ser evaluate``); of the labels that it withholds, two in three would be wrong.
    """

    time_constant: float = 0.2
    margin: float = 0.05
    threshold: float = 0.35


class Decision:
    """The label of one utterance as it unfolds."""

    def __init__(self, labels: tuple[str, ...], hop: float, settings: DecisionSettings) -> None:
        self._labels = labels
        self._settings = settings
        self._keep = math.exp(-hop / settings.time_constant)
        self._smooth: Probabilities | None = None
        self._leader: int | None = None

    def interim(self, fused: Probabilities) -> tuple[str, Probabilities]:
        """Take the newest window's answer; return the label so far and the smoothed probabilities behind it."""
        if self._smooth is None:
            self._smooth = fused
        else:
            self._smooth = self._keep * self._smooth + (1.0 - self._keep) * fused
        best = int(np.argmax(self._smooth))
        if self._leader is None or not self._holds(self._smooth[self._leader], self._smooth[best]):
            self._leader = best
        return self._name(self._leader, self._smooth), self._smooth

    def _holds(self, leading: float, best: float) -> bool:
        return leading >= self._settings.threshold and leading > best - self._settings.margin

    def final(self, fused: Probabilities) -> tuple[str, Probabilities]:
        """Take the answer for the whole utterance; return its label and probabilities, and forget the utterance."""
        self.reset()
        return self._name(int(np.argmax(fused)), fused), fused

    def reset(self) -> None:
        """Forget the utterance."""
        self._smooth, self._leader = None, None

    def _name(self, index: int, probabilities: Probabilities) -> str:
        return self._labels[index] if probabilities[index] >= self._settings.threshold else UNCERTAIN
