"""Probabilities of several models over time -> one label that does not flicker."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_ser.events import UNCERTAIN

Probabilities = NDArray[np.float32]
"""``float32[emotion]``, summing to 1."""


def fuse(models: Mapping[str, Probabilities]) -> Probabilities:
    """The mean of the models' probabilities (sum rule; Kittler et al. 1998, "On combining classifiers")."""
    fused: Probabilities = np.mean(list(models.values()), axis=0, dtype=np.float32)
    return fused


@dataclass(frozen=True, slots=True)
class DecisionSettings:
    """How quickly and how readily a label changes.

    ``time_constant`` (seconds) smooths interim answers exponentially; another label must lead by ``margin`` to replace
    the present one; below ``threshold`` the label is ``uncertain``.
    """

    time_constant: float = 0.2
    margin: float = 0.05
    threshold: float = 0.25


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
        if self._leader is None or self._smooth[best] >= self._smooth[self._leader] + self._settings.margin:
            self._leader = best
        return self._name(self._leader, self._smooth), self._smooth

    def final(self, fused: Probabilities) -> tuple[str, Probabilities]:
        """Take the answer for the whole utterance; return its label and probabilities, and forget the utterance."""
        self.reset()
        return self._name(int(np.argmax(fused)), fused), fused

    def reset(self) -> None:
        """Forget the utterance."""
        self._smooth, self._leader = None, None

    def _name(self, index: int, probabilities: Probabilities) -> str:
        return self._labels[index] if probabilities[index] >= self._settings.threshold else UNCERTAIN
