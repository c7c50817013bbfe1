"""Probability of speech and level of each 32 ms chunk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from stream_ser.speech.silero import CHUNK as CHUNK
from stream_ser.speech.silero import SEEN, no_memory, speech_network

PEAK_LIMIT = 0.05
"""Peak that the network is shown at most. Shouting near full scale looks less like speech to it than the same voice
turned down: of 480 RAVDESS clips it heard no speech in 5 as they are, in 1 with this limit."""

QUIET_GAIN = 30.0
"""Gain, before that limit, of a second look that the network takes at quiet chunks, for microphones turned down. Of the
1,440 RAVDESS clips 30 dB quieter it heard no speech in 463 at one look, in 16 at two; as they are, in 9 either way."""

QUIET_PEAK = 0.02
"""Recent peak below which it takes the second look; with it at every chunk it heard speech in no clip more."""

QUIET_WEIGHT = 0.6
"""What the second look's probability counts for: where it counts for more, it hears speech in synthetic music."""

_RELEASE = 0.98
"""Factor by which the remembered peak falls per chunk: half in 1.1 s."""

_SOFTEST = 1e-9


class VadFrame(NamedTuple):
    """What a detector says of one chunk."""

    speech: float
    """Probability of speech, [0, 1]."""
    level: float
    """Mean power, dB of full scale."""


class SpeechDetector(Protocol):
    """What finds speech in one stream; :class:`VoiceActivity` is the real one."""

    def push(self, samples: NDArray[np.float32]) -> list[VadFrame]: ...

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

    def push(self, samples: NDArray[np.float32]) -> list[VadFrame]:
        """Take samples in [-1, 1] at 16 kHz, any number; return what is said of each chunk they complete."""
        (sounds,) = _push([self], [samples])
        return sounds


def push_all(detectors: Sequence[SpeechDetector], pieces: Sequence[NDArray[np.float32]]) -> list[list[VadFrame]]:
    """What ``push`` returns for each of the detectors with its piece; the real ones share the runs of the network."""
    pairs = list(zip(detectors, pieces, strict=True))
    real = [(one, piece) for one, piece in pairs if isinstance(one, VoiceActivity)]
    said = iter(_push([one for one, _ in real], [piece for _, piece in real]))
    return [next(said) if isinstance(one, VoiceActivity) else one.push(piece) for one, piece in pairs]


def _push(detectors: Sequence[VoiceActivity], pieces: Sequence[NDArray[np.float32]]) -> list[list[VadFrame]]:
    """Detectors that complete as many chunks go together."""
    alike: dict[int, list[int]] = {}
    for number, (one, piece) in enumerate(zip(detectors, pieces, strict=True)):
        alike.setdefault((len(one.tail) + len(piece)) // CHUNK, []).append(number)
    said: list[list[VadFrame]] = [[] for _ in detectors]
    for count, numbers in alike.items():
        some = [detectors[number] for number in numbers]
        for number, sounds in zip(numbers, _push_alike(some, [pieces[number] for number in numbers], count), strict=True):
            said[number] = sounds
    return said


def _push_alike(
    detectors: Sequence[VoiceActivity], pieces: Sequence[NDArray[np.float32]], count: int
) -> Iterable[list[VadFrame]]:
    """``push`` for detectors whose pieces complete ``count`` chunks each."""
    chunks = _cut(detectors, pieces, count)
    if not count:
        return [[] for _ in detectors]
    levels = 10.0 * np.log10(np.einsum("ijk,ijk->ij", chunks, chunks) / CHUNK + _SOFTEST)
    speech = _look(detectors, chunks)
    return [list(map(VadFrame, *both)) for both in zip(speech.tolist(), levels.tolist(), strict=True)]


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
    limits = PEAK_LIMIT / np.maximum(peaks, _SOFTEST)[:, :, None]
    quiet = peaks < QUIET_PEAK
    raised = chunks[quiet] * np.minimum(QUIET_GAIN, limits[quiet])
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
        speech[twice, turn] = np.maximum(first[twice], QUIET_WEIGHT * second)
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
