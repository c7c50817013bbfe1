"""Audio that a client sends: bytes to samples, and how fast it may come. No socket and no clock."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_ser.protocol import AudioFormat, AudioStart

BURST = 2.0
"""Seconds that live audio may come early."""

LATE = 30.0
"""Seconds that it may come late, at once, after a network that stood still."""

_TYPES: dict[AudioFormat, np.dtype[Any]] = {AudioFormat.S16LE: np.dtype("<i2"), AudioFormat.F32LE: np.dtype("<f4")}


class AudioReader:
    """Turns binary frames of any size into mono samples; a sample may be cut anywhere.

    Args:
        start: what the client declared.
    """

    def __init__(self, start: AudioStart) -> None:
        self._type, self._channels = _TYPES[start.format], start.channels
        self._rest = b""

    @property
    def is_whole(self) -> bool:
        """Whether what came so far are whole samples of all channels."""
        return not self._rest

    def read(self, data: bytes) -> NDArray[np.float32]:
        """The samples that are complete with ``data``: the mean of the channels, in [-1, 1] where the client keeps to that."""
        data = self._rest + data
        size = self._type.itemsize * self._channels
        whole = len(data) // size * size
        self._rest = data[whole:]
        values = np.frombuffer(data[:whole], self._type).astype(np.float32).reshape(-1, self._channels)
        if self._type.kind == "i":
            values /= np.float32(32_768.0)
        with np.errstate(invalid="ignore", over="ignore"):  # infinities are the client's; the recogniser mends them
            mono: NDArray[np.float32] = values.mean(axis=1, dtype=np.float32)
        return mono


class Pace:
    """How much audio may have come: as much as time has passed, and :data:`BURST` more; of what is owed, :data:`LATE` at most.

    Args:
        rate: samples a second.
        now: seconds, on any clock that goes on.
    """

    def __init__(self, rate: int, now: float) -> None:
        self._rate, self._allowed, self._latest = rate, BURST * rate, now

    def take(self, samples: int, now: float) -> int:
        """How many of ``samples`` that come ``now`` are not too early; they count as taken."""
        self._allowed = min(LATE * self._rate, self._allowed + (now - self._latest) * self._rate)
        self._latest = now
        taken = min(samples, int(self._allowed))
        self._allowed -= taken
        return taken
