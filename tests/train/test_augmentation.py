from __future__ import annotations

import numpy as np
import pytest
from signals import voice
from stream_ser_train.augmentation import FASTEST, SLOWEST, augment

SAMPLES = voice(1.0, np.random.default_rng(0))


def test_equal_keys_give_equal_copies_and_others_differ() -> None:
    one, speed = augment(SAMPLES, 16_000, "a 1")
    again, same_speed = augment(SAMPLES, 16_000, "a 1")
    other, _ = augment(SAMPLES, 16_000, "a 2")
    np.testing.assert_array_equal(one, again)
    assert speed == same_speed
    assert len(one) != len(other) or not np.array_equal(one, other)


def test_copies_are_as_long_as_their_speed_says() -> None:
    for number in range(20):
        copy, speed = augment(SAMPLES, 16_000, f"clip {number}")
        assert SLOWEST <= speed <= FASTEST
        assert len(copy) == pytest.approx(len(SAMPLES) / speed, abs=2)
        assert copy.dtype == np.float32
        assert np.isfinite(copy).all()


def test_the_clip_itself_is_left_alone() -> None:
    before = SAMPLES.copy()
    augment(SAMPLES, 16_000, "a 1")
    np.testing.assert_array_equal(SAMPLES, before)
