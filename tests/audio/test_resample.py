from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_ser.audio.resample import Resampler, resample

pytestmark = pytest.mark.unit


def tone(rate: int, hertz: float, seconds: float = 1.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def in_pieces(resampler: Resampler, signal: np.ndarray, cuts: list[int]) -> np.ndarray:
    pieces = np.split(signal, sorted(min(cut, len(signal)) for cut in cuts))
    return np.concatenate([*(resampler.push(piece) for piece in pieces), resampler.push(signal[:0], last=True)])


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_a_tone_stays_the_tone_it_was(rate: int) -> None:
    expected = tone(16_000, 1_000.0)
    for converted in (
        resample(tone(rate, 1_000.0), rate, 16_000),
        in_pieces(Resampler(rate, 16_000), tone(rate, 1_000.0), [777]),
    ):
        assert abs(len(converted) - len(expected)) <= 1
        np.testing.assert_allclose(converted[500:15_000], expected[500:15_000], atol=2e-3)


def test_what_the_target_cannot_hold_is_filtered_out() -> None:
    assert np.abs(resample(tone(48_000, 11_000.0), 48_000, 16_000)[500:-500]).max() < 1e-3


@settings(max_examples=20)
@given(rate=st.sampled_from([8_000, 44_100, 48_000]), cuts=st.lists(st.integers(0, 48_000), max_size=10))
def test_the_chunking_does_not_change_the_result(rate: int, cuts: list[int]) -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, rate).astype(np.float32)
    whole = in_pieces(Resampler(rate, 16_000), noise, [])
    np.testing.assert_allclose(in_pieces(Resampler(rate, 16_000), noise, cuts), whole, atol=1e-6)


def test_reset_gives_the_state_of_a_new_stream() -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, 10_000).astype(np.float32)
    used = Resampler(44_100, 16_000)
    used.push(noise)
    used.reset()
    np.testing.assert_array_equal(in_pieces(used, noise, [55]), in_pieces(Resampler(44_100, 16_000), noise, [55]))
