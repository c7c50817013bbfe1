"""What a model is asked about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.float32]
"""``float32[frames, coefficients]``"""


@dataclass(frozen=True, slots=True)
class Window:
    """Frames of one utterance that await an answer.

    ``mfcc`` and ``new`` are views, valid until the answer. ``mfcc`` is what a model sees that looks at all at once; its
    first row is the frame ``first_frame`` of the stream since it began or last skipped. ``new`` is what a model that steps
    has not yet taken of the utterance, whole steps of it, maybe none; where ``begins``, it had taken nothing. ``start`` and
    ``end`` are in seconds of stream time.
    """

    mfcc: Frames
    new: Frames
    first_frame: int
    start: float
    end: float
    begins: bool
    is_final: bool

    @property
    def last_frame(self) -> int:
        """Index of the frame after those of ``mfcc``."""
        return self.first_frame + len(self.mfcc)
