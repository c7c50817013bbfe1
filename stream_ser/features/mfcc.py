"""Mel-frequency cepstral coefficients, one hop at a time.

The definition is that of ``python_speech_features.mfcc``: pre-emphasis, Hamming frames, power spectrum, triangular
mel filters, logarithm, orthonormal DCT-II, lifter (Davis and Mermelstein 1980; HTK Book, section 5.4 and 5.6).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from python_speech_features import get_filterbanks, lifter
from scipy.fft import dct

_EPSILON = np.finfo(np.float64).eps
"""Stands for an empty filter before the logarithm, as in python_speech_features."""


@dataclass(frozen=True, slots=True)
class MfccSettings:
    """What a frame of MFCC is. Two bundles with equal settings read the same numbers.

    Lengths are in samples at ``sample_rate`` Hz; ``low_hz`` and ``high_hz`` bound the mel filters; ``lifter`` 0 leaves
    the coefficients unscaled, which suits models that normalise each coefficient themselves.
    """

    sample_rate: int = 16_000
    frame_length: int = 640
    frame_step: int = 160
    fft_length: int = 1024
    filters: int = 80
    coefficients: int = 60
    low_hz: float = 20.0
    high_hz: float = 8_000.0
    preemphasis: float = 0.97
    lifter: int = 0

    @property
    def frames_per_second(self) -> float:
        return self.sample_rate / self.frame_step

    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with any setting; a bundle carries those that it was trained on."""
        text = json.dumps({"feature": "mfcc", "window": "hamming", **asdict(self)}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class Transform:
    """Frames of samples to MFCCs, of any number of streams at once. Has no state."""

    def __init__(self, settings: MfccSettings) -> None:
        self.settings = settings
        bank = get_filterbanks(settings.filters, settings.fft_length, settings.sample_rate, settings.low_hz, settings.high_hz)
        self._filters: NDArray[np.float64] = np.ascontiguousarray(bank.T)
        self._cepstrum = _cepstral_matrix(settings)
        self._taper: NDArray[np.float64] = np.hamming(settings.frame_length)

    def __call__(self, frames: NDArray[np.float64]) -> NDArray[np.float32]:
        """``float64[frames, frame_length]`` -> ``float32[frames, coefficients]``."""
        if not len(frames):
            return np.empty((0, self.settings.coefficients), np.float32)
        spectrum = np.fft.rfft(frames * self._taper, self.settings.fft_length)
        power = (spectrum.real**2 + spectrum.imag**2) / self.settings.fft_length
        energy = power @ self._filters
        energy[energy == 0.0] = _EPSILON
        return (np.log(energy) @ self._cepstrum).astype(np.float32)


@cache
def transform(settings: MfccSettings) -> Transform:
    """The one transform of this process for ``settings``."""
    return Transform(settings)


class StreamingMfcc:
    """MFCC frames of one stream. Any chunking of a signal gives the frames of the whole signal.

    Frame ``k`` covers the samples ``[k * frame_step, k * frame_step + frame_length)``. It is returned by the push that
    brings its last sample.
    """

    def __init__(self, settings: MfccSettings) -> None:
        self.settings = settings
        self._transform = transform(settings)
        self.reset()

    def reset(self) -> None:
        """Forget the stream: the next sample is the first of a new one."""
        self._previous = 0.0
        self._framed = False
        self._tail: NDArray[np.float64] = np.empty(0)

    def push(self, samples: NDArray[np.floating]) -> NDArray[np.float32]:
        """Take finite mono samples ``[n]``, any ``n``; return the frames they complete, ``float32[frames, coefficients]``."""
        return self._transform(self.cut(samples))

    def cut(self, samples: NDArray[np.floating]) -> NDArray[np.float64]:
        """Take samples as ``push`` does; return the frames they complete as they go into the transform."""
        length, step = self.settings.frame_length, self.settings.frame_step
        if len(samples) == 0:
            return np.empty((0, length))
        buffer = np.concatenate((self._tail, self._emphasise(samples)))
        count = max(0, (len(buffer) - length) // step + 1)
        self._tail = buffer[count * step :].copy()
        if count == 0:
            return np.empty((0, length))
        self._framed = True
        frames: NDArray[np.float64] = np.lib.stride_tricks.sliding_window_view(buffer, length)[: count * step : step]
        return frames

    def flush(self) -> NDArray[np.float32]:
        """End the stream: return the last, zero-padded frame if samples are left for one, then reset."""
        overlap = self.settings.frame_length - self.settings.frame_step
        left = len(self._tail) > (overlap if self._framed else 0)
        frame = np.zeros((int(left), self.settings.frame_length))
        frame[:, : len(self._tail)] = self._tail
        self.reset()
        return self._transform(frame)

    def _emphasise(self, samples: NDArray[np.floating]) -> NDArray[np.float64]:
        signal = samples.astype(np.float64)
        emphasised = np.empty_like(signal)
        emphasised[1:] = signal[1:] - self.settings.preemphasis * signal[:-1]
        emphasised[0] = signal[0] - self.settings.preemphasis * self._previous
        self._previous = float(signal[-1])
        return emphasised


def push_all(streams: Sequence[StreamingMfcc], pieces: Sequence[NDArray[np.floating]]) -> list[NDArray[np.float32]]:
    """What ``push`` returns for each of the streams, all of the same settings, with its piece: one transform for all."""
    if not streams:
        return []
    cut = [stream.cut(piece) for stream, piece in zip(streams, pieces, strict=True)]
    frames = transform(streams[0].settings)(np.concatenate(cut))
    return np.split(frames, np.cumsum([len(one) for one in cut])[:-1])


def _cepstral_matrix(settings: MfccSettings) -> NDArray[np.float64]:
    """The orthonormal DCT-II and the lifter as one matrix ``[filters, coefficients]``."""
    matrix = dct(np.eye(settings.filters), type=2, norm="ortho", axis=1)[:, : settings.coefficients]
    scaled: NDArray[np.float64] = lifter(matrix, settings.lifter)
    return scaled
