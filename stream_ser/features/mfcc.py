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
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from stream_ser.features.filterbank import dct_matrix, lifter_weights, mel_filters

_EPSILON = np.finfo(np.float64).eps
"""Stands for an empty filter before the logarithm, as in python_speech_features."""

_BLOCK = 100
"""Frames that are transformed at a time, or those of one stream: their spectra stay in the processor's cache."""


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
        bank = mel_filters(settings.filters, settings.fft_length, settings.sample_rate, settings.low_hz, settings.high_hz)
        self._filters = np.ascontiguousarray(bank.T / settings.fft_length, np.float32)
        self._cepstrum = dct_matrix(settings.filters, settings.coefficients)
        self._cepstrum *= lifter_weights(settings.coefficients, settings.lifter)
        self._taper: NDArray[np.float64] = np.hamming(settings.frame_length)

    def __call__(self, frames: NDArray[np.float64]) -> NDArray[np.float32]:
        """``float64[stream, frames, frame_length]`` -> ``float32[stream, frames, coefficients]``."""
        streams, count, length = frames.shape
        coefficients = np.empty((streams, count, self.settings.coefficients), np.float32)
        block = max(1, _BLOCK // max(1, count))
        for first in range(0, streams if count else 0, block):
            tapered = frames[first : first + block] * self._taper
            found = self._log_energies(tapered.reshape(-1, length)) @ self._cepstrum
            coefficients[first : first + block] = found.reshape(-1, count, found.shape[1])
        return coefficients

    def _log_energies(self, frames: NDArray[np.float64]) -> NDArray[np.float64]:
        # Power in single precision: sums of positive numbers keep its seven digits, which transforms before and after do not.
        spectrum = np.fft.rfft(frames, self.settings.fft_length).astype(np.complex64).view(np.float32)
        squares = np.square(spectrum)
        energy: NDArray[np.float64] = ((squares[:, ::2] + squares[:, 1::2]) @ self._filters).astype(np.float64)
        energy[energy == 0.0] = _EPSILON
        return np.log(energy)


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
        self.reset()

    def reset(self) -> None:
        """Forget the stream: the next sample is the first of a new one."""
        self.framed = False
        """Whether a frame was returned."""
        self.tail: NDArray[np.float64] = np.zeros(1)
        """The sample before the next frame, for pre-emphasis, and those of that frame which are there."""

    def push(self, samples: NDArray[np.floating]) -> NDArray[np.float32]:
        """Take finite mono samples ``[n]``, any ``n``; return the frames they complete, ``float32[frames, coefficients]``."""
        (frames,) = push_all([self], [samples])
        return frames

    def flush(self) -> NDArray[np.float32]:
        """End the stream: return the last, zero-padded frame if samples are left for one, then reset."""
        overlap = self.settings.frame_length - self.settings.frame_step
        left = len(self.tail) - 1 > (overlap if self.framed else 0)
        rest = _emphasised(self.tail[None], self.settings)
        frame = np.zeros((1, int(left), self.settings.frame_length))
        frame[:, :, : rest.shape[1]] = rest
        self.reset()
        last: NDArray[np.float32] = transform(self.settings)(frame)[0]
        return last


def push_all(streams: Sequence[StreamingMfcc], pieces: Sequence[NDArray[np.floating]]) -> list[NDArray[np.float32]]:
    """What ``push`` returns for each of the streams, all of the same settings, with its piece.

    Streams that have as many samples, as those of one engine mostly do, are transformed together.
    """
    alike: dict[tuple[int, int], list[int]] = {}
    for number, (stream, piece) in enumerate(zip(streams, pieces, strict=True)):
        alike.setdefault((len(stream.tail), len(piece)), []).append(number)
    frames: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(streams)
    for numbers in alike.values():
        some = [streams[number] for number in numbers]
        for number, found in zip(numbers, _push_alike(some, [pieces[number] for number in numbers]), strict=True):
            frames[number] = found
    return frames


def _push_alike(streams: Sequence[StreamingMfcc], pieces: Sequence[NDArray[np.floating]]) -> NDArray[np.float32]:
    """``push`` for streams with tails and pieces of equal lengths: ``float32[stream, frames, coefficients]``."""
    settings = streams[0].settings
    length, step = settings.frame_length, settings.frame_step
    buffer = np.concatenate((np.stack([stream.tail for stream in streams]), np.stack(pieces)), axis=1)
    count = max(0, (buffer.shape[1] - 1 - length) // step + 1)
    for stream, tail in zip(streams, buffer[:, count * step :], strict=True):
        stream.tail = tail.copy()
        stream.framed |= count > 0
    if not count:
        return np.empty((len(streams), 0, settings.coefficients), np.float32)
    frames = sliding_window_view(_emphasised(buffer, settings), length, axis=1)[:, : count * step : step]
    return transform(settings)(frames)


def _emphasised(samples: NDArray[np.float64], settings: MfccSettings) -> NDArray[np.float64]:
    """``[stream, samples]`` pre-emphasised, less the first, which none comes before."""
    emphasised: NDArray[np.float64] = samples[:, 1:] - settings.preemphasis * samples[:, :-1]
    return emphasised
