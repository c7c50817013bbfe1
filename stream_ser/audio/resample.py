"""Sample rate conversion (soxr), whole signals and streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import soxr


def resample(samples: NDArray[np.float32], rate: int, target: int) -> NDArray[np.float32]:
    """Convert a whole mono signal from ``rate`` to ``target`` Hz."""
    if rate == target:
        return samples
    import soxr

    converted: NDArray[np.float32] = soxr.resample(samples, rate, target, quality="HQ")
    return converted


class Resampler:
    """Converts one stream, chunk by chunk; the chunking does not change the result."""

    def __init__(self, rate: int, target: int) -> None:
        self._rate, self._target = rate, target
        self.reset()

    def reset(self) -> None:
        """Return to the state of a new stream."""
        self._stream: soxr.ResampleStream | None = None
        if self._rate != self._target:
            import soxr  # not before it is needed: a stream at the recogniser's rate does without

            self._stream = soxr.ResampleStream(self._rate, self._target, 1, dtype="float32", quality="HQ")

    def push(self, samples: NDArray[np.float32], *, last: bool = False) -> NDArray[np.float32]:
        """Resample mono samples ``[n]``; return those that are ready. ``last`` flushes what the filter still holds."""
        if self._stream is None:
            return samples
        ready: NDArray[np.float32] = self._stream.resample_chunk(samples, last=last)
        return ready
