"""The two networks. Both read ``mfcc: float32[batch, frames, coef]`` and ``length: int32[batch]``.

Each is an ensemble of a few members in one graph (Lakshminarayanan et al. 2017, "deep ensembles"): it returns the members'
logits, ``float32[batch, member, emotion]``, whose mean is the prediction. A network that was fitted several times ships as
one graph too, with the members of all fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from stream_ser_train.data.emotions import EMOTIONS
from stream_ser_train.networks.layers import (
    AttentiveStatistics,
    CausalDynamics,
    SpecAugment,
    StackFrames,
    WindowStatistics,
)

STATISTIC_LIMIT = 6.0
"""Deviations from the mean at which a statistic of a window is clipped."""


NORMALISE = "normalise"
MEMBER = ("projection", "recurrent", "attention", "out")
"""Names of layers with weights; those of each member of the LSTM are followed by ``_`` and its number."""


@dataclass(frozen=True, slots=True)
class LstmSettings:
    """The LSTM and its dropout. ``stack`` frames of 10 ms make one step of the recurrent layer."""

    members: int = 2
    stack: int = 4
    projection: int = 96
    units: int = 128
    attention: int = 64
    dropout: float = 0.2
    pooled_dropout: float = 0.3


@dataclass(frozen=True, slots=True)
class MlpSettings:
    """The MLP, its dropout and its statistics: see :class:`stream_ser_train.networks.layers.WindowStatistics`."""

    members: int = 3
    units: tuple[int, ...] = (128,)
    input_dropout: float = 0.3
    dropout: float = 0.6
    correlated: int = 24
    lagged: int = 16
    lags: tuple[int, ...] = (4, 10)


class Scale:
    """Mean and variance of each coefficient over training frames, ``float64[coef]``."""

    def __init__(self, mean: NDArray[np.float64], variance: NDArray[np.float64]) -> None:
        self.mean, self.variance = mean, variance


def _inputs(coefficients: int, scale: Scale) -> tuple[keras.KerasTensor, keras.KerasTensor, keras.KerasTensor]:
    mfcc = keras.Input((None, coefficients), name="mfcc")
    length = keras.Input((), dtype="int32", name="length")
    deviation = np.sqrt(scale.variance)
    # Not keras.layers.Normalization: its constants become inputs of the exported graph.
    normalise = keras.layers.Rescaling((1.0 / deviation).tolist(), (-scale.mean / deviation).tolist(), name=NORMALISE)
    return mfcc, length, normalise(mfcc)


def lstm(coefficients: int, scale: Scale, settings: LstmSettings) -> keras.Model:
    """A causal LSTM over the sequence of frames, pooled by attentive statistics."""
    mfcc, length, frames = _inputs(coefficients, scale)
    steps = StackFrames(settings.stack)(CausalDynamics()(frames))
    members = [_lstm_member(number, steps, length, settings) for number in range(settings.members)]
    return _ensemble(mfcc, length, members, "lstm")


def _lstm_member(number: int, steps: keras.KerasTensor, length: keras.KerasTensor, settings: LstmSettings) -> keras.KerasTensor:
    projection, recurrent, attention, out = (f"{part}_{number}" for part in MEMBER)
    # After the projection, which is narrower: masks and dropout of its input took a third of the training's time.
    steps = keras.layers.Dense(settings.projection, name=projection)(steps)
    steps = keras.layers.Dropout(0.1)(SpecAugment()(steps))
    steps = keras.layers.LSTM(settings.units, return_sequences=True, name=recurrent)(steps)
    steps = keras.layers.Dropout(settings.dropout)(steps)
    pooled = AttentiveStatistics(settings.attention, settings.stack, name=attention)(steps, length)
    return keras.layers.Dense(len(EMOTIONS), name=out)(keras.layers.Dropout(settings.pooled_dropout)(pooled))


def mlp(coefficients: int, scale: Scale, settings: MlpSettings) -> keras.Model:
    """Hidden layers over statistics of the window."""
    mfcc, length, frames = _inputs(coefficients, scale)
    pooled = WindowStatistics(settings.correlated, settings.lagged, settings.lags)(frames, length)
    pooled = ops.clip(keras.layers.BatchNormalization()(pooled), -STATISTIC_LIMIT, STATISTIC_LIMIT)
    return _ensemble(mfcc, length, [_mlp_member(pooled, settings) for _ in range(settings.members)], "mlp")


def _mlp_member(pooled: keras.KerasTensor, settings: MlpSettings) -> keras.KerasTensor:
    hidden = keras.layers.Dropout(settings.input_dropout)(pooled)
    for units in settings.units:
        hidden = keras.layers.Dropout(settings.dropout)(keras.layers.Dense(units, activation="relu")(hidden))
    return keras.layers.Dense(len(EMOTIONS))(hidden)


def _ensemble(mfcc: keras.KerasTensor, length: keras.KerasTensor, members: list[keras.KerasTensor], name: str) -> keras.Model:
    return keras.Model([mfcc, length], ops.stack(members, axis=1), name=name)


def join_networks(networks: Sequence[keras.Model]) -> keras.Model:
    """Several fits of one network as one network, with the members of all of them."""
    inputs, name = networks[0].inputs, networks[0].name
    # Keras needs a name of its own for each.
    parts = [keras.Model(fit.inputs, fit.output, name=f"{name}_{number}")(inputs) for number, fit in enumerate(networks)]
    return keras.Model(inputs, ops.concatenate(parts, axis=1), name=name)


def with_softmax(network: keras.Model, temperature: float = 1.0) -> keras.Model:
    """The network with probabilities as output, ``float32[batch, emotion]``: softmax of mean logits over ``temperature``."""
    probabilities = ops.softmax(ops.mean(network.output, axis=1) / temperature)
    return keras.Model(network.inputs, probabilities, name=network.name)


def build(coefficients: int, scale: Scale, settings: LstmSettings | MlpSettings) -> keras.Model:
    """The network that ``settings`` describes."""
    match settings:
        case LstmSettings():
            return lstm(coefficients, scale, settings)
        case MlpSettings():
            return mlp(coefficients, scale, settings)
