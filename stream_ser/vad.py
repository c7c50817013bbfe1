"""Speech or not: Silero's probability per chunk, and a gate with hysteresis that turns it into utterances.

Others who talk in the background are speech to the network too. The gate keeps to the voice that is loudest lately, see
:class:`Foreground`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from stream_ser.silero import CHUNK as CHUNK
from stream_ser.silero import SEEN, no_memory, speech_network

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

ENTER, LEAVE = 0.5, 0.35
"""Probabilities from which a chunk begins an utterance, and below which it may end one."""

_NO_LEVEL = -1_000.0
"""Decibels, below all there are."""


class Sound(NamedTuple):
    """What a detector says of one chunk."""

    speech: float
    """Probability of speech, [0, 1]."""
    level: float
    """Mean power, dB of full scale."""


class SpeechDetector(Protocol):
    """What finds speech in one stream; :class:`VoiceActivity` is the real one."""

    def push(self, samples: NDArray[np.float32]) -> list[Sound]: ...

    def reset(self) -> None: ...


class VoiceActivity:
    """Speech probability and level of each 32 ms chunk of one stream."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Return to the state of a new stream."""
        self.tail: NDArray[np.float32] = np.empty(0, np.float32)
        """Samples of the chunk that is not complete."""
        self.peak = 0.0
        """Of the samples lately."""
        self.memory = no_memory(2)
        """The network's, of the plain looks and of the raised ones."""

    def push(self, samples: NDArray[np.float32]) -> list[Sound]:
        """Take samples in [-1, 1] at 16 kHz, any number; return what is said of each chunk they complete."""
        (sounds,) = _push([self], [samples])
        return sounds


def push_all(detectors: Sequence[SpeechDetector], pieces: Sequence[NDArray[np.float32]]) -> list[list[Sound]]:
    """What ``push`` returns for each of the detectors with its piece; the real ones share the runs of the network."""
    pairs = list(zip(detectors, pieces, strict=True))
    real = [(one, piece) for one, piece in pairs if isinstance(one, VoiceActivity)]
    said = iter(_push([one for one, _ in real], [piece for _, piece in real]))
    return [next(said) if isinstance(one, VoiceActivity) else one.push(piece) for one, piece in pairs]


def _push(detectors: Sequence[VoiceActivity], pieces: Sequence[NDArray[np.float32]]) -> list[list[Sound]]:
    """Detectors that complete as many chunks go together."""
    alike: dict[int, list[int]] = {}
    for number, (one, piece) in enumerate(zip(detectors, pieces, strict=True)):
        alike.setdefault((len(one.tail) + len(piece)) // CHUNK, []).append(number)
    said: list[list[Sound]] = [[] for _ in detectors]
    for count, numbers in alike.items():
        some = [detectors[number] for number in numbers]
        for number, sounds in zip(numbers, _push_alike(some, [pieces[number] for number in numbers], count), strict=True):
            said[number] = sounds
    return said


def _push_alike(detectors: Sequence[VoiceActivity], pieces: Sequence[NDArray[np.float32]], count: int) -> Iterable[list[Sound]]:
    """``push`` for detectors whose pieces complete ``count`` chunks each."""
    chunks = _cut(detectors, pieces, count)
    if not count:
        return [[] for _ in detectors]
    levels = 10.0 * np.log10(np.einsum("ijk,ijk->ij", chunks, chunks) / CHUNK + _SOFTEST)
    speech = _look(detectors, chunks)
    return [list(map(Sound, *both)) for both in zip(speech.tolist(), levels.tolist(), strict=True)]


def _cut(detectors: Sequence[VoiceActivity], pieces: Sequence[NDArray[np.float32]], count: int) -> NDArray[np.float32]:
    """``float32[detector, count, CHUNK]``; what is left of the pieces stays with the detectors."""
    samples = np.empty((len(detectors), count * CHUNK), np.float32)
    for row, one, piece in zip(samples, detectors, pieces, strict=True):
        waiting = np.concatenate((one.tail, piece))
        row[:], one.tail = waiting[: count * CHUNK], waiting[count * CHUNK :].copy()
    return samples.reshape(len(detectors), count, CHUNK)


def _look(detectors: Sequence[VoiceActivity], chunks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probability of speech, ``float32[detector, chunk]``; the detectors remember."""
    peaks = _recent_peaks(detectors, chunks)
    limits = LOUDEST / np.maximum(peaks, _SOFTEST)[:, :, None]
    quiet = peaks < QUIET
    raised = chunks[quiet] * np.minimum(RAISED, limits[quiet])
    plain = (chunks * np.minimum(1.0, limits)).reshape(-1, CHUNK)
    network = speech_network()
    seen = np.zeros((2, *quiet.shape, SEEN), np.float32)
    both = network.encode(np.concatenate((plain, raised)))
    seen[0], seen[1, quiet] = both[: len(plain)].reshape(seen[0].shape), both[len(plain) :]
    memory = np.stack([one.memory for one in detectors])
    speech = np.empty(quiet.shape, np.float32)
    for turn, twice in enumerate(quiet.T):
        rows = np.concatenate((seen[0, :, turn], seen[1, twice, turn]))
        probabilities, kept = network.remember(rows, np.concatenate((memory[:, 0], memory[twice, 1])))
        first, second = probabilities[: len(detectors)], probabilities[len(detectors) :]
        # A stream that is not quiet is looked at once; should it become quiet, the second look goes on from the first.
        memory[:] = kept[: len(detectors), None]
        memory[twice, 1] = kept[len(detectors) :]
        speech[:, turn] = first
        speech[twice, turn] = np.maximum(first[twice], TRUST * second)
    for one, kept in zip(detectors, memory, strict=True):
        one.memory = kept.copy()
    return speech


def _recent_peaks(detectors: Sequence[VoiceActivity], chunks: NDArray[np.float32]) -> NDArray[np.float32]:
    """The largest sample lately, as of each chunk, ``float32[detector, chunk]``; the detectors remember the last."""
    peaks: NDArray[np.float32] = np.abs(chunks).max(axis=2)
    recent = np.array([one.peak for one in detectors])
    for turn in range(peaks.shape[1]):
        recent = np.maximum(peaks[:, turn], recent * _RELEASE)
        peaks[:, turn] = recent
    for one, peak in zip(detectors, recent.tolist(), strict=True):
        one.peak = peak
    return peaks


@dataclass(frozen=True, slots=True)
class Utterance:
    """Speech between two silences, in samples; ``end`` is None while it lasts."""

    start: int
    end: int | None = None


@dataclass(slots=True)
class Foreground:
    """How loud the one who speaks here is: talk well below that is somebody else's, farther away.

    It rises at once with what is speech and sinks slowly, so that after a loud voice a soft one is heard again. A stream
    begins without one: whoever speaks first is heard. Under the babble of six voices 10 dB below them, 240 RAVDESS clips gave
    utterances with 14 % of their length too much, 66 % without it; the clips by themselves lost 3 %, at soft ends.
    """

    depth: float = 10.0
    """Decibels below the foreground at which the background begins."""
    sinks: float = 0.1
    """Decibels per chunk within an utterance: 3 a second."""
    sinks_between: float = 0.3
    carries: float = 0.7
    """Decibels per chunk by which a loud chunk carries the softer ones after it."""

    _level: float = _NO_LEVEL
    _carried: float = _NO_LEVEL

    @property
    def least(self) -> float:
        """Level below which a chunk is of the background."""
        return self._level - self.depth

    def speech(self, sound: Sound, *, speaking: bool) -> float:
        """The probability that the next chunk is speech of the foreground; ``speaking`` within an utterance."""
        self._level -= self.sinks if speaking else self.sinks_between
        self._carried = max(sound.level, self._carried - self.carries)
        if self._carried < self.least:
            return 0.0
        if sound.speech >= ENTER:
            self._level = max(self._level, sound.level)
        return sound.speech


@dataclass(slots=True)
class SpeechGate:
    """Turns what a detector says of chunks into utterances.

    Speech begins with ``onset_chunks`` chunks in a row at or above :data:`ENTER`; it ends after ``hang_chunks`` in a row
    below :data:`LEAVE`. The gap between the two thresholds keeps a wavering probability from chopping an utterance. Where a
    voice turns out to stand far above what the utterance began with, it began with the background: its start moves on.
    """

    onset_chunks: int = 4
    hang_chunks: int = 16
    soft_chunks: int = 6
    """A voice may begin softly for so long."""

    chunks: int = 0
    """Chunks seen since the start of the stream."""
    utterance: Utterance | None = None
    """The utterance in progress."""
    _run: int = 0
    _foreground: Foreground = field(default_factory=Foreground)
    _rises: list[tuple[int, float]] = field(default_factory=list)
    """Where the utterance may begin: its first chunk, then each that is 1 dB louder than all before, with its level."""

    def update(self, sound: Sound) -> Utterance | None:
        """Take what is said of the next chunk; return the utterance that it begins or ends, if it does."""
        probability = self._foreground.speech(sound, speaking=self.utterance is not None)
        if self.utterance is None:
            return self._wait(probability, sound.level)
        self._note(sound.level)
        self.chunks += 1
        while len(self._rises) > 1 and self._rises[0][1] < self._foreground.least:
            del self._rises[0]
        first = self._rises[0][0] * CHUNK
        if first > self.utterance.start + self.soft_chunks * CHUNK:
            self.utterance = Utterance(first)
        self._run = self._run + 1 if probability < LEAVE else 0
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
        self.chunks, self.utterance, self._run, self._foreground = 0, None, 0, Foreground()

    def _wait(self, probability: float, level: float) -> Utterance | None:
        self._run = self._run + 1 if probability >= ENTER else 0
        if self._run <= 1:
            self._rises.clear()
        self._note(level)
        self.chunks += 1
        if self._run < self.onset_chunks:
            return None
        self.utterance = Utterance((self.chunks - self._run) * CHUNK)
        self._run = 0
        return self.utterance

    def _note(self, level: float) -> None:
        if not self._rises or level >= self._rises[-1][1] + 1.0:
            self._rises.append((self.chunks, level))
