from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_ser.features import OffsetRemoval

pytestmark = pytest.mark.unit

RATE = 16_000
HOP = 1_600


ROW = np.zeros(1, np.intp)


def _removed(samples: np.ndarray) -> np.ndarray:
    removal, rest = OffsetRemoval(RATE, HOP), samples.astype(np.float32)
    state = removal.new_state(1)
    for start in range(0, len(rest), HOP):
        removal.process(state, ROW, rest[None, start : start + HOP])
    return rest


@given(st.floats(-0.9, 0.9), st.integers(0, 2**32 - 1))
def test_a_constant_offset_changes_nothing(offset: float, seed: int) -> None:
    sound = 0.1 * np.random.default_rng(seed).standard_normal(5 * HOP + 77)
    np.testing.assert_allclose(_removed(sound + offset), _removed(sound), atol=1e-6)


def test_an_offset_that_comes_later_fades() -> None:
    left = _removed(np.repeat([0.0, 0.5], 2 * RATE))
    assert not left[: 2 * RATE].any()
    assert abs(left[-1]) < 0.5 * np.exp(-2.0 / 0.5) * 1.2
    assert np.abs(np.diff(left[2 * RATE :])).max() < 1e-3, "in small steps"


@pytest.mark.parametrize("pitch", [60.0, 200.0, 1_000.0])
def test_a_voice_stays_as_it_is(pitch: float) -> None:
    voice = 0.3 * np.sin(2 * np.pi * pitch * np.arange(RATE) / RATE)
    np.testing.assert_allclose(_removed(voice), voice, atol=5e-3)


def test_streams_together_are_as_they_are_alone() -> None:
    rng = np.random.default_rng(0)
    removal, state = OffsetRemoval(RATE, HOP), OffsetRemoval(RATE, HOP).new_state(4)
    signals = [rng.uniform(-0.3, 0.6, 3 * HOP).astype(np.float32) for _ in range(2)]
    pieces = [np.stack([signal[start : start + HOP] for signal in signals]) for start in range(0, 3 * HOP, HOP)]
    for piece in pieces:
        removal.process(state, np.array([3, 1]), piece)
    for together, signal in zip(np.concatenate(pieces, axis=1), signals, strict=True):
        np.testing.assert_array_equal(together, _removed(signal))
    assert state.has_offset.tolist() == [False, True, False, True]


def test_a_cleared_row_begins_at_its_own_mean() -> None:
    removal = OffsetRemoval(RATE, HOP)
    state = removal.new_state(1)
    removal.process(state, ROW, np.full((1, HOP), 0.7, np.float32))
    state.clear(0)
    level = np.full((1, HOP), -0.2, np.float32)
    removal.process(state, ROW, level)
    np.testing.assert_allclose(level, 0.0, atol=1e-7)


def test_no_samples_change_nothing() -> None:
    removal = OffsetRemoval(RATE, HOP)
    state = removal.new_state(1)
    removal.process(state, ROW, np.empty((1, 0), np.float32))
    level = np.full((1, HOP), 0.2, np.float32)
    removal.process(state, ROW, level)
    np.testing.assert_allclose(level, 0.0, atol=1e-7)
