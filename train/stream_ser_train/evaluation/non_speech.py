"""Sounds without speech, and how often the recogniser labels them. The right number is zero."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from stream_ser.core.offline import collect_windows
from stream_ser.features import MfccSettings
from stream_ser_train.progress import Step
from stream_ser_train.workers import start_worker

Samples = NDArray[np.float32]

BLOCK_S = 10
"""Seconds that are generated at once."""

LEVELS_DB = (-6.0, -20.0, -40.0, -60.0)
"""Peak levels below full scale, block after block."""


def _time(rate: int) -> NDArray[np.float64]:
    return np.arange(BLOCK_S * rate) / rate


def _silence(_: np.random.Generator, rate: int) -> NDArray[np.float64]:
    return np.zeros(BLOCK_S * rate)


def _white(rng: np.random.Generator, rate: int) -> NDArray[np.float64]:
    return rng.standard_normal(BLOCK_S * rate)


def _pink(rng: np.random.Generator, rate: int) -> NDArray[np.float64]:
    """Power falling as 1/f, shaped in the spectrum."""
    spectrum = np.fft.rfft(rng.standard_normal(BLOCK_S * rate))
    return np.asarray(np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1.0)), BLOCK_S * rate))


def _clicks(rng: np.random.Generator, rate: int) -> NDArray[np.float64]:
    """Keys and mice: bursts of 2 to 8 ms, one to nine a second."""
    signal = np.zeros(BLOCK_S * rate)
    for _ in range(int(rng.integers(1, 10)) * BLOCK_S):
        length = int(rng.integers(rate // 500, rate // 125))
        at = int(rng.integers(0, len(signal) - length))
        signal[at : at + length] += rng.standard_normal(length) * np.exp(-np.linspace(0.0, 6.0, length))
    return signal


def _hum(rng: np.random.Generator, rate: int) -> NDArray[np.float64]:
    """Mains and its harmonics."""
    base, time = rng.choice([50.0, 60.0]), _time(rate)
    return np.asarray(sum(np.sin(2 * np.pi * base * k * time + rng.uniform(0, 6)) / k for k in range(1, 12)))


def _tone(hertz: float, seconds: float, rate: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A plucked note: harmonics that decay, the higher ones faster."""
    time = np.arange(round(seconds * rate)) / rate
    partials = range(1, 8)
    return np.asarray(
        sum(np.sin(2 * np.pi * hertz * k * time + rng.uniform(0, 6)) * np.exp(-time * (1.0 + k)) / k for k in partials)
    )


def _chords(rng: np.random.Generator, rate: int) -> NDArray[np.float64]:
    """A triad a second."""
    parts = []
    for _ in range(BLOCK_S):
        root = 110.0 * 2 ** (rng.integers(0, 24) / 12)
        parts.append(sum(_tone(root * 2 ** (step / 12), 1.0, rate, rng) for step in rng.choice([(0, 4, 7), (0, 3, 7)])))
    return np.concatenate(parts)


def _music(rng: np.random.Generator, rate: int) -> NDArray[np.float64]:
    """A bass, a melody of four notes a second, and a drum."""
    melody = np.concatenate([_tone(220.0 * 2 ** (rng.integers(0, 24) / 12), 0.25, rate, rng) for _ in range(4 * BLOCK_S)])
    bass = np.concatenate([_tone(55.0 * 2 ** (rng.integers(0, 12) / 12), 1.0, rate, rng) for _ in range(BLOCK_S)])
    beat = np.exp(-((_time(rate) * 2) % 1.0) * 30.0) * rng.standard_normal(BLOCK_S * rate)
    return np.asarray(melody + bass + 0.5 * beat)


SIGNALS: dict[str, Callable[[np.random.Generator, int], NDArray[np.float64]]] = {
    "silence": _silence,
    "white noise": _white,
    "pink noise": _pink,
    "clicks": _clicks,
    "hum": _hum,
    "chords": _chords,
    "music-like": _music,
}


def blocks(name: str, minutes: float, seed: int, rate: int) -> Iterator[Samples]:
    """The signal ``name``, ``minutes`` of it in blocks of 10 s, at changing levels; equal seeds give equal signals."""
    for number in range(round(minutes * 60 / BLOCK_S)):
        block = SIGNALS[name](np.random.default_rng((seed, number)), rate)
        peak = np.abs(block).max()
        level = 10 ** (LEVELS_DB[number % len(LEVELS_DB)] / 20)
        yield (block * level / peak if peak else block).astype(np.float32)


def count_labels(name: str, minutes: float, seed: int) -> int:
    """``emotion`` messages of the recogniser for the signal."""
    features = MfccSettings()
    signal = np.concatenate(list(blocks(name, minutes, seed, features.sample_rate)))
    return len(collect_windows(signal, features))  # each window gets one message


def count_all(minutes: float, seed: int, jobs: int, step: Step) -> dict[str, int]:
    """``emotion`` messages by signal."""
    counts: dict[str, int] = {}
    with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=start_worker) as workers:
        running = {name: workers.submit(count_labels, name, minutes, seed) for name in SIGNALS}
        for name, future in running.items():
            counts[name] = future.result()
            step(len(counts), len(SIGNALS))
    return counts
