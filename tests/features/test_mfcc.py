from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_speech_features import mfcc

from stream_ser.features import MfccSettings, StreamingMfcc

pytestmark = pytest.mark.unit

DEFAULT = MfccSettings()
OTHER = MfccSettings(
    sample_rate=8_000, frame_length=200, frame_step=80, fft_length=256, filters=26, coefficients=13, low_hz=0.0,
    high_hz=4_000.0, preemphasis=0.9, lifter=22,
)  # fmt: skip


def reference(signal: np.ndarray, features: MfccSettings) -> np.ndarray:
    return np.asarray(
        mfcc(
            signal.astype(np.float64),
            features.sample_rate,
            winlen=features.frame_length / features.sample_rate,
            winstep=features.frame_step / features.sample_rate,
            numcep=features.coefficients,
            nfilt=features.filters,
            nfft=features.fft_length,
            lowfreq=features.low_hz,
            highfreq=features.high_hz,
            preemph=features.preemphasis,
            ceplifter=features.lifter,
            appendEnergy=False,
            winfunc=np.hamming,
        )
    )


@st.composite
def signals(draw: st.DrawFn) -> np.ndarray:
    """Noise, tones, constants, silence, clicks, and silence between them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    parts = []
    for kind in draw(st.lists(st.sampled_from(["noise", "tone", "constant", "silence", "click"]), min_size=1, max_size=4)):
        length = draw(st.integers(1, 1500))
        level = draw(st.sampled_from([1e-6, 1e-3, 0.1, 1.0]))
        part = np.zeros(length)
        if kind == "noise":
            part = level * rng.standard_normal(length)
        elif kind == "tone":
            part = level * np.sin(2 * np.pi * draw(st.floats(30, 7_900)) * np.arange(length) / 16_000)
        elif kind == "constant":
            part += level
        elif kind == "click":
            part[rng.integers(length)] = level
        parts.append(part)
    return np.concatenate(parts).astype(np.float32)


def push_in_pieces(extractor: StreamingMfcc, signal: np.ndarray, cuts: list[int]) -> np.ndarray:
    pieces = np.split(signal, sorted(min(cut, len(signal)) for cut in cuts))
    return np.concatenate([*(extractor.push(piece) for piece in pieces), extractor.flush()])


@pytest.mark.parametrize("features", [DEFAULT, OTHER], ids=["default", "other"])
@settings(max_examples=150)
@given(signal=signals(), cuts=st.lists(st.integers(0, 6000), max_size=12))
def test_any_chunking_of_any_signal_gives_the_reference_frames(
    features: MfccSettings, signal: np.ndarray, cuts: list[int]
) -> None:
    frames = push_in_pieces(StreamingMfcc(features), signal, cuts)
    np.testing.assert_allclose(frames, reference(signal, features), atol=1e-4)


@settings(max_examples=50)
@given(signal=signals(), cuts=st.lists(st.integers(0, 6000), max_size=12))
def test_frames_do_not_depend_on_the_chunking(signal: np.ndarray, cuts: list[int]) -> None:
    whole = push_in_pieces(StreamingMfcc(DEFAULT), signal, [])
    np.testing.assert_allclose(push_in_pieces(StreamingMfcc(DEFAULT), signal, cuts), whole, atol=1e-5)


def test_a_frame_is_returned_with_its_last_sample() -> None:
    extractor = StreamingMfcc(DEFAULT)
    first, step = DEFAULT.frame_length, DEFAULT.frame_step
    noise = np.random.default_rng(0).standard_normal(first + step)
    assert len(extractor.push(noise[: first - 1])) == 0
    assert len(extractor.push(noise[first - 1 : first])) == 1
    assert len(extractor.push(noise[first:-1])) == 0
    assert len(extractor.push(noise[-1:])) == 1


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_a_signal_that_fills_its_frames_leaves_nothing_to_flush(frames: int) -> None:
    signal = np.random.default_rng(0).standard_normal(DEFAULT.frame_length + (frames - 1) * DEFAULT.frame_step)
    extractor = StreamingMfcc(DEFAULT)
    assert len(extractor.push(signal)) == frames == len(reference(signal, DEFAULT))
    assert len(extractor.flush()) == 0


def test_flush_without_samples_gives_nothing() -> None:
    assert StreamingMfcc(DEFAULT).flush().shape == (0, DEFAULT.coefficients)


def test_reset_gives_the_state_of_a_new_stream() -> None:
    rng = np.random.default_rng(1)
    used, signal = StreamingMfcc(DEFAULT), rng.standard_normal(2_000)
    used.push(rng.standard_normal(777))
    used.reset()
    np.testing.assert_array_equal(push_in_pieces(used, signal, [333]), push_in_pieces(StreamingMfcc(DEFAULT), signal, [333]))


def test_flush_ends_the_stream() -> None:
    used, signal = StreamingMfcc(DEFAULT), np.random.default_rng(2).standard_normal(1_000)
    first = push_in_pieces(used, signal, [])
    np.testing.assert_array_equal(push_in_pieces(used, signal, []), first)


def test_the_fingerprint_changes_with_every_setting() -> None:
    changed = [replace(DEFAULT, **{name: getattr(DEFAULT, name) + 1}) for name in DEFAULT.__slots__]
    assert len({settings.fingerprint() for settings in [DEFAULT, *changed]}) == len(changed) + 1
