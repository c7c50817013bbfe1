"""Cuts the samples of one stream into hops at fixed places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FULL_SCALE = 0.999
"""Size of a sample from which on it counts as clipped."""


@dataclass(frozen=True, slots=True)
class Hop:
    """Finite samples of one hop: a view, valid until the next ``feed``."""

    samples: NDArray[np.float32]
    begins: bool
    """Whether they begin a stream, or follow an interruption: nothing before them counts."""
    ends: bool
    """Whether the stream ends or is interrupted after them."""


class HopBuffer:
    """The hop in progress.

    Args:
        length: samples of a hop.
    """

    def __init__(self, length: int) -> None:
        self._samples: NDArray[np.float32] = np.zeros(length, np.float32)
        self.filled = 0
        """Samples of the hop so far."""
        self.repaired = 0
        """Samples that were not finite numbers, of all hops."""
        self.clipped = 0
        """Samples at full scale, of all hops."""

    @property
    def missing(self) -> int:
        """Samples that complete the hop."""
        return len(self._samples) - self.filled

    def feed(self, samples: NDArray[np.float32]) -> int:
        """Take ``float32[n]`` up to the end of the hop; return how many."""
        taken = min(len(samples), self.missing)
        self._samples[self.filled : self.filled + taken] = samples[:taken]
        self.filled += taken
        return taken

    def take(self) -> NDArray[np.float32]:
        """The samples of the hop, NaN and infinity replaced by 0, and counted; the next hop begins."""
        samples, self.filled = self._samples[: self.filled], 0
        finite = np.isfinite(samples)
        if not finite.all():
            self.repaired += int(len(samples) - finite.sum())
            samples[~finite] = 0.0
        self.clipped += int(np.count_nonzero(np.abs(samples) >= FULL_SCALE))
        return samples
