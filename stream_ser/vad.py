"""Speech or not: Silero's probability per chunk, and a gate with hysteresis that turns it into utterances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_ser.silero import CHUNK as CHUNK
from stream_ser.silero import no_memory, speech_network

LOUDEST = 0.05
"""Peak that the network is shown at most. Shouting near full scale looks less like speech to it than the same voice
turned down: of 480 RAVDESS clips it heard no speech in 5 as they are, in 1 with this limit."""

RAISED = 30.0
"""Gain, before that limit, of the second look that the network takes at every chunk, for microphones turned down. Of the
1,440 RAVDESS clips 30 dB quieter it heard no speech in 463 at one look, in 16 at two; as they are, in 9 either way."""

TRUST = 0.6
"""What the second look's probability counts for: where it counts for more, it hears speech in synthetic music."""

_RELEASE = 0.98
"""Factor by which the remembered peak falls per chunk: half in 1.1 s."""

_LOOKS = 2


class VoiceActivity:
    """Speech probability of each 32 ms chunk of one stream."""

    def __init__(self) -> None:
        self._network = speech_network()
        self.reset()

    def reset(self) -> None:
        """Return to the state of a new stream."""
        self._tail: NDArray[np.float32] = np.empty(0, np.float32)
        self._peak = 0.0
        self._memory = no_memory(_LOOKS)

    def push(self, samples: NDArray[np.float32]) -> list[float]:
        """Take samples in [-1, 1] at 16 kHz, any number; return one probability in [0, 1] per chunk they complete."""
        buffer = np.concatenate((self._tail, samples))
        count = len(buffer) // CHUNK
        self._tail = buffer[count * CHUNK :]
        if count == 0:
            return []
        looks = np.stack([self._looks(chunk) for chunk in buffer[: count * CHUNK].reshape(count, CHUNK)])
        seen = self._network.encode(looks.reshape(count * _LOOKS, CHUNK))
        probabilities = []
        for both in seen.reshape(count, _LOOKS, -1):
            (plain, raised), self._memory = self._network.remember(both, self._memory)
            probabilities.append(float(max(plain, TRUST * raised)))
        return probabilities

    def _looks(self, chunk: NDArray[np.float32]) -> NDArray[np.float32]:
        """The chunk as it is and raised, both limited by the recent peak: ``[_LOOKS, CHUNK]``."""
        self._peak = max(float(np.abs(chunk).max()), self._peak * _RELEASE)
        limit = LOUDEST / self._peak if self._peak else RAISED
        return np.stack((chunk * np.float32(min(1.0, limit)), chunk * np.float32(min(RAISED, limit))))


@dataclass(frozen=True, slots=True)
class Utterance:
    """Speech between two silences, in samples; ``end`` is None while it lasts."""

    start: int
    end: int | None = None


@dataclass(slots=True)
class SpeechGate:
    """Turns chunk probabilities into utterances.

    Speech begins with ``onset_chunks`` chunks in a row at or above ``enter``; it ends after ``hang_chunks`` in a row
    below ``leave``. The gap between the two thresholds keeps a wavering probability from chopping an utterance.
    """

    enter: float = 0.5
    leave: float = 0.35
    onset_chunks: int = 4
    hang_chunks: int = 16

    chunks: int = 0
    """Chunks seen since the start of the stream."""
    utterance: Utterance | None = None
    """The utterance in progress."""
    _run: int = 0

    def update(self, probability: float) -> Utterance | None:
        """Take the next chunk's probability; return the utterance that it begins or ends, if it does."""
        self.chunks += 1
        if self.utterance is None:
            self._run = self._run + 1 if probability >= self.enter else 0
            if self._run < self.onset_chunks:
                return None
            self.utterance = Utterance((self.chunks - self._run) * CHUNK)
            self._run = 0
            return self.utterance
        self._run = self._run + 1 if probability < self.leave else 0
        return self.close() if self._run == self.hang_chunks else None

    @property
    def speech_end(self) -> int:
        """Sample after the last chunk that counted as speech, while an utterance lasts."""
        return (self.chunks - self._run) * CHUNK

    def close(self) -> Utterance | None:
        """End the utterance in progress where its speech ended, and return it."""
        if self.utterance is None:
            return None
        ended = Utterance(self.utterance.start, self.speech_end)
        self.utterance, self._run = None, 0
        return ended

    def reset(self) -> None:
        """Return to the state of a new stream."""
        self.chunks, self.utterance, self._run = 0, None, 0
