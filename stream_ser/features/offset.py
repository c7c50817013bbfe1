"""Takes a constant offset off a signal: cheap sound cards add one, and it would pass for sound in every silence."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_ser.state_rows import StateRows

SETTLING_S = 0.5
"""Time after which a new offset is followed to 63 %: too slow to follow a voice."""


@dataclass(slots=True)
class OffsetState(StateRows):
    """The offset of each stream so far."""

    offset: NDArray[np.float64]
    has_offset: NDArray[np.bool_]


class OffsetRemoval:
    """Follows the mean of each stream, and takes it off.

    Args:
        sample_rate: of the streams, in Hz.
        longest: samples of a stream given at once, at most.
    """

    def __init__(self, sample_rate: int, longest: int) -> None:
        self._settling = SETTLING_S * sample_rate
        self._steps = np.arange(1, longest + 1, dtype=np.float32)

    def new_state(self, rows: int) -> OffsetState:
        """The state of ``rows`` new streams."""
        return OffsetState(np.zeros(rows), np.zeros(rows, np.bool_))

    def process(self, state: OffsetState, rows: NDArray[np.intp], samples: NDArray[np.float32]) -> None:
        """Take the offset off ``float32[stream, n]``, in place.

        What is taken off moves in a straight line, without a step. A stream begins at its own mean.
        """
        count = samples.shape[1]
        if not count:
            return
        means = samples.mean(axis=1, dtype=np.float64)
        before = np.where(state.has_offset[rows], state.offset[rows], means)
        after = means + (before - means) * math.exp(-count / self._settling)
        state.offset[rows], state.has_offset[rows] = after, True
        slope = (after - before) / count
        samples -= before.astype(np.float32)[:, None] + slope.astype(np.float32)[:, None] * self._steps[:count]
