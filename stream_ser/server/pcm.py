"""Audio as a client sends it: from bytes to samples, and how fast it may come. No socket and no clock."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_ser.protocol import AudioFormat, AudioStart

MAX_AHEAD_S = 2.0
"""Live audio may come so much earlier than it was spoken."""

MAX_BACKLOG_S = 30.0
"""So much may come late at once, after a network that stood still."""

_TYPES: dict[AudioFormat, np.dtype[Any]] = {AudioFormat.S16LE: np.dtype("<i2"), AudioFormat.F32LE: np.dtype("<f4")}


class PcmDecoder:
    """Turns binary messages of any size into mono samples; a sample may be cut anywhere.

    Args:
        audio: the format that the client declared.
    """

    def __init__(self, audio: AudioStart) -> None:
        self._type, self._channels = _TYPES[audio.format], audio.channels
        self._incomplete = b""

    @property
    def is_aligned(self) -> bool:
        """Whether the bytes so far end with a sample of the last channel."""
        return not self._incomplete

    def decode(self, data: bytes) -> NDArray[np.float32]:
        """The samples that are complete with ``data``: the mean of the channels, in [-1, 1] where the client keeps to that."""
        data = self._incomplete + data
        frame_bytes = self._type.itemsize * self._channels
        complete = len(data) // frame_bytes * frame_bytes
        self._incomplete = data[complete:]
        values = np.frombuffer(data[:complete], self._type).astype(np.float32).reshape(-1, self._channels)
        if self._type.kind == "i":
            values /= np.float32(32_768.0)
        with np.errstate(invalid="ignore", over="ignore"):  # infinities are the client's; the recogniser replaces them
            mono: NDArray[np.float32] = values.mean(axis=1, dtype=np.float32)
        return mono


class Pace:
    """How much audio may have come: as much as time has passed, and :data:`MAX_AHEAD_S` more.

    A client that sent less may catch up on :data:`MAX_BACKLOG_S` at most. (A token bucket, in samples.)

    Args:
        sample_rate: Hz.
        now: seconds, on any clock that goes on.
    """

    def __init__(self, sample_rate: int, now: float) -> None:
        self._sample_rate, self._allowed, self._updated_at = sample_rate, MAX_AHEAD_S * sample_rate, now

    def accept(self, samples: int, now: float) -> int:
        """How many of ``samples`` received ``now`` are not too early; they are counted."""
        elapsed = now - self._updated_at
        self._allowed = min(MAX_BACKLOG_S * self._sample_rate, self._allowed + elapsed * self._sample_rate)
        self._updated_at = now
        accepted = min(samples, int(self._allowed))
        self._allowed -= accepted
        return accepted
