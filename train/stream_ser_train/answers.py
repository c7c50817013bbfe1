"""What a trained model says of windows and of clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_ser.events import EMOTIONS
from stream_ser.features import MfccSettings
from stream_ser.models.bundle import load_bundle
from stream_ser.models.provider import CPU
from stream_ser_train.batches import WINDOW, pad
from stream_ser_train.calibration import Answers, even, shares, soften
from stream_ser_train.examples import Frames, Heard

Model = Callable[[Sequence[Frames]], Answers]
"""Answers windows."""

_BATCH = 64


def bundle_model(file: Path, features: MfccSettings) -> Model:
    """An exported model, run as the daemon runs it.

    Raises:
        BundleError: the file cannot be used.
    """
    session = load_bundle(file, features, [CPU]).session

    def answer(windows: Sequence[Frames]) -> Answers:
        order = np.argsort([len(window) for window in windows], kind="stable")
        answers = np.zeros((len(windows), len(EMOTIONS)), np.float32)
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            batch = pad([windows[row] for row in rows], [0] * len(rows))
            answers[rows] = session.run(["probabilities"], {"mfcc": batch.mfcc, "length": batch.length})[0]
        return answers

    return answer


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The bundle of one model, the temperature that goes with it, and the emotions of the clips it was trained on."""

    name: str
    bundle: Path
    temperature: float
    trained: tuple[int, ...]

    def open(self, features: MfccSettings) -> Model:
        """Load it."""
        model, trained = bundle_model(self.bundle, features), shares(self.trained)
        return lambda windows: calibrate(model(windows), self.temperature, trained)


def calibrate(answers: Answers, temperature: float, trained: NDArray[np.float64]) -> Answers:
    """The answers as they ship, from those of a model trained on :func:`shares` ``trained``."""
    return even(soften(answers, temperature), trained)


def final_window(frames: Frames) -> Frames:
    """The frames that the final answer for an utterance is given on."""
    return frames[-WINDOW:]


def clip_answers(model: Model, heard: Sequence[Heard]) -> Answers:
    """What the model says of each clip as it is.

    A clip of several utterances gets their mean, weighted by length. A clip in which no speech was heard gets zeros: an
    answer that is wrong for every emotion.
    """
    owners = np.array([i for i, one in enumerate(heard) for _ in one.copies[0]], np.int64)
    frames = [part for one in heard for part in one.copies[0]]
    weights = np.array([len(part) for part in frames], np.float32)
    answers = model([final_window(part) for part in frames]) * weights[:, None]
    summed = np.zeros((len(heard), len(EMOTIONS)), np.float32)
    np.add.at(summed, owners, answers)
    total: Answers = summed / np.maximum(summed.sum(axis=1, keepdims=True), 1e-9)
    return total
