from __future__ import annotations

import numpy as np
import pytest
from signals import voice
from stream_ser_train.augmentation.clips import CopySettings, augment, reverberate

pytestmark = pytest.mark.training

SAMPLES = voice(1.0, np.random.default_rng(0))
SETTINGS = CopySettings()


def test_equal_keys_give_equal_copies_and_others_differ() -> None:
    one, speed = augment(SAMPLES, 16_000, "a 1", SETTINGS)
    again, same_speed = augment(SAMPLES, 16_000, "a 1", SETTINGS)
    other, _ = augment(SAMPLES, 16_000, "a 2", SETTINGS)
    np.testing.assert_array_equal(one, again)
    assert speed == same_speed
    assert len(one) != len(other) or not np.array_equal(one, other)


def test_the_length_of_a_copy_fits_its_speed() -> None:
    for number in range(20):
        copy, speed = augment(SAMPLES, 16_000, f"clip {number}", SETTINGS)
        assert SETTINGS.slowest <= speed <= SETTINGS.fastest
        assert len(copy) == pytest.approx(len(SAMPLES) / speed, abs=2)
        assert copy.dtype == np.float32
        assert np.isfinite(copy).all()


def test_the_clip_itself_is_not_changed() -> None:
    before = SAMPLES.copy()
    augment(SAMPLES, 16_000, "a 1", SETTINGS)
    np.testing.assert_array_equal(SAMPLES, before)


def test_a_room_rings_on_and_is_as_loud() -> None:
    burst = np.zeros(16_000, np.float32)
    burst[1_000:2_000] = SAMPLES[:1_000]
    wet = reverberate(burst, 16_000, np.random.default_rng(0))
    assert np.abs(wet[:1_000]).max() < 1e-6
    assert np.abs(wet[2_500:4_000]).max() > 10 * np.abs(wet[9_000:]).max() > 0.0
    assert np.mean(wet**2) == pytest.approx(np.mean(burst**2), rel=1e-3)


def test_a_telephone_lets_little_through_below_and_above() -> None:
    telephone = CopySettings(
        reverb_share=0.0, shelf_share=0.0, noise_share=0.0, gain_share=0.0, telephone_share=1.0, slowest=1.0, fastest=1.0
    )
    noise = np.random.default_rng(0).standard_normal(32_000).astype(np.float32) * 0.1
    copy, speed = augment(noise, 16_000, "a 1", telephone)
    assert speed == 1.0
    power = np.abs(np.fft.rfft(copy)) ** 2
    hertz = np.fft.rfftfreq(len(copy), 1 / 16_000)
    inside = power[(hertz > 600) & (hertz < 2_800)].mean()
    assert power[hertz < 120].mean() < 0.1 * inside
    assert power[hertz > 6_000].mean() < 0.1 * inside
