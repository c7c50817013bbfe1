"""Mel-frequency cepstral coefficients, one hop at a time.

The definition is that of ``python_speech_features.mfcc``: pre-emphasis, Hamming frames, power spectrum, triangular
mel filters, logarithm, orthonormal DCT-II, lifter (Davis and Mermelstein 1980; HTK Book, section 5.4 and 5.6).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from stream_ser.features.filterbank import dct_matrix, lifter_weights, mel_filters
from stream_ser.state_rows import StateRows

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


@dataclass(slots=True)
class MfccState(StateRows):
    """The samples of each stream that later frames need."""

    tail: NDArray[np.float64]
    """``[rows, frame_length]``: the sample before the next frame, for pre-emphasis, then the samples of that frame so far."""
    tail_length: NDArray[np.int64]
    """How many of them are of the next frame."""


class StreamingMfcc:
    """MFCC frames of many streams. Any chunking of a signal gives the frames of the whole signal.

    Frame ``k`` covers the samples ``[k * frame_step, k * frame_step + frame_length)``. It is returned when its last sample
    comes; a frame that is not complete when the stream ends is not returned.
    """

    def __init__(self, settings: MfccSettings) -> None:
        self.settings = settings
        self._transform = transform(settings)

    def new_state(self, rows: int) -> MfccState:
        """The state of ``rows`` new streams."""
        return MfccState(np.zeros((rows, self.settings.frame_length)), np.zeros(rows, np.int64))

    def process(self, state: MfccState, rows: NDArray[np.intp], samples: NDArray[np.floating]) -> list[NDArray[np.float32]]:
        """Take the next samples of some streams; return the frames that they complete, by stream.

        Args:
            state: of :meth:`new_state`; the rows of these streams are updated.
            rows: ``intp[stream]``, each once.
            samples: ``[stream, n]``, finite, any ``n``.

        Returns:
            ``float32[frames, coefficients]`` for each stream.
        """
        lengths = state.tail_length[rows]
        found: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(rows)
        for length in set(lengths.tolist()):  # those with equal tails, as most are, are transformed together
            alike = np.flatnonzero(lengths == length)
            for number, frames in zip(alike, self._process_alike(state, rows[alike], samples[alike], length), strict=True):
                found[number] = frames
        return found

    def _process_alike(
        self, state: MfccState, rows: NDArray[np.intp], samples: NDArray[np.floating], tail_length: int
    ) -> NDArray[np.float32]:
        """:meth:`process` for streams with tails of equal length: ``float32[stream, frames, coefficients]``."""
        settings = self.settings
        length, step = settings.frame_length, settings.frame_step
        buffer = np.concatenate((state.tail[rows, : tail_length + 1], samples), axis=1)
        count = max(0, (buffer.shape[1] - 1 - length) // step + 1)
        rest = buffer[:, count * step :]
        state.tail[rows, : rest.shape[1]], state.tail_length[rows] = rest, rest.shape[1] - 1
        if not count:
            return np.empty((len(rows), 0, settings.coefficients), np.float32)
        frames = sliding_window_view(_emphasised(buffer, settings), length, axis=1)[:, : count * step : step]
        return self._transform(frames)


def _emphasised(samples: NDArray[np.float64], settings: MfccSettings) -> NDArray[np.float64]:
    """``[stream, samples]`` pre-emphasised, less the first, which none comes before."""
    emphasised: NDArray[np.float64] = samples[:, 1:] - settings.preemphasis * samples[:, :-1]
    return emphasised
