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
from stream_ser.models.classifier import Classifier
from stream_ser.models.decision import Probabilities
from stream_ser.models.providers import CPU
from stream_ser.models.window import Frames, Window
from stream_ser_train.data.utterances import Heard
from stream_ser_train.fitting.batches import WINDOW, pad
from stream_ser_train.fitting.calibration import Answers, even, shares, soften

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
        model = bundle_model(self.bundle, features)
        return lambda windows: self.calibrate(model(windows))

    def calibrate(self, answers: Answers) -> Answers:
        """Its answers as they would ship."""
        return calibrate(answers, self.temperature, shares(self.trained))


class Live:
    """The models of one fold and seed as the daemon runs them, for one stream: the LSTM in steps.

    Raises:
        BundleError: a file cannot be used.
    """

    def __init__(self, models: Sequence[Calibrated], features: MfccSettings, window: float) -> None:
        self._models = {model.name: model for model in models}
        mlp = load_bundle(self._models["mlp"].bundle, features, [CPU])
        lstm = load_bundle(stepped(self._models["lstm"].bundle), features, [CPU])
        self._classifier = Classifier(mlp, lstm, window, "")
        self._memory = self._classifier.new_state()
        self.step = self._classifier.step

    def __call__(self, window: Window) -> dict[str, Probabilities]:
        """Answer the next window."""
        (answers,) = self._classifier.classify([(window, self._memory)])
        return {name: self._models[name].calibrate(answer[None])[0] for name, answer in answers.items()}


def stepped(file: Path) -> Path:
    """Where the LSTM in steps is, beside the LSTM in ``file``."""
    return file.with_stem(f"{file.stem}-step")


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
