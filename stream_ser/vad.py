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
"""Gain, before that limit, of a second look that the network takes at quiet chunks, for microphones turned down. Of the
1,440 RAVDESS clips 30 dB quieter it heard no speech in 463 at one look, in 16 at two; as they are, in 9 either way."""

QUIET = 0.02
"""Recent peak below which it takes the second look; with it at every chunk it heard speech in no clip more."""

TRUST = 0.6
"""What the second look's probability counts for: where it counts for more, it hears speech in synthetic music."""

_RELEASE = 0.98
"""Factor by which the remembered peak falls per chunk: half in 1.1 s."""

_SOFTEST = 1e-9


@dataclass(frozen=True, slots=True)
class Chunks:
    """Chunks of a stream as they are looked at: all as ``plain[n, CHUNK]``, those that are ``quiet`` also as ``raised``."""

    plain: NDArray[np.float32]
    quiet: list[bool]
    raised: NDArray[np.float32]


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
        self.memory = no_memory(2)
        """The network's, of the plain looks and of the raised ones."""

    def push(self, samples: NDArray[np.float32]) -> list[float]:
        """Take samples in [-1, 1] at 16 kHz, any number; return one probability in [0, 1] per chunk they complete."""
        (probabilities,) = _run([self], [samples])
        return probabilities

    def cut(self, samples: NDArray[np.float32]) -> Chunks:
        """Take samples as ``push`` does; return the chunks they complete."""
        buffer = np.concatenate((self._tail, samples))
        count = len(buffer) // CHUNK
        self._tail = buffer[count * CHUNK :]
        chunks = buffer[: count * CHUNK].reshape(count, CHUNK)
        peaks = []
        for peak in np.abs(chunks).max(axis=1).tolist():
            self._peak = max(peak, self._peak * _RELEASE)
            peaks.append(self._peak)
        limits = LOUDEST / np.maximum(np.array(peaks, np.float32), _SOFTEST)[:, None]
        quiet = [peak < QUIET for peak in peaks]
        return Chunks(chunks * np.minimum(1.0, limits), quiet, chunks[quiet] * np.minimum(RAISED, limits[quiet]))


def push_all(detectors: Sequence[SpeechDetector], pieces: Sequence[NDArray[np.float32]]) -> list[list[float]]:
    """What ``push`` returns for each of the detectors with its piece; the real ones share the runs of the network."""
    pairs = list(zip(detectors, pieces, strict=True))
    real = [(one, piece) for one, piece in pairs if isinstance(one, VoiceActivity)]
    said = iter(_run([one for one, _ in real], [piece for _, piece in real]))
    return [next(said) if isinstance(one, VoiceActivity) else one.push(piece) for one, piece in pairs]


def _run(detectors: Sequence[VoiceActivity], pieces: Sequence[NDArray[np.float32]]) -> list[list[float]]:
    network = speech_network()
    cut = [one.cut(piece) for one, piece in zip(detectors, pieces, strict=True)]
    said: list[list[float]] = [[] for _ in detectors]
    looks = [part for chunks in cut for part in (chunks.plain, chunks.raised)]
    ends = np.cumsum([len(look) for look in looks])
    if not ends.any():
        return said
    seen = np.split(network.encode(np.concatenate(looks)), ends[:-1])
    plain, raised = seen[::2], [iter(one) for one in seen[1::2]]
    for turn in range(max(len(one.quiet) for one in cut)):
        turned = [number for number, one in enumerate(cut) if len(one.quiet) > turn]
        twice = [number for number in turned if cut[number].quiet[turn]]
        rows = np.stack([plain[number][turn] for number in turned] + [next(raised[number]) for number in twice])
        memory = [detectors[number].memory[0] for number in turned] + [detectors[number].memory[1] for number in twice]
        probabilities, kept = network.remember(rows, np.stack(memory))
        for place, number in enumerate(turned):
            # A stream that is not quiet is looked at once; should it become quiet, the second look goes on from the first.
            detectors[number].memory = kept[[place, place]]
            said[number].append(float(probabilities[place]))
        for place, number in enumerate(twice, start=len(turned)):
            detectors[number].memory[1] = kept[place]
            said[number][-1] = max(said[number][-1], TRUST * float(probabilities[place]))
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
