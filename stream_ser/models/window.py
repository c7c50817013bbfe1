"""Which frames of an utterance the models are asked about: integers only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.float32]
"""``float32[frames, coefficients]``"""


@dataclass(frozen=True, slots=True)
class Window:
    """Frames and samples by their index since the stream began or was last interrupted; ends are exclusive.

    The MLP reads ``[first_frame, last_frame)``. The LSTM steps through ``[first_new, last_new)``: the frames of the utterance
    that it has not had, whole steps of it, maybe none; where ``begins``, it has had none. The answer is about the samples
    ``[start, end)``.
    """

    first_frame: int
    last_frame: int
    first_new: int
    last_new: int
    start: int
    end: int
    begins: bool
    is_final: bool
