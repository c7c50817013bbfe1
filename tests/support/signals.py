"""Synthetic signals, and a voice detector that takes them for speech."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_ser.features import MfccSettings, OffsetRemoval, StreamingMfcc
from stream_ser.speech.detector import VadFrame
from stream_ser.speech.silero import CHUNK
from stream_ser.state_rows import StateRows

RATE = 16_000

Samples = NDArray[np.float32]


@dataclass(slots=True)
class LoudnessState(StateRows):
    """Samples of the chunk that is not complete, and how many there are."""

    tail: Samples
    tail_length: NDArray[np.int64]


class LoudnessDetector:
    """A voice detector for synthetic signals: what is loud is speech."""

    def new_state(self, rows: int) -> LoudnessState:
        return LoudnessState(np.zeros((rows, CHUNK), np.float32), np.zeros(rows, np.int64))

    def process(self, state: LoudnessState, rows: NDArray[np.intp], samples: Samples) -> list[list[VadFrame]]:
        return [self._process_stream(state, int(row), new) for row, new in zip(rows, samples, strict=True)]

    def _process_stream(self, state: LoudnessState, row: int, samples: Samples) -> list[VadFrame]:
        waiting = np.concatenate((state.tail[row, : state.tail_length[row]], samples))
        count = len(waiting) // CHUNK
        rest = waiting[count * CHUNK :]
        state.tail[row, : len(rest)], state.tail_length[row] = rest, len(rest)
        return [
            vad_frame(1.0 if np.abs(chunk).max() > 0.01 else 0.0, 10.0 * float(np.log10(np.mean(chunk**2) + 1e-9)))
            for chunk in waiting[: count * CHUNK].reshape(count, CHUNK)
        ]


def vad_frame(probability: float, level: float = -30.0) -> VadFrame:
    """What a voice detector gives for one chunk; ``level`` in dBFS."""
    return VadFrame(probability, level)


def voice(seconds: float, rng: np.random.Generator) -> Samples:
    """A buzz with some noise: not speech to Silero, speech to :class:`LoudnessDetector`."""
    time = np.arange(round(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * 120 * k * time + k) / k for k in range(1, 20))
    return (0.1 * buzz + 0.01 * rng.standard_normal(len(time))).astype(np.float32)


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), np.float32)


def without_offset(signal: Samples, hop: int = RATE // 10) -> Samples:
    """The signal with its offset removed, hop by hop, as a backend does before it extracts features."""
    removal, rest = OffsetRemoval(RATE, hop), signal.copy()
    state, row = removal.new_state(1), np.zeros(1, np.intp)
    for start in range(0, len(rest), hop):
        removal.process(state, row, rest[None, start : start + hop])
    return rest


def mfcc_frames(signal: Samples, features: MfccSettings) -> NDArray[np.float32]:
    """``float32[frames, coefficients]`` of a whole signal."""
    mfcc = StreamingMfcc(features)
    (frames,) = mfcc.process(mfcc.new_state(1), np.zeros(1, np.intp), signal[None])
    return frames


def talk_over_background() -> Samples:
    """A voice for one second, after and before others 26 dB below it for one second each."""
    rng = np.random.default_rng(2)
    others = [np.float32(0.12) * voice(1.0, rng) for _ in range(2)]
    return np.concatenate((silence(0.5), others[0], voice(1.0, rng) * 2.4, others[1], silence(0.9)))
