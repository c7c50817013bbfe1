from __future__ import annotations

import numpy as np
import pytest
from signals import voice
from stream_ser_train.evaluation.robustness import CONDITIONS

pytestmark = pytest.mark.training

RATE = 16_000
RNG = np.random.default_rng
SPEECH = voice(1.0, RNG(0))
OTHERS = [voice(seconds, RNG(seed)) for seed, seconds in enumerate((0.7, 1.1, 1.3, 0.9, 1.0, 1.2, 0.8))]


def altered(name: str, samples: np.ndarray = SPEECH) -> np.ndarray:
    return CONDITIONS[name](samples, RATE, RNG(1), OTHERS)


@pytest.mark.parametrize("name", sorted(CONDITIONS))
def test_a_condition_keeps_length_and_range_and_is_repeatable(name: str) -> None:
    one, again = altered(name), altered(name)
    np.testing.assert_array_equal(one, again)
    assert len(one) == pytest.approx(len(SPEECH), abs=0.1 * RATE)  # a codec pads to its own frames
    assert one.dtype == np.float32
    assert np.isfinite(one).all()
    assert np.array_equal(one, SPEECH) == (name == "clean")


@pytest.mark.parametrize("kind", ["white", "pink", "babble"])
@pytest.mark.parametrize("snr", [20, 10, 5])
def test_noise_is_at_its_ratio(kind: str, snr: int) -> None:
    noise = altered(f"{kind} noise {snr} dB") - SPEECH
    assert 10 * np.log10(np.mean(SPEECH**2) / np.mean(noise**2)) == pytest.approx(snr, abs=0.1)


def test_a_gain_clips_at_full_scale() -> None:
    loud = SPEECH / np.abs(SPEECH).max()
    assert np.abs(altered("gain +12 dB", loud)).max() == 1.0
    np.testing.assert_allclose(altered("gain -20 dB", loud), 0.1 * loud, atol=1e-6)


def test_the_telephone_band_is_300_to_3400_hertz() -> None:
    noise = RNG(0).standard_normal(4 * RATE).astype(np.float32)
    power = np.abs(np.fft.rfft(altered("telephone band", noise))) ** 2
    hertz = np.fft.rfftfreq(4 * RATE, 1 / RATE)
    inside = power[(hertz > 500) & (hertz < 3_000)].mean()
    for outside in (hertz < 150, hertz > 5_000):
        assert power[outside].mean() < 0.01 * inside
    for edge in (300.0, 3_400.0):
        assert power[np.abs(hertz - edge) < 20].mean() == pytest.approx(0.5 * inside, rel=0.4)
