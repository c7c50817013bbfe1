"""Alterations of frames that are computed already: other voices, channels, and babble. Cheap enough for each window anew.

A warp of the mel axis, a channel and a gain are all linear in the logarithm of the filter energies, so that in MFCCs
they are one small matrix and one vector. Babble adds to the energies themselves, which the MFCCs give but for their
finest ripples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from stream_ser.features import MfccSettings

_DB_IN_NEPERS = np.log(10.0) / 10.0
"""A decibel of power in natural logarithm."""

_WARPS = 41
_KNOTS = 5

_BABBLE_COUNT = 200
_MAX_BABBLE_VOICES = 8
_BABBLE_FRAMES = 400


@dataclass(frozen=True, slots=True)
class FrameAlterations:
    """How far frames are altered: bounds of uniform draws, but for ``channel_db``, a standard deviation."""

    tempo: float = 1.15
    """Largest factor by which speech is slowed or sped up."""
    vocal_tract: float = 1.12
    """Largest factor by which frequencies are stretched or squeezed (Jaitly and Hinton 2013, VTLP)."""
    channel_db: float = 4.0
    """Of a smooth random frequency response, at each of five knots."""
    gain_db: float = 10.0
    share: float = 0.7
    """Of the windows whose vocal tract, and whose channel, is altered."""
    babble_share: float = 0.25
    """Of the windows that have other voices behind the speaker."""
    loudest_babble_db: float = 0.0
    quietest_babble_db: float = 25.0
    """Bounds of the ratio of the speaker to the babble."""
    overhang: float = 0.0
    """Frames of babble alone before such a window, and after it: the mean of an exponential draw. Babble makes utterances
    too long."""


class FrameAugmentation:
    """Alters MFCC frames of one setting.

    Args:
        features: the setting.
        alterations: how far.
        voices: utterances to make babble of, ``float32[frames, coef]`` each: of training speakers only.
    """

    def __init__(
        self, features: MfccSettings, alterations: FrameAlterations, voices: Sequence[NDArray[np.float32]] = ()
    ) -> None:
        self._alterations = alterations
        # mfcc = cepstrum @ log energies, for the orthonormal DCT-II without lifter.
        self._cepstrum = dct(np.eye(features.filters), type=2, norm="ortho", axis=0)[: features.coefficients]
        factors = np.exp(np.linspace(-1.0, 1.0, _WARPS) * np.log(alterations.vocal_tract))
        self._warps = [(self._cepstrum @ _warp(features, factor) @ self._cepstrum.T).T.astype(np.float32) for factor in factors]
        self._knots = np.linspace(0, features.filters - 1, _KNOTS)
        self._filters = np.arange(features.filters)
        self._ripples = self._cepstrum.astype(np.float32)
        self._babbles = self._mix_babble(voices) if voices and alterations.babble_share else []

    def alter(self, frames: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """One alteration of ``frames: float32[frames, coef]``, longer or shorter by the tempo."""
        bounds = self._alterations
        if self._babbles and rng.random() < bounds.babble_share:
            frames = self._add_babble(frames, self._babbles[rng.integers(len(self._babbles))], rng)
        frames = _change_tempo(frames, float(np.exp(rng.uniform(-1.0, 1.0) * np.log(bounds.tempo))))
        if rng.random() < bounds.share:
            frames = frames @ self._warps[rng.integers(_WARPS)]
        response = np.full(len(self._filters), rng.uniform(-1.0, 1.0) * bounds.gain_db)
        if rng.random() < bounds.share:
            response += np.interp(self._filters, self._knots, rng.normal(0.0, bounds.channel_db, _KNOTS))
        altered: NDArray[np.float32] = (frames + self._cepstrum @ (response * _DB_IN_NEPERS)).astype(np.float32)
        return altered

    def _energies(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of each filter, ``float32[frames, filter]``, but for ripples that the MFCCs leave out."""
        energies: NDArray[np.float32] = np.exp(frames @ self._ripples)
        return energies

    def _mix_babble(self, voices: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Energies of several voices at once, each up to 6 dB louder or softer."""
        rng, babbles = np.random.default_rng(0), []
        for _ in range(_BABBLE_COUNT):
            mixed = np.zeros((_BABBLE_FRAMES, len(self._filters)), np.float32)
            for number in rng.integers(len(voices), size=rng.integers(1, _MAX_BABBLE_VOICES, endpoint=True)):
                voice = self._energies(voices[number])
                voice *= 10.0 ** (rng.uniform(-6.0, 6.0) / 10.0) / voice.sum(axis=1).mean()
                mixed += voice[(np.arange(_BABBLE_FRAMES) + rng.integers(len(voice))) % len(voice)]
            babbles.append(mixed)
        return babbles

    def _add_babble(
        self, frames: NDArray[np.float32], babble: NDArray[np.float32], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        bounds, energies = self._alterations, self._energies(frames)
        power = energies.sum(axis=1).mean()
        if bounds.overhang:
            before, after = rng.exponential(bounds.overhang, 2).astype(int).tolist()
            energies = np.pad(energies, ((before, after), (0, 0)))
        background = babble[(np.arange(len(energies)) + rng.integers(len(babble))) % len(babble)]
        decibels = rng.uniform(bounds.loudest_babble_db, bounds.quietest_babble_db)
        background = background * np.float32(power / background.sum(axis=1).mean() / 10.0 ** (decibels / 10.0))
        mixed: NDArray[np.float32] = np.log(energies + background) @ self._ripples.T
        return mixed


def _change_tempo(frames: NDArray[np.float32], tempo: float) -> NDArray[np.float32]:
    """Frames at a tempo ``tempo`` times as fast, linearly interpolated."""
    count = max(2, round(len(frames) / tempo))
    position = np.linspace(0, len(frames) - 1, count)
    before = np.minimum(position.astype(int), len(frames) - 2)
    share = (position - before)[:, None].astype(np.float32)
    interpolated: NDArray[np.float32] = frames[before] * (1.0 - share) + frames[before + 1] * share
    return interpolated


def _warp(features: MfccSettings, factor: float) -> NDArray[np.float64]:
    """Matrix that reads the log energy of each filter at ``factor`` times its centre frequency."""
    low, high = _mel(features.low_hz), _mel(features.high_hz)
    spacing = (high - low) / (features.filters + 1)
    centres = low + spacing * np.arange(1, features.filters + 1)
    moved = _mel(np.clip(_hertz(centres) * factor, features.low_hz, features.high_hz))
    position = np.clip((moved - low) / spacing - 1.0, 0.0, features.filters - 1.0)
    before = np.minimum(position.astype(int), features.filters - 2)
    rows = np.arange(features.filters)
    matrix = np.zeros((features.filters, features.filters))
    matrix[rows, before] = 1.0 - (position - before)
    matrix[rows, before + 1] += position - before
    return matrix


def _mel(hertz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return np.asarray(2595.0 * np.log10(1.0 + np.asarray(hertz) / 700.0))


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(700.0 * (10.0 ** (mel / 2595.0) - 1.0))
