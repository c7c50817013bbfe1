"""Probability of speech and level of each 32 ms chunk, for many streams at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from stream_ser.speech.silero import CHUNK, ENCODED, SpeechNetwork, no_memory, speech_network
from stream_ser.state_rows import StateRows

PEAK_LIMIT = 0.05
"""Peak that the network is shown at most. Shouting near full scale looks less like speech to it than the same voice
turned down: of 480 RAVDESS clips it found no speech in 5 as they are, in 1 with this limit."""

QUIET_GAIN = 30.0
"""Gain, before that limit, of a second pass over quiet chunks, for microphones turned down. Of the 1,440 RAVDESS clips
30 dB quieter one pass found no speech in 463, two in 16; as they are, either found none in 9."""

QUIET_PEAK = 0.02
"""Recent peak below which there is a second pass; with one for every chunk it found speech in no clip more."""

QUIET_WEIGHT = 0.6
"""What the second pass's probability counts for: where it counts for more, it finds speech in synthetic music."""

_PEAK_DECAY = 0.98
"""Factor by which the recent peak falls per chunk: half in 1.1 s."""

_POWER_FLOOR = 1e-9

Samples = NDArray[np.float32]
RowIndices = NDArray[np.intp]


class VadFrame(NamedTuple):
    """What a detector finds in one chunk."""

    speech: float
    """Probability of speech, [0, 1]."""
    level: float
    """Mean power, dB of full scale."""


class SpeechDetector(Protocol):
    """What finds speech in many streams; :class:`VoiceActivity` is the real one."""

    def new_state(self, rows: int) -> StateRows:
        """The state of ``rows`` new streams."""
        ...

    def process(self, state: Any, rows: RowIndices, samples: Samples) -> list[list[VadFrame]]:
        """Take the next samples of some streams; return a frame for each chunk that they complete, by stream.

        Args:
            state: of :meth:`new_state`; the rows of these streams are updated.
            rows: ``intp[stream]``, each once.
            samples: ``float32[stream, n]`` at 16 kHz, any ``n``, in [-1, 1].
        """
        ...


@dataclass(slots=True)
class VadState(StateRows):
    """What the detector remembers of each stream."""

    tail: Samples
    """``[rows, CHUNK]``: the samples of the chunk that is not complete."""
    tail_length: NDArray[np.int64]
    """How many of them there are."""
    peak: NDArray[np.float64]
    """The recent peak."""
    memory: NDArray[np.float32]
    """``[rows, 2, ...]``: the network's memory of the plain and of the raised pass."""


class VoiceActivity:
    """Silero's network over chunks at a limited peak, and a second time over quiet ones, raised.

    Raises:
        SpeechWeightsError: the weights are not where, or not what, they should be.
    """

    def __init__(self) -> None:
        self._network = speech_network()

    def new_state(self, rows: int) -> VadState:
        return VadState(np.zeros((rows, CHUNK), np.float32), np.zeros(rows, np.int64), np.zeros(rows), no_memory(rows, 2))

    def process(self, state: VadState, rows: RowIndices, samples: Samples) -> list[list[VadFrame]]:
        counts = (state.tail_length[rows] + samples.shape[1]) // CHUNK
        found: list[list[VadFrame]] = [[] for _ in rows]
        for count in set(counts.tolist()):  # streams that complete as many chunks go together
            alike = np.flatnonzero(counts == count)
            chunks = _cut_chunks(state, rows[alike], samples[alike], count)
            if count:
                for number, frames in zip(alike, _process_chunks(self._network, state, rows[alike], chunks), strict=True):
                    found[number] = frames
        return found


def _cut_chunks(state: VadState, rows: RowIndices, samples: Samples, count: int) -> Samples:
    """``float32[stream, count, CHUNK]``; the samples that are left go into the tails."""
    cut = np.empty((len(rows), count * CHUNK), np.float32)
    for chunks, row, new in zip(cut, rows, samples, strict=True):
        waiting = np.concatenate((state.tail[row, : state.tail_length[row]], new))
        chunks[:], rest = waiting[: count * CHUNK], waiting[count * CHUNK :]
        state.tail[row, : len(rest)], state.tail_length[row] = rest, len(rest)
    return cut.reshape(len(rows), count, CHUNK)


def _process_chunks(network: SpeechNetwork, state: VadState, rows: RowIndices, chunks: Samples) -> list[list[VadFrame]]:
    levels = 10.0 * np.log10(np.einsum("ijk,ijk->ij", chunks, chunks) / CHUNK + _POWER_FLOOR)
    speech = _speech_probabilities(network, state, rows, chunks)
    return [list(map(VadFrame, *both)) for both in zip(speech.tolist(), levels.tolist(), strict=True)]


def _speech_probabilities(network: SpeechNetwork, state: VadState, rows: RowIndices, chunks: Samples) -> NDArray[np.float32]:
    """``float32[stream, chunk]``."""
    peaks = _recent_peaks(state, rows, chunks)
    limits = PEAK_LIMIT / np.maximum(peaks, _POWER_FLOOR)[:, :, None]
    quiet = peaks < QUIET_PEAK
    raised = chunks[quiet] * np.minimum(QUIET_GAIN, limits[quiet])
    plain = (chunks * np.minimum(1.0, limits)).reshape(-1, CHUNK)
    encoded = np.zeros((2, *quiet.shape, ENCODED), np.float32)
    both = network.encode(np.concatenate((plain, raised)))
    encoded[0], encoded[1, quiet] = both[: len(plain)].reshape(encoded[0].shape), both[len(plain) :]
    memory = state.memory[rows]
    speech = np.empty(quiet.shape, np.float32)
    for turn, twice in enumerate(quiet.T):
        inputs = np.concatenate((encoded[0, :, turn], encoded[1, twice, turn]))
        probabilities, updated = network.remember(inputs, np.concatenate((memory[:, 0], memory[twice, 1])))
        first, second = probabilities[: len(rows)], probabilities[len(rows) :]
        # A stream that is not quiet has one pass. Should it become quiet, the second goes on from the first.
        memory[:] = updated[: len(rows), None]
        memory[twice, 1] = updated[len(rows) :]
        speech[:, turn] = first
        speech[twice, turn] = np.maximum(first[twice], QUIET_WEIGHT * second)
    state.memory[rows] = memory
    return speech


def _recent_peaks(state: VadState, rows: RowIndices, chunks: Samples) -> NDArray[np.float32]:
    """The largest sample lately, as of each chunk, ``float32[stream, chunk]``."""
    peaks: NDArray[np.float32] = np.abs(chunks).max(axis=2)
    recent = state.peak[rows]
    for turn in range(peaks.shape[1]):
        recent = np.maximum(peaks[:, turn], recent * _PEAK_DECAY)
        peaks[:, turn] = recent
    state.peak[rows] = recent
    return peaks


def detect(detector: SpeechDetector, samples: Samples) -> list[VadFrame]:
    """What ``detector`` finds in one whole signal, ``float32[n]`` at 16 kHz."""
    (frames,) = detector.process(detector.new_state(1), np.zeros(1, np.intp), samples[None])
    return frames
