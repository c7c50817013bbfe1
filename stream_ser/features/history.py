"""The recent frames of one stream, readable as contiguous views."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class FrameHistory:
    """The last ``capacity`` frames, by their index since the start of the stream.

    Each frame is written twice, ``capacity`` rows apart, so that any run of retained frames is one contiguous view:
    reading a window copies nothing.
    """

    def __init__(self, capacity: int, coefficients: int) -> None:
        self._capacity = capacity
        self._rows = np.zeros((2 * capacity, coefficients), np.float32)
        self.end = 0
        """Index of the next frame, which is also the number of frames seen."""

    @property
    def start(self) -> int:
        """Index of the oldest frame still held."""
        return max(0, self.end - self._capacity)

    def append(self, frames: NDArray[np.float32]) -> None:
        """Add frames ``[n, coefficients]``; the oldest make room."""
        kept = frames[-self._capacity :]
        row = (self.end + len(frames) - len(kept)) % self._capacity
        self.end += len(frames)
        head = min(len(kept), self._capacity - row)
        for offset in (0, self._capacity):
            self._rows[row + offset : row + offset + head] = kept[:head]
            self._rows[offset : offset + len(kept) - head] = kept[head:]

    def view(self, start: int, end: int) -> NDArray[np.float32]:
        """Frames ``[start, end)`` as a view that the next ``append`` may overwrite.

        Raises:
            IndexError: a frame of the range was never seen, or is forgotten.
        """
        if not self.start <= start <= end <= self.end:
            raise IndexError(f"frames [{start}, {end}) are not within the retained [{self.start}, {self.end})")
        row = start % self._capacity
        return self._rows[row : row + end - start]

    def clear(self) -> None:
        """Return to the state of a new history."""
        self._rows[:] = 0.0
        self.end = 0
