"""Takes a constant offset off a signal: cheap sound cards add one, and it would pass for sound in every silence."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

SETTLING = 0.5
"""Seconds after which a new offset is followed to 63 %: too slow to follow a voice."""


class OffsetRemoval:
    """Follows the mean of one stream, and takes it off.

    Args:
        sample_rate: of the stream, in Hz.
        longest: samples given at once, at most.
    """

    def __init__(self, sample_rate: int, longest: int) -> None:
        self._settling = SETTLING * sample_rate
        self._steps = np.arange(1, longest + 1, dtype=np.float32)
        self.reset()

    def reset(self) -> None:
        """Return to the state of a new stream."""
        self._offset: float | None = None

    def remove(self, samples: NDArray[np.float32]) -> None:
        """Take the offset off samples, in place; what is taken off moves in a straight line. A stream begins at its own."""
        if not len(samples):
            return
        mean = float(samples.mean(dtype=np.float64))
        before = mean if self._offset is None else self._offset
        self._offset = mean + (before - mean) * math.exp(-len(samples) / self._settling)
        slope = (self._offset - before) / len(samples)
        samples -= np.float32(before) + np.float32(slope) * self._steps[: len(samples)]
