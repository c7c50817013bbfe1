"""Predictions of trained models for windows, clips and streams."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from stream_ser.features import MfccSettings
from stream_ser.models import decision
from stream_ser.models.bundle import load_bundle
from stream_ser.models.classifier import Classifier, ModelInput, ModelState
from stream_ser.models.providers import CPU
from stream_ser.models.window import Frames
from stream_ser_train.data.corpus import Clip
from stream_ser_train.data.emotions import EMOTIONS
from stream_ser_train.data.utterances import ClipUtterances
from stream_ser_train.fitting.batches import final_window, pad
from stream_ser_train.fitting.bundling import stepping_file
from stream_ser_train.fitting.calibration import Predictions, calibrate, class_priors
from stream_ser_train.fitting.jobs import BundleTraining
from stream_ser_train.networks.architectures import with_softmax

Predictor = Callable[[Sequence[Frames]], Predictions]
"""A model: windows go in, one row of probabilities for each comes out."""

_KERAS_BATCH = 128
_ONNX_BATCH = 64


def keras_predictor(network: keras.Model) -> Predictor:
    """A network that is not exported yet."""
    model = with_softmax(network)

    def predict(windows: Sequence[Frames]) -> Predictions:
        parts = []
        for start in range(0, len(windows), _KERAS_BATCH):
            chosen = windows[start : start + _KERAS_BATCH]
            batch = pad(chosen, [0] * len(chosen))
            parts.append(np.asarray(model([batch.mfcc, batch.length], training=False)))
        joined: Predictions = np.concatenate(parts)
        return joined

    return predict


def bundle_predictor(file: Path, features: MfccSettings) -> Predictor:
    """An exported model, run as the daemon runs it.

    Raises:
        BundleError: the file cannot be used.
    """
    session = load_bundle(file, features, [CPU]).session

    def predict(windows: Sequence[Frames]) -> Predictions:
        order = np.argsort([len(window) for window in windows], kind="stable")
        predictions = np.zeros((len(windows), len(EMOTIONS)), np.float32)
        for start in range(0, len(order), _ONNX_BATCH):
            rows = order[start : start + _ONNX_BATCH]
            batch = pad([windows[row] for row in rows], [0] * len(rows))
            predictions[rows] = session.run(["probabilities"], {"mfcc": batch.mfcc, "length": batch.length})[0]
        return predictions

    return predict


@dataclass(frozen=True, slots=True)
class CalibratedBundle:
    """The bundle of one model, the temperature that goes with it, and the emotions of the clips it was trained on."""

    name: str
    bundle: Path
    temperature: float
    trained: tuple[int, ...]

    def open(self, features: MfccSettings) -> Predictor:
        """Load it."""
        predict = bundle_predictor(self.bundle, features)
        return lambda windows: self.calibrate(predict(windows))

    def calibrate(self, predictions: Predictions) -> Predictions:
        """Its predictions as they would ship."""
        return calibrate(predictions, self.temperature, class_priors(self.trained))


class StreamModels:
    """The models of one fold and seed as the daemon runs them, the LSTM in steps; never uncertain.

    Args:
        models: both, calibrated.
        features: what a frame is.
        window: seconds that an answer is about.

    Raises:
        BundleError: a file cannot be used.
    """

    def __init__(self, models: Sequence[CalibratedBundle], features: MfccSettings, window: float) -> None:
        by_name = {model.name: model for model in models}
        mlp = load_bundle(by_name["mlp"].bundle, features, [CPU])
        lstm = load_bundle(stepping_file(by_name["lstm"].bundle), features, [CPU])
        self._classifier = Classifier(mlp, lstm, window, "")
        self.facts = replace(self._classifier.facts, threshold=0.0)  # so that recall is counted over all clips
        self._models = [by_name[name] for name in self.facts.names]

    def new_state(self, rows: int) -> ModelState:
        return self._classifier.new_state(rows)

    def classify(self, state: ModelState, inputs: Sequence[ModelInput]) -> NDArray[np.float32]:
        raw = self._classifier.classify(state, inputs)
        calibrated = [model.calibrate(raw[:, number]) for number, model in enumerate(self._models)]
        return np.stack(calibrated, axis=1)


def predict_clips(predict: Predictor, utterances: Sequence[ClipUtterances]) -> Predictions:
    """The prediction for each clip as it is.

    A clip of several utterances gets their mean, weighted by length. A clip in which no speech was found gets zeros: a
    prediction that is wrong for every emotion.
    """
    owners = np.array([i for i, item in enumerate(utterances) for _ in item.copies[0]], np.int64)
    frames = [part for item in utterances for part in item.copies[0]]
    weights = np.array([len(part) for part in frames], np.float32)
    weighted = predict([final_window(part) for part in frames]) * weights[:, None]
    summed = np.zeros((len(utterances), len(EMOTIONS)), np.float32)
    np.add.at(summed, owners, weighted)
    mean: Predictions = summed / np.maximum(summed.sum(axis=1, keepdims=True), 1e-9)
    return mean


def predict_with(training: BundleTraining, clips: Sequence[Clip], utterances: Mapping[Clip, ClipUtterances]) -> Predictions:
    """The predictions of a finished training for clips, not calibrated."""
    predict = bundle_predictor(training.file, training.recipe.features)
    return predict_clips(predict, [utterances[clip] for clip in clips])


def accuracy(predictions: Predictions, utterances: Sequence[ClipUtterances]) -> float:
    """Share of the clips whose most probable emotion is the true one."""
    return float(np.mean(predictions.argmax(axis=1) == [item.clip.emotion for item in utterances]))


def restrict_to(choices: Sequence[int], predictions: Predictions) -> Predictions:
    """The predictions given that the emotion is one of ``choices``."""
    allowed = np.zeros(predictions.shape[1], np.float32)
    allowed[list(choices)] = 1.0
    masked = predictions * allowed
    restricted: Predictions = masked / np.maximum(masked.sum(axis=1, keepdims=True), 1e-9)
    return restricted


def fuse(predictions: Sequence[Predictions], temperature: float) -> Predictions:
    """The predictions of several models as one, as the daemon fuses them; rows of zeros stay."""
    fused: Predictions = decision.fuse(predictions, temperature) * predictions[0].any(axis=1, keepdims=True)
    return fused
