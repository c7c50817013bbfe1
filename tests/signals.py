"""Signals that need no recording, and a detector that takes them for speech."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 16_000

Samples = NDArray[np.float32]


class Syllables:
    """A detector for tests without speech: loud is speech."""

    def __init__(self, chunk: int = 512) -> None:
        self._chunk = chunk
        self._tail = np.empty(0, np.float32)

    def push(self, samples: Samples) -> list[float]:
        buffer = np.concatenate((self._tail, samples))
        count = len(buffer) // self._chunk
        self._tail = buffer[count * self._chunk :]
        chunks = buffer[: count * self._chunk].reshape(count, self._chunk)
        return [1.0 if np.abs(chunk).max() > 0.01 else 0.0 for chunk in chunks]

    def reset(self) -> None:
        self._tail = np.empty(0, np.float32)


def voice(seconds: float, rng: np.random.Generator) -> Samples:
    """A buzz with some noise: nothing like speech to Silero, speech to Syllables."""
    time = np.arange(round(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * 120 * k * time + k) / k for k in range(1, 20))
    return (0.1 * buzz + 0.01 * rng.standard_normal(len(time))).astype(np.float32)


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), np.float32)
