"""The recent frames of each stream, readable as contiguous views."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_ser.state_rows import StateRows


@dataclass(slots=True)
class HistoryState(StateRows):
    """The frames, and how many there were."""

    frames: NDArray[np.float32]
    """``[rows, 2 * capacity, coefficients]``: each frame stands twice, ``capacity`` apart."""
    end: NDArray[np.int64]
    """Index of the next frame of each stream, which is also the number of frames so far."""


class FrameHistory:
    """The last ``capacity`` frames of each stream, by their index since the start of the stream.

    Each frame is written twice, ``capacity`` places apart, so that any run of retained frames is one contiguous view:
    reading a window copies nothing.
    """

    def __init__(self, capacity: int, coefficients: int) -> None:
        self.capacity = capacity
        self._coefficients = coefficients

    def new_state(self, rows: int) -> HistoryState:
        """The state of ``rows`` new streams."""
        return HistoryState(np.zeros((rows, 2 * self.capacity, self._coefficients), np.float32), np.zeros(rows, np.int64))

    def append(self, state: HistoryState, row: int, frames: NDArray[np.float32]) -> None:
        """Add frames ``float32[n, coefficients]`` to one stream; the oldest make room."""
        capacity, stored, end = self.capacity, state.frames[row], int(state.end[row])
        latest = frames[-capacity:]
        place = (end + len(frames) - len(latest)) % capacity
        head = min(len(latest), capacity - place)
        for offset in (0, capacity):
            stored[place + offset : place + offset + head] = latest[:head]
            stored[offset : offset + len(latest) - head] = latest[head:]
        state.end[row] = end + len(frames)

    def view(self, state: HistoryState, row: int, start: int, end: int) -> NDArray[np.float32]:
        """Frames ``[start, end)`` of one stream, as a view that the next ``append`` may overwrite.

        Raises:
            IndexError: a frame of the range is not there yet, or no longer.
        """
        newest = int(state.end[row])
        oldest = max(0, newest - self.capacity)
        if not oldest <= start <= end <= newest:
            raise IndexError(f"frames [{start}, {end}) are not within the retained [{oldest}, {newest})")
        place = start % self.capacity
        return state.frames[row, place : place + end - start]
