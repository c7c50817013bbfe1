"""The two networks. Both read ``mfcc: float32[batch, frames, coef]`` and ``length: int32[batch]`` and return logits."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from stream_ser.events import EMOTIONS
from stream_ser_train.layers import AttentiveStatistics, CausalDynamics, SpecAugment, StackFrames, WindowStatistics

FARTHEST = 6.0
"""Deviations from the mean beyond which a statistic of a window says no more."""


@dataclass(frozen=True, slots=True)
class LstmSettings:
    """The LSTM and its dropout. ``stack`` frames of 10 ms make one step of the recurrent layer."""

    stack: int = 4
    projection: int = 128
    units: int = 192
    attention: int = 64
    dropout: float = 0.3
    pooled_dropout: float = 0.4


@dataclass(frozen=True, slots=True)
class MlpSettings:
    """The MLP, its dropout and its statistics: see :class:`stream_ser_train.layers.WindowStatistics`."""

    units: tuple[int, ...] = (256,)
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
    normalise = keras.layers.Rescaling((1.0 / deviation).tolist(), (-scale.mean / deviation).tolist())
    return mfcc, length, normalise(mfcc)


def lstm(coefficients: int, scale: Scale, settings: LstmSettings) -> keras.Model:
    """A causal LSTM over the sequence of frames, pooled by attentive statistics."""
    mfcc, length, frames = _inputs(coefficients, scale)
    steps = SpecAugment()(StackFrames(settings.stack)(CausalDynamics()(frames)))
    steps = keras.layers.Dense(settings.projection)(keras.layers.Dropout(0.1)(steps))
    steps = keras.layers.LSTM(settings.units, return_sequences=True)(steps)
    steps = keras.layers.Dropout(settings.dropout)(steps)
    pooled = AttentiveStatistics(settings.attention, settings.stack)(steps, length)
    pooled = keras.layers.Dropout(settings.pooled_dropout)(pooled)
    return keras.Model([mfcc, length], keras.layers.Dense(len(EMOTIONS), name="logits")(pooled), name="lstm")


def mlp(coefficients: int, scale: Scale, settings: MlpSettings) -> keras.Model:
    """Hidden layers over statistics of the window."""
    mfcc, length, frames = _inputs(coefficients, scale)
    pooled = WindowStatistics(settings.correlated, settings.lagged, settings.lags)(frames, length)
    pooled = ops.clip(keras.layers.BatchNormalization()(pooled), -FARTHEST, FARTHEST)
    pooled = keras.layers.Dropout(settings.input_dropout)(pooled)
    for units in settings.units:
        pooled = keras.layers.Dense(units, activation="relu")(pooled)
        pooled = keras.layers.Dropout(settings.dropout)(pooled)
    return keras.Model([mfcc, length], keras.layers.Dense(len(EMOTIONS), name="logits")(pooled), name="mlp")


def build(coefficients: int, scale: Scale, settings: LstmSettings | MlpSettings) -> keras.Model:
    """The network that ``settings`` describes."""
    match settings:
        case LstmSettings():
            return lstm(coefficients, scale, settings)
        case MlpSettings():
            return mlp(coefficients, scale, settings)
