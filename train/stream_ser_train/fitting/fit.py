"""Fitting a network: AdamW on a warm-up and cosine schedule, label smoothing, checkpoints to resume from."""

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

from stream_ser.features import MfccSettings
from stream_ser.models.window import Frames
from stream_ser_train.augmentation.frames import FrameAugmentation
from stream_ser_train.data.emotions import EMOTIONS
from stream_ser_train.data.utterances import ClipUtterances
from stream_ser_train.fitting.batches import TrainingSet, measure
from stream_ser_train.fitting.recipe import FitSettings
from stream_ser_train.networks.architectures import LstmSettings, MlpSettings, build
from stream_ser_train.progress import Step, silent


@dataclass(slots=True)
class History:
    """Loss per epoch, and accuracy on held-out clips, where there are some."""

    loss: list[float] = field(default_factory=list)
    held_out: list[tuple[int, float]] = field(default_factory=list)
    """(epoch, accuracy)"""


class InterruptedFitError(Exception):
    """The user stopped the fit. ``checkpoint`` is the folder that it resumes from; None if none was written."""

    def __init__(self, checkpoint: Path | None) -> None:
        super().__init__(checkpoint)
        self.checkpoint = checkpoint


def fit(
    network: LstmSettings | MlpSettings,
    settings: FitSettings,
    features: MfccSettings,
    utterances: Sequence[ClipUtterances],
    seed: int,
    *,
    accuracy: Callable[[keras.Model], float] | None = None,
    checkpoint: Path | None = None,
    epoch_done: Step = silent,
) -> tuple[keras.Model, History]:
    """Train a network; its matrices are rounded by :func:`round_to_float16`.

    Args:
        network: the architecture.
        settings: how long and how fast it learns.
        features: what a frame is.
        utterances: of the clips to train on.
        seed: of weights, batches and alterations.
        accuracy: of the network on held-out clips, for the learning curve only: nothing is chosen by it.
        checkpoint: folder of the checkpoint; a fit that was interrupted with the same folder is resumed.
        epoch_done: called after each epoch.

    Returns:
        The network, which returns the logits of its members, and its history.

    Raises:
        InterruptedFitError: the user pressed Ctrl-C; the checkpoint was written.
    """
    keras.utils.set_random_seed(seed)
    voices = [frames for item in utterances for frames in item.copies[0]]
    augmentation = None if settings.alterations is None else FrameAugmentation(features, settings.alterations, voices)
    training = TrainingSet(
        utterances,
        complete_share=settings.complete_share,
        unaltered_share=settings.unaltered_share,
        augmentation=augmentation,
    )
    model = build(features.coefficients, measure(utterances), network)
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
            due = last or (epoch + 1) % settings.checkpoint_every == 0
            if accuracy is not None and due:
                history.held_out.append((epoch + 1, accuracy(model)))
            if saved is not None and due:
                saved.write()
            epoch_done(epoch + 1, settings.epochs)
    except KeyboardInterrupt:
        raise InterruptedFitError(checkpoint if saved is not None and saved.written else None) from None
    model.set_weights([round_to_float16(weights) for weights in model.get_weights()])
    return model, history


def round_to_float16(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weights as they are cached and shipped: a matrix whose numbers are all float16 takes half the bytes."""
    return weights.astype(np.float16).astype(np.float32) if weights.ndim > 1 else weights


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
    """Weights, optimizer state and history of a fit, in one folder; restored if the folder has them."""

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
