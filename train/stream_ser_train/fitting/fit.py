"""Fitting a network: AdamW on a warm-up and cosine schedule, label smoothing, checkpoints that a run can go on from."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from stream_ser_export.atomic_write import atomic_write

from stream_ser.events import EMOTIONS
from stream_ser.features import MfccSettings
from stream_ser.models.window import Frames
from stream_ser_train.augmentation.frames import FrameAugmentation
from stream_ser_train.data.utterances import Heard
from stream_ser_train.evaluation.predict import Model, clip_answers
from stream_ser_train.fitting.batches import TrainingSet, measure, pad
from stream_ser_train.fitting.calibration import Answers
from stream_ser_train.fitting.recipe import FitSettings
from stream_ser_train.networks.architectures import LstmSettings, MlpSettings, answering, build
from stream_ser_train.report.progress import Step, silent

_BATCH = 128


@dataclass(slots=True)
class History:
    """Loss per epoch, and accuracy on the clips that were held out, where some were."""

    loss: list[float] = field(default_factory=list)
    held_out: list[tuple[int, float]] = field(default_factory=list)
    """(epoch, accuracy)"""


class InterruptedFitError(Exception):
    """The user stopped the fit. ``checkpoint`` is where it will go on."""

    def __init__(self, checkpoint: Path | None) -> None:
        super().__init__(checkpoint)
        self.checkpoint = checkpoint


def keras_model(network: keras.Model) -> Model:
    """A network that is not exported yet."""
    model = answering(network)

    def answer(windows: Sequence[Frames]) -> Answers:
        parts = []
        for start in range(0, len(windows), _BATCH):
            cuts = windows[start : start + _BATCH]
            batch = pad(cuts, [0] * len(cuts))
            parts.append(np.asarray(model([batch.mfcc, batch.length], training=False)))
        joined: Answers = np.concatenate(parts)
        return joined

    return answer


def fit(
    network: LstmSettings | MlpSettings,
    settings: FitSettings,
    features: MfccSettings,
    heard: Sequence[Heard],
    seed: int,
    *,
    held_out: Sequence[Heard] = (),
    checkpoint: Path | None = None,
    epoch_done: Step = silent,
) -> tuple[keras.Model, History]:
    """Train a network on the utterances of ``heard``; its matrices come out as :func:`rounded`.

    ``held_out`` is looked at for the learning curve only: nothing is chosen by it. With ``checkpoint`` (a folder) the fit
    goes on from where an interrupted one with the same folder stopped.

    Raises:
        InterruptedFitError: the user pressed Ctrl-C; the checkpoint was written.
    """
    keras.utils.set_random_seed(seed)
    voices = [part for one in heard for part in one.copies[0]]
    augmentation = None if settings.alterations is None else FrameAugmentation(features, settings.alterations, voices)
    training = TrainingSet(heard, whole=settings.whole, unaltered=settings.unaltered, augmentation=augmentation)
    model = build(features.coefficients, measure(heard), network)
    optimizer = _optimizer(settings, training.steps(settings.batch) * settings.epochs)
    optimizer.build(model.trainable_variables)
    step = _training_step(model, optimizer, settings.label_smoothing)
    history = History()
    saved = _Checkpoint(checkpoint, model, optimizer, history) if checkpoint is not None else None
    try:
        for epoch in range(len(history.loss), settings.epochs):
            # Each epoch has its own generator, so that a resumed fit draws what an uninterrupted one would have.
            rng = np.random.default_rng((seed, epoch))
            losses = [float(step(b.mfcc, b.length, b.emotion)) for b in training.batches(settings.batch, rng)]
            history.loss.append(float(np.mean(losses)))
            last = epoch + 1 == settings.epochs
            if held_out and (last or (epoch + 1) % settings.checkpoint_every == 0):
                history.held_out.append((epoch + 1, _accuracy(model, held_out)))
            if saved is not None and (last or (epoch + 1) % settings.checkpoint_every == 0):
                saved.write()
            epoch_done(epoch + 1, settings.epochs)
    except KeyboardInterrupt:
        raise InterruptedFitError(checkpoint if saved is not None and saved.written else None) from None
    model.set_weights([rounded(weights) for weights in model.get_weights()])
    return model, history


def rounded(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weights as they are kept and shipped: a matrix takes half the bytes when a float16 holds each number of it."""
    return weights.astype(np.float16).astype(np.float32) if weights.ndim > 1 else weights


def _accuracy(model: keras.Model, heard: Sequence[Heard]) -> float:
    answers = clip_answers(keras_model(model), heard)
    return float(np.mean(answers.argmax(axis=1) == [one.clip.emotion for one in heard]))


def _optimizer(settings: FitSettings, steps: int) -> keras.optimizers.AdamW:
    warm_up = max(1, round(settings.warm_up * steps))
    rate = keras.optimizers.schedules.CosineDecay(
        settings.peak_rate / 25, max(1, steps - warm_up), 1e-3, warmup_target=settings.peak_rate, warmup_steps=warm_up
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay, clipnorm=1.0)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _training_step(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, label_smoothing: float
) -> Callable[[Frames, NDArray[np.int32], NDArray[np.int32]], tf.Tensor]:
    loss_of = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing)
    coefficients = model.inputs[0].shape[-1]

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None, coefficients), tf.float32),
            tf.TensorSpec((None,), tf.int32),
            tf.TensorSpec((None,), tf.int32),
        ]
    )
    def step(mfcc: tf.Tensor, length: tf.Tensor, emotion: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            members = model([mfcc, length], training=True)
            truth = tf.one_hot(emotion, len(EMOTIONS))[:, None, :]
            loss = loss_of(tf.broadcast_to(truth, tf.shape(members)), members)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    return step


class _Checkpoint:
    """Weights, optimizer state and history of a fit, in one folder; restored when the folder holds them."""

    def __init__(self, folder: Path, model: keras.Model, optimizer: keras.optimizers.Optimizer, history: History) -> None:
        self._history, self._file = history, folder / "history.json"
        self._state = tf.train.Checkpoint(model=model, optimizer=optimizer)
        self._files = tf.train.CheckpointManager(self._state, str(folder), max_to_keep=1)
        self.written = self._files.latest_checkpoint is not None
        if self.written:
            self._state.restore(self._files.latest_checkpoint).assert_existing_objects_matched()
            loaded = json.loads(self._file.read_text())
            history.loss[:] = loaded["loss"]
            history.held_out[:] = [(int(epoch), accuracy) for epoch, accuracy in loaded["held_out"]]

    def write(self) -> None:
        self._files.save()
        with atomic_write(self._file) as partial:
            partial.write_text(json.dumps(asdict(self._history)))
        self.written = True
