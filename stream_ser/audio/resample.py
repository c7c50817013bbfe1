"""Sample rate conversion (soxr), whole signals and streams."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray


def resample(samples: NDArray[np.float32], rate: int, target: int) -> NDArray[np.float32]:
    """Convert a whole mono signal from ``rate`` to ``target`` Hz."""
    if rate == target:
        return samples
    converted: NDArray[np.float32] = soxr.resample(samples, rate, target, quality="HQ")
    return converted


class Resampler:
    """Converts one stream, chunk by chunk; the chunking does not change the result."""

    def __init__(self, rate: int, target: int) -> None:
        self._rate, self._target = rate, target
        self.reset()

    def reset(self) -> None:
        """Return to the state of a new stream."""
        same = self._rate == self._target
        self._stream = None if same else soxr.ResampleStream(self._rate, self._target, 1, dtype="float32", quality="HQ")

    def push(self, samples: NDArray[np.float32], *, last: bool = False) -> NDArray[np.float32]:
        """Resample mono samples ``[n]``; return those that are ready. ``last`` flushes what the filter still holds."""
        if self._stream is None:
            return samples
        ready: NDArray[np.float32] = self._stream.resample_chunk(samples, last=last)
        return ready
