"""Accuracy on clips as they sound through noise, rooms, channels and codecs."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt
from stream_ser_export.atomic_write import atomic_write

from stream_ser.audio.resample import resample
from stream_ser.features import MfccSettings
from stream_ser_train.augmentation.clips import reverberate
from stream_ser_train.data.corpus import Clip, describe_clips
from stream_ser_train.data.utterances import ClipUtterances, segment
from stream_ser_train.evaluation.cache import result_file
from stream_ser_train.evaluation.evaluate import Outcome
from stream_ser_train.evaluation.predict import CalibratedBundle, fuse, predict_clips
from stream_ser_train.evaluation.protocols import FUSED
from stream_ser_train.evaluation.scores import score

Samples = NDArray[np.float32]

BABBLERS = 6
"""Voices at once in babble."""

BABBLE_CLIPS, BABBLE_SEED = 60, 0
"""Clips of other speakers that babble is made of, at most, and the seed that draws them."""

Condition = Callable[[Samples, int, np.random.Generator, Sequence[Samples]], Samples]
"""Alters samples at a rate; the other clips are for babble."""


def _noise(kind: str, decibels: float) -> Condition:
    """Noise at a ratio of mean power, over the whole clip, of ``decibels``."""

    def add(samples: Samples, rate: int, rng: np.random.Generator, others: Sequence[Samples]) -> Samples:
        noise = rng.standard_normal(len(samples))
        if kind == "pink":
            spectrum = np.fft.rfft(noise)
            noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1.0)), len(samples))
        elif kind == "babble":
            chosen = rng.choice(len(others), BABBLERS, replace=False)
            noise = np.sum([np.roll(np.resize(others[i], len(samples)), rng.integers(len(samples))) for i in chosen], axis=0)
        scale = np.sqrt(np.mean(samples**2) / np.mean(noise**2) / 10 ** (decibels / 10))
        return np.asarray(samples + scale * noise, np.float32)

    return add


def _gain(decibels: float) -> Condition:
    """A microphone turned up or down; what goes beyond full scale is clipped."""

    def turn(samples: Samples, rate: int, rng: np.random.Generator, others: Sequence[Samples]) -> Samples:
        return np.asarray(np.clip(samples * 10 ** (decibels / 20), -1.0, 1.0), np.float32)

    return turn


def _telephone(samples: Samples, rate: int, rng: np.random.Generator, others: Sequence[Samples]) -> Samples:
    return np.asarray(sosfilt(butter(6, (300.0, 3_400.0), "bandpass", fs=rate, output="sos"), samples), np.float32)


def _room(samples: Samples, rate: int, rng: np.random.Generator, others: Sequence[Samples]) -> Samples:
    return reverberate(samples, rate, rng)


def _low_pass(samples: Samples, rate: int, rng: np.random.Generator, others: Sequence[Samples]) -> Samples:
    """At 48 kHz, as a codec before a microphone's path would."""
    wide = resample(samples, rate, 48_000)
    passed = sosfilt(butter(8, 8_000.0, "lowpass", fs=48_000, output="sos"), wide)
    return resample(np.asarray(passed, np.float32), 48_000, rate)[: len(samples)]


def _codec(container: str, subtype: str) -> Condition:
    """Encoded and decoded again by libsndfile at its default quality."""

    def recode(samples: Samples, rate: int, rng: np.random.Generator, others: Sequence[Samples]) -> Samples:
        file = io.BytesIO()
        soundfile.write(file, samples, rate, format=container, subtype=subtype)
        file.seek(0)
        return np.asarray(soundfile.read(file, dtype="float32")[0], np.float32)

    return recode


CONDITIONS: dict[str, Condition] = {
    "clean": lambda samples, rate, rng, others: samples,
    **{f"{kind} noise {snr} dB": _noise(kind, snr) for kind in ("white", "pink", "babble") for snr in (20, 10, 5)},
    **{f"gain {gain:+} dB": _gain(gain) for gain in (-20, -10, 6, 12)},
    "telephone band": _telephone,
    "small room": _room,
    "low-pass 8 kHz": _low_pass,
    "mp3": _codec("MP3", "MPEG_LAYER_III"),
    "opus": _codec("OGG", "OPUS"),
}


@dataclass(frozen=True, slots=True)
class ConditionTest:
    """Clips under one condition, predicted by models that were not trained on them; for each seed, both models.

    ``file`` holds ``predictions: float32[seed, model, clip, emotion]``; the detector processes the altered sound.
    """

    condition: str
    name: str
    clips: tuple[Clip, ...]
    others: tuple[Clip, ...]
    """Clips of other speakers, for babble."""
    models: tuple[tuple[CalibratedBundle, ...], ...]
    """By seed."""
    features: MfccSettings
    cache: Path

    @property
    def file(self) -> Path:
        others = describe_clips(self.others), BABBLE_CLIPS, BABBLE_SEED, BABBLERS
        return result_file(self.cache, f"{self.condition} {self.name}", self.models, self.clips, others)

    def run(self, threads: int) -> None:
        """Alter, segment and predict every clip."""
        del threads
        rate = self.features.sample_rate
        alter = CONDITIONS[self.condition]
        chosen = np.random.default_rng(BABBLE_SEED).choice(len(self.others), min(BABBLE_CLIPS, len(self.others)), replace=False)
        others = [self.others[i].read(rate) for i in chosen]
        utterances = []
        for clip in self.clips:
            rng = np.random.default_rng(zlib.crc32(f"{self.condition} {clip.name}".encode()))
            altered = alter(clip.read(rate), rate, rng, others)
            utterances.append(ClipUtterances(clip, (segment(altered, self.features),)))
        predictions = [[predict_clips(model.open(self.features), utterances) for model in by_seed] for by_seed in self.models]
        with atomic_write(self.file) as partial:
            np.savez(partial, predictions=np.array(predictions))


def condition_tests(outcome: Outcome) -> list[ConditionTest]:
    """Every condition on every fold."""
    plan = outcome.plan
    return [
        ConditionTest(
            condition,
            split.name,
            split.test,
            split.train,
            outcome.calibrated(number),
            plan.recipe.features,
            plan.cache,
        )
        for condition in CONDITIONS
        for number, split in enumerate(plan.splits)
    ]


def robustness_summary(tests: Sequence[ConditionTest], fusion_temperature: float) -> dict[str, dict[str, float]]:
    """UAR by condition and model of finished tests: fractions of 1, mean over folds and seeds."""
    uar: dict[str, dict[str, list[float]]] = {condition: {} for condition in CONDITIONS}
    for test in tests:
        truth = [clip.emotion for clip in test.clips]
        for by_model in np.load(test.file)["predictions"]:
            predictions = {model.name: rows for model, rows in zip(test.models[0], by_model, strict=True)}
            predictions[FUSED] = fuse(list(by_model), fusion_temperature)
            for name, rows in predictions.items():
                uar[test.condition].setdefault(name, []).append(score(truth, rows).uar)
    return {
        condition: {name: round(float(np.mean(values)), 4) for name, values in models.items()}
        for condition, models in uar.items()
    }
