"""The constant matrices of an MFCC: mel filters, cosine transform, lifter; each by the definition of python_speech_features."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray


def mel_filters(filters: int, fft_length: int, sample_rate: int, low_hz: float, high_hz: float) -> NDArray[np.float64]:
    """Triangular filters, equally spaced on the mel scale, each with a peak of 1 (HTK Book, section 5.4).

    As in ``python_speech_features.get_filterbanks``, corners are rounded down to bins of the spectrum, with
    ``mel = 2595 log10(1 + f / 700)`` (O'Shaughnessy 1987).

    Args:
        filters: how many.
        fft_length: of the spectrum, in samples.
        sample_rate: in Hz.
        low_hz: lower corner of the first filter.
        high_hz: upper corner of the last filter, at most half the sample rate.

    Returns:
        Weights ``[filters, fft_length // 2 + 1]`` in [0, 1].
    """
    corners_mel = np.linspace(_mel(low_hz), _mel(high_hz), filters + 2)
    corners_hz = 700 * (10 ** (corners_mel / 2595.0) - 1)
    corners = np.floor((fft_length + 1) * corners_hz / sample_rate).astype(int)
    weights = np.zeros((filters, fft_length // 2 + 1))
    for row, (left, peak, right) in zip(weights, sliding_window_view(corners, 3), strict=True):
        row[left:peak] = (np.arange(left, peak) - left) / (peak - left)
        row[peak:right] = (right - np.arange(peak, right)) / (right - peak)
    return weights


def dct_matrix(size: int, coefficients: int) -> NDArray[np.float64]:
    """The orthonormal DCT-II of ``size`` values as a matrix to multiply rows with.

    ``y[k] = sqrt(2 / size) * sum_n x[n] * cos(pi * k * (2 n + 1) / (2 size))``, with ``y[0]`` divided by ``sqrt(2)``
    (Ahmed, Natarajan and Rao 1974; ``scipy.fft.dct`` with ``norm="ortho"``).

    Returns:
        ``[size, coefficients]``, the first ``coefficients`` columns.
    """
    angles = np.pi * np.outer(2 * np.arange(size) + 1, np.arange(coefficients)) / (2 * size)
    matrix: NDArray[np.float64] = np.sqrt(2.0 / size) * np.cos(angles)
    matrix[:, 0] /= np.sqrt(2.0)
    return matrix


def lifter_weights(coefficients: int, lifter: int) -> NDArray[np.float64]:
    """What each cepstral coefficient is multiplied by: ``1 + lifter / 2 * sin(pi * n / lifter)`` (HTK Book, section 5.6).

    Returns:
        ``[coefficients]``; ones where ``lifter`` is 0.
    """
    if lifter == 0:
        return np.ones(coefficients)
    weights: NDArray[np.float64] = 1 + (lifter / 2.0) * np.sin(np.pi * np.arange(coefficients) / lifter)
    return weights


def _mel(hz: float) -> float:
    return float(2595 * np.log10(1 + hz / 700.0))
