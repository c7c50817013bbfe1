"""Speech or not: Silero's probability per chunk, and a gate with hysteresis that turns it into utterances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

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


class SpeechDetector(Protocol):
    """What finds speech in one stream; :class:`VoiceActivity` is the real one."""

    def push(self, samples: NDArray[np.float32]) -> list[float]: ...

    def reset(self) -> None: ...


class VoiceActivity:
    """Speech probability of each 32 ms chunk of one stream."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Return to the state of a new stream."""
        self._tail: NDArray[np.float32] = np.empty(0, np.float32)
        self._peak = 0.0
        self.memory = no_memory(_LOOKS)
        """The network's, of each look."""

    def push(self, samples: NDArray[np.float32]) -> list[float]:
        """Take samples in [-1, 1] at 16 kHz, any number; return one probability in [0, 1] per chunk they complete."""
        (probabilities,) = _run([self], [samples])
        return probabilities

    def cut(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take samples as ``push`` does; return the chunks they complete, each as it is looked at: ``[n, _LOOKS, CHUNK]``."""
        buffer = np.concatenate((self._tail, samples))
        count = len(buffer) // CHUNK
        self._tail = buffer[count * CHUNK :]
        chunks = buffer[: count * CHUNK].reshape(count, 1, CHUNK)
        gains = np.empty((count, _LOOKS, 1), np.float32)
        for peak, gain in zip(np.abs(chunks).max(axis=(1, 2)).tolist(), gains, strict=True):
            self._peak = max(peak, self._peak * _RELEASE)
            limit = LOUDEST / self._peak if self._peak else RAISED
            gain[:, 0] = min(1.0, limit), min(RAISED, limit)
        looks: NDArray[np.float32] = chunks * gains
        return looks


def push_all(detectors: Sequence[SpeechDetector], pieces: Sequence[NDArray[np.float32]]) -> list[list[float]]:
    """What ``push`` returns for each of the detectors with its piece; the real ones share the runs of the network."""
    said: list[list[float]] = [[] for _ in detectors]
    real = [(number, one) for number, one in enumerate(detectors) if isinstance(one, VoiceActivity)]
    for (number, _), probabilities in zip(
        real, _run([one for _, one in real], [pieces[number] for number, _ in real]), strict=True
    ):
        said[number] = probabilities
    for number, other in enumerate(detectors):
        if not isinstance(other, VoiceActivity):
            said[number] = other.push(pieces[number])
    return said


def _run(detectors: Sequence[VoiceActivity], pieces: Sequence[NDArray[np.float32]]) -> list[list[float]]:
    network = speech_network()
    looks = [one.cut(piece) for one, piece in zip(detectors, pieces, strict=True)]
    said: list[list[float]] = [[] for _ in detectors]
    counts = [len(one) for one in looks]
    if not any(counts):
        return said
    seen = network.encode(np.concatenate(looks).reshape(-1, CHUNK)).reshape(sum(counts), _LOOKS, -1)
    first = np.cumsum([0, *counts])
    for turn in range(max(counts)):
        turned = [number for number, count in enumerate(counts) if count > turn]
        rows = np.concatenate([seen[first[number] + turn] for number in turned])
        memory = np.concatenate([detectors[number].memory for number in turned])
        probabilities, memory = network.remember(rows, memory)
        heard = np.maximum(probabilities[::_LOOKS], TRUST * probabilities[1::_LOOKS]).tolist()
        for number, probability, kept in zip(
            turned, heard, memory.reshape(len(turned), _LOOKS, *memory.shape[1:]), strict=True
        ):
            said[number].append(probability)
            detectors[number].memory = kept
    return said


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
