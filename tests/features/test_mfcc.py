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


ROW = np.zeros(1, np.intp)


def frames_of(signal: np.ndarray, features: MfccSettings, cuts: list[int]) -> np.ndarray:
    """The frames of one stream that gets the signal in pieces, in a state with more rows."""
    mfcc = StreamingMfcc(features)
    state, row = mfcc.new_state(3), np.array([1])
    pieces = np.split(signal, sorted(min(cut, len(signal)) for cut in cuts))
    found = [mfcc.process(state, row, piece[None])[0] for piece in pieces]
    return np.concatenate([np.empty((0, features.coefficients)), *(frames for frames in found if len(frames))])


def complete_frames(signal: np.ndarray, features: MfccSettings) -> np.ndarray:
    """The frames of the reference less the last where it was filled up with zeros."""
    count = max(0, (len(signal) - features.frame_length) // features.frame_step + 1)
    return reference(signal, features)[:count]


@pytest.mark.parametrize("features", [DEFAULT, OTHER], ids=["default", "other"])
@settings(max_examples=150)
@given(signal=signals(), cuts=st.lists(st.integers(0, 6000), max_size=12))
def test_any_chunking_of_any_signal_gives_the_reference_frames(
    features: MfccSettings, signal: np.ndarray, cuts: list[int]
) -> None:
    np.testing.assert_allclose(frames_of(signal, features, cuts), complete_frames(signal, features), atol=1e-4)


@settings(max_examples=50)
@given(signal=signals(), cuts=st.lists(st.integers(0, 6000), max_size=12))
def test_frames_do_not_depend_on_the_chunking(signal: np.ndarray, cuts: list[int]) -> None:
    np.testing.assert_allclose(frames_of(signal, DEFAULT, cuts), frames_of(signal, DEFAULT, []), atol=1e-5)


def test_a_frame_is_returned_with_its_last_sample() -> None:
    mfcc = StreamingMfcc(DEFAULT)
    state = mfcc.new_state(1)
    first, step = DEFAULT.frame_length, DEFAULT.frame_step
    noise = np.random.default_rng(0).standard_normal(first + step)
    counts = [
        len(mfcc.process(state, ROW, piece[None])[0])
        for piece in (noise[: first - 1], noise[first - 1 : first], noise[first:-1], noise[-1:])
    ]
    assert counts == [0, 1, 0, 1]


@settings(max_examples=25)
@given(
    seed=st.integers(0, 99),
    before=st.lists(st.integers(1, 900), min_size=4, max_size=4),
    pieces=st.lists(st.integers(0, 700), min_size=1, max_size=6),
)
def test_streams_together_get_the_frames_that_they_get_alone(seed: int, before: list[int], pieces: list[int]) -> None:
    """Whatever each had before, so that their tails differ."""
    signals = np.random.default_rng(seed).standard_normal((4, 900 + sum(pieces)))
    mfcc = StreamingMfcc(DEFAULT)
    state = mfcc.new_state(5)
    rows = np.array([4, 0, 3, 1])
    found: list[list[np.ndarray]] = [[] for _ in rows]
    for number, count in enumerate(before):
        found[number] += mfcc.process(state, rows[number : number + 1], signals[number : number + 1, :count])
    for piece in pieces:
        places = list(before)
        new = np.stack([signal[place : place + piece] for signal, place in zip(signals, places, strict=True)])
        before = [place + piece for place in places]
        for number, frames in enumerate(mfcc.process(state, rows, new)):
            found[number].append(frames)
    for signal, end, parts in zip(signals, before, found, strict=True):
        together = np.concatenate([np.empty((0, DEFAULT.coefficients)), *(one for one in parts if len(one))])
        np.testing.assert_allclose(together, complete_frames(signal[:end], DEFAULT), atol=1e-4)


def test_a_cleared_row_is_a_new_stream() -> None:
    rng = np.random.default_rng(1)
    mfcc, signal = StreamingMfcc(DEFAULT), rng.standard_normal((1, 2_000))
    state = mfcc.new_state(1)
    mfcc.process(state, ROW, rng.standard_normal((1, 777)))
    state.clear(0)
    np.testing.assert_array_equal(mfcc.process(state, ROW, signal)[0], mfcc.process(mfcc.new_state(1), ROW, signal)[0])


def test_the_fingerprint_changes_with_every_setting() -> None:
    changed = [replace(DEFAULT, **{name: getattr(DEFAULT, name) + 1}) for name in DEFAULT.__slots__]
    assert len({settings.fingerprint() for settings in [DEFAULT, *changed]}) == len(changed) + 1
