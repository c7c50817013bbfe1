"""Altered copies of a clip: other voices, rooms and microphones."""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass

import audiomentations
import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from stream_ser.audio.resample import resample


@dataclass(frozen=True, slots=True)
class CopySettings:
    """How many altered copies of each clip there are, and how far they are altered. ``*_share`` is of the copies."""

    count: int = 8
    slowest: float = 0.85
    fastest: float = 1.18
    """Bounds of the speed factor; speed moves pitch and formants with it, like another vocal tract."""
    reverb_share: float = 0.2
    shelf_db: float = 9.0
    shelf_share: float = 0.5
    telephone_share: float = 0.15
    quietest_noise_db: float = 35.0
    loudest_noise_db: float = 5.0
    """Bounds of the ratio of signal to noise."""
    noise_share: float = 0.6
    gain_db: float = 12.0
    gain_share: float = 0.8


def augment(
    samples: NDArray[np.float32], sample_rate: int, key: str, settings: CopySettings
) -> tuple[NDArray[np.float32], float]:
    """One altered copy: speed, room, spectral tilt, telephone band, noise and gain.

    Args:
        samples: mono, in [-1, 1].
        sample_rate: in Hz; the copy has it too.
        key: names the copy; equal keys give equal copies.
        settings: how far it is altered.

    Returns:
        The samples and the speed factor, above 1 for a shorter copy.
    """
    seed = zlib.crc32(key.encode())
    rng = np.random.default_rng(seed)
    speed = float(np.exp(rng.uniform(np.log(settings.slowest), np.log(settings.fastest))))
    altered = resample(samples, round(sample_rate * speed), sample_rate)
    if rng.random() < settings.reverb_share:
        altered = reverberate(altered, sample_rate, rng)
    # audiomentations draws from the global generators.
    random.seed(seed)
    np.random.seed(seed)
    return _chain(settings)(samples=altered, sample_rate=sample_rate), speed


def reverberate(samples: NDArray[np.float32], sample_rate: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """The samples as they sound in a room of 0.2 to 0.5 s reverberation time, as loud as they were.

    The room is noise that decays exponentially after the direct sound (Polack 1988), 0 to 12 dB below it.
    """
    seconds = rng.uniform(0.2, 0.5)
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    room = rng.standard_normal(len(time)) * 10.0 ** (-3.0 * time / seconds)
    room *= 10.0 ** (-rng.uniform(0.0, 12.0) / 20.0) / np.sqrt(np.sum(room**2))
    room[0] = 1.0
    wet = fftconvolve(samples, room)[: len(samples)]
    level = np.sqrt(np.mean(samples**2) / max(float(np.mean(wet**2)), 1e-12))
    return np.asarray(wet * level, np.float32)


def _chain(settings: CopySettings) -> audiomentations.Compose:
    shelf, noise = settings.shelf_db, (settings.loudest_noise_db, settings.quietest_noise_db)
    return audiomentations.Compose(
        [
            audiomentations.LowShelfFilter(min_gain_db=-shelf, max_gain_db=shelf, p=settings.shelf_share),
            audiomentations.HighShelfFilter(min_gain_db=-shelf, max_gain_db=shelf, p=settings.shelf_share),
            audiomentations.BandPassFilter(
                min_center_freq=1_700.0, max_center_freq=2_000.0, min_bandwidth_fraction=1.6, max_bandwidth_fraction=1.75,
                min_rolloff=24, max_rolloff=24, p=settings.telephone_share,
            ),
            audiomentations.OneOf(
                [
                    audiomentations.AddGaussianSNR(min_snr_db=noise[0], max_snr_db=noise[1]),
                    audiomentations.AddColorNoise(min_snr_db=noise[0], max_snr_db=noise[1], min_f_decay=-6.0, max_f_decay=0.0),
                ],
                p=settings.noise_share,
            ),
            audiomentations.Gain(min_gain_db=-settings.gain_db, max_gain_db=settings.gain_db, p=settings.gain_share),
        ]
    )  # fmt: skip
