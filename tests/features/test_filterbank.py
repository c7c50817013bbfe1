from __future__ import annotations

import numpy as np
import pytest
from python_speech_features import get_filterbanks, lifter
from scipy.fft import dct

from stream_ser.features.filterbank import dct_matrix, lifter_weights, mel_filters

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("filters", "fft_length", "sample_rate", "low_hz", "high_hz"),
    [
        (80, 1024, 16_000, 20.0, 8_000.0),
        (26, 512, 16_000, 0.0, 8_000.0),
        (26, 256, 8_000, 0.0, 4_000.0),
        (40, 2048, 44_100, 133.3, 6_855.5),
        (128, 256, 16_000, 0.0, 8_000.0),  # more filters than bins: some are empty
    ],
)
def test_filters_are_exactly_those_of_python_speech_features(
    filters: int, fft_length: int, sample_rate: int, low_hz: float, high_hz: float
) -> None:
    found = mel_filters(filters, fft_length, sample_rate, low_hz, high_hz)
    np.testing.assert_array_equal(found, get_filterbanks(filters, fft_length, sample_rate, low_hz, high_hz))


@pytest.mark.parametrize(("size", "coefficients"), [(80, 60), (26, 13), (40, 40), (1, 1)])
def test_the_cosine_transform_is_that_of_scipy(size: int, coefficients: int) -> None:
    values = np.random.default_rng(0).standard_normal((100, size))
    expected = dct(values, type=2, axis=1, norm="ortho")[:, :coefficients]
    np.testing.assert_allclose(values @ dct_matrix(size, coefficients), expected, rtol=0, atol=1e-10)


def test_the_full_cosine_transform_is_orthonormal() -> None:
    matrix = dct_matrix(80, 80)
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(80), rtol=0, atol=1e-12)


@pytest.mark.parametrize("strength", [0, 1, 22])
def test_the_lifter_is_that_of_python_speech_features(strength: int) -> None:
    cepstra = np.random.default_rng(1).standard_normal((50, 60))
    np.testing.assert_allclose(cepstra * lifter_weights(60, strength), lifter(cepstra, strength), rtol=0, atol=1e-10)
