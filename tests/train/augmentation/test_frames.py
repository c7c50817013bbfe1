from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from signals import mfcc_frames, voice
from stream_ser_train.augmentation.frames import FrameAlterations, FrameAugmentation

from stream_ser.features import MfccSettings

pytestmark = pytest.mark.training

FEATURES = MfccSettings()
NONE = FrameAlterations(tempo=1.0, vocal_tract=1.0, channel_db=0.0, gain_db=0.0, share=1.0)


def spoken(gain: float = 1.0) -> np.ndarray:
    return mfcc_frames(voice(1.0, np.random.default_rng(0)) * np.float32(gain), FEATURES)


def test_no_alteration_leaves_the_frames() -> None:
    altered = FrameAugmentation(FEATURES, NONE).alter(spoken(), np.random.default_rng(0))
    np.testing.assert_allclose(altered, spoken(), atol=1e-3)


def test_a_gain_is_what_a_louder_signal_gives() -> None:
    augmentation = FrameAugmentation(FEATURES, FrameAlterations(1.0, 1.0, 0.0, gain_db=20.0, share=0.0))
    altered = augmentation.alter(spoken(), np.random.default_rng(3))
    drawn = np.random.default_rng(3)
    drawn.uniform(), drawn.random()
    decibels = drawn.uniform(-1.0, 1.0) * 20.0
    assert abs(decibels) > 3.0
    np.testing.assert_allclose(altered, spoken(10 ** (decibels / 20)), atol=2e-2)


def test_a_vocal_tract_moves_a_peak_of_the_spectrum() -> None:
    features = MfccSettings(coefficients=80)
    hertz = 1_000.0
    tone = np.sin(2 * np.pi * hertz * np.arange(16_000) / 16_000).astype(np.float32) * 0.3
    frames = mfcc_frames(tone, features)
    augmentation = FrameAugmentation(features, FrameAlterations(1.0, 1.2, 0.0, 0.0, 1.0))
    mel_peak = {int(np.argmax((altered @ augmentation._cepstrum)[50])) for altered in (
        augmentation.alter(frames, np.random.default_rng(seed)) for seed in range(20)
    )}  # fmt: skip
    before = int(np.argmax((frames @ augmentation._cepstrum)[50]))
    assert min(mel_peak) < before < max(mel_peak)


def test_a_tempo_changes_how_long_it_takes() -> None:
    augmentation = FrameAugmentation(FEATURES, FrameAlterations(1.3, 1.0, 0.0, 0.0, 0.0))
    frames = spoken()
    lengths = {len(augmentation.alter(frames, np.random.default_rng(seed))) for seed in range(50)}
    assert len(frames) / 1.3 - 1 <= min(lengths) < 0.9 * len(frames)
    assert 1.1 * len(frames) < max(lengths) <= len(frames) * 1.3 + 1


def test_equal_generators_alter_alike() -> None:
    augmentation = FrameAugmentation(FEATURES, FrameAlterations())
    one, other, third = (augmentation.alter(spoken(), np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, other)
    assert one.shape != third.shape or not np.allclose(one, third)


@pytest.mark.parametrize("frames", [2, 3, 40])
def test_short_windows_are_altered_too(frames: int) -> None:
    altered = FrameAugmentation(FEATURES, FrameAlterations()).alter(spoken()[:frames], np.random.default_rng(0))
    assert altered.dtype == np.float32
    assert len(altered) >= 2
    assert np.isfinite(altered).all()


def _voices(count: int) -> list[np.ndarray]:
    return [voice(1.5, np.random.default_rng(10 + number)) for number in range(count)]


ONLY_BABBLE = FrameAlterations(1.0, 1.0, 0.0, 0.0, 0.0, babble_share=1.0, loudest_babble_db=5.0, quietest_babble_db=5.0)


def test_babble_that_drowns_the_speaker_sounds_as_it_does_alone() -> None:
    bounds = replace(ONLY_BABBLE, loudest_babble_db=-30.0, quietest_babble_db=-30.0)
    (other,) = _voices(1)
    behind = mfcc_frames(other * np.linspace(0.1, 1.0, len(other), dtype=np.float32), FEATURES)
    altered = FrameAugmentation(FEATURES, bounds, [behind]).alter(spoken(), np.random.default_rng(0))
    # Where the babble begins, and its level, is drawn.
    errors = [np.abs((np.roll(behind, -start, axis=0)[: len(altered)] - altered)[:, 1:]).mean() for start in range(len(behind))]
    assert min(errors) < 0.2
    assert np.abs((spoken() - altered)[:, 1:]).mean() > 2 * min(errors)


@pytest.mark.parametrize("decibels", [0.0, 12.0])
def test_the_ratio_of_speaker_to_babble_is_as_set(decibels: float) -> None:
    bounds = replace(ONLY_BABBLE, loudest_babble_db=decibels, quietest_babble_db=decibels)
    voices = [mfcc_frames(samples, FEATURES) for samples in _voices(3)]
    augmentation = FrameAugmentation(FEATURES, bounds, voices)
    altered = augmentation.alter(spoken(), np.random.default_rng(0))
    alone, together = (np.exp(frames @ augmentation._cepstrum).sum(axis=1).mean() for frames in (spoken(), altered))
    assert 10 * np.log10(alone / (together - alone)) == pytest.approx(decibels, abs=1.5)


def test_babble_alone_comes_before_and_after_the_speaker() -> None:
    bounds = replace(ONLY_BABBLE, loudest_babble_db=40.0, quietest_babble_db=40.0, overhang=20.0)
    augmentation = FrameAugmentation(FEATURES, bounds, [mfcc_frames(samples, FEATURES) for samples in _voices(3)])

    def decibels(frames: np.ndarray) -> np.ndarray:
        return np.asarray(10 * np.log10(np.exp(frames @ augmentation._cepstrum).sum(axis=1)))

    softest, longer = decibels(spoken()).min() - 3.0, []
    for seed in range(40):
        altered = decibels(augmentation.alter(spoken(), np.random.default_rng(seed)))
        speaking = np.flatnonzero(altered > softest)
        assert speaking[-1] - speaking[0] + 1 == len(spoken()), "the speaker is complete"
        longer += [speaking[0], len(altered) - 1 - speaking[-1]]
    assert 12 < np.mean(longer) < 30


def test_without_voices_there_is_no_babble() -> None:
    altered = FrameAugmentation(FEATURES, ONLY_BABBLE).alter(spoken(), np.random.default_rng(0))
    np.testing.assert_allclose(altered, spoken(), atol=1e-3)
