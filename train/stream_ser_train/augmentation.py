"""Copies of a clip as other voices, rooms and microphones might have given it."""

from __future__ import annotations

import random
import zlib

import audiomentations
import numpy as np
from numpy.typing import NDArray

from stream_ser.audio.resample import resample

SLOWEST, FASTEST = 0.85, 1.18
"""Bounds of the speed factor; speed moves pitch and formants with it, like another vocal tract."""

RECIPE = 2
"""Raise when the copies, or what the recogniser hears in a clip, change: cached utterances are then computed again."""


def augment(samples: NDArray[np.float32], sample_rate: int, key: str) -> tuple[NDArray[np.float32], float]:
    """One altered copy: speed, spectral tilt, noise and gain.

    Args:
        samples: mono, in [-1, 1].
        sample_rate: theirs, in Hz; the copy has it too.
        key: names the copy; equal keys give equal copies.

    Returns:
        The samples and the speed factor, above 1 for a shorter copy.
    """
    seed = zlib.crc32(key.encode())
    speed = float(np.exp(np.random.default_rng(seed).uniform(np.log(SLOWEST), np.log(FASTEST))))
    altered = resample(samples, round(sample_rate * speed), sample_rate)
    # audiomentations draws from the global generators.
    random.seed(seed)
    np.random.seed(seed)
    return _chain()(samples=altered, sample_rate=sample_rate), speed


def _chain() -> audiomentations.Compose:
    return audiomentations.Compose(
        [
            audiomentations.LowShelfFilter(min_gain_db=-9.0, max_gain_db=9.0, p=0.5),
            audiomentations.HighShelfFilter(min_gain_db=-9.0, max_gain_db=9.0, p=0.5),
            audiomentations.OneOf(
                [
                    audiomentations.AddGaussianSNR(min_snr_db=10.0, max_snr_db=35.0),
                    audiomentations.AddColorNoise(min_snr_db=10.0, max_snr_db=35.0, min_f_decay=-6.0, max_f_decay=0.0),
                ],
                p=0.6,
            ),
            audiomentations.Gain(min_gain_db=-12.0, max_gain_db=12.0, p=0.8),
        ]
    )
