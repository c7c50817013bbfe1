"""The two networks. Both read ``mfcc: float32[batch, frames, coef]`` and ``length: int32[batch]`` and return logits."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
from numpy.typing import NDArray

from stream_ser.events import EMOTIONS
from stream_ser_train.layers import AttentiveStatistics, CausalDynamics, SpecAugment, StackFrames, WindowStatistics

STACK = 3
"""Frames to one LSTM step: 30 ms."""


class Scale:
    """Mean and variance of each coefficient over training frames, ``float64[coef]``."""

    def __init__(self, mean: NDArray[np.float64], variance: NDArray[np.float64]) -> None:
        self.mean, self.variance = mean, variance


Network = Callable[[int, Scale], keras.Model]


def _inputs(coefficients: int, scale: Scale) -> tuple[keras.KerasTensor, keras.KerasTensor, keras.KerasTensor]:
    mfcc = keras.Input((None, coefficients), name="mfcc")
    length = keras.Input((), dtype="int32", name="length")
    deviation = np.sqrt(scale.variance)
    # Not keras.layers.Normalization: its constants become inputs of the exported graph.
    normalise = keras.layers.Rescaling((1.0 / deviation).tolist(), (-scale.mean / deviation).tolist())
    return mfcc, length, normalise(mfcc)


def lstm(coefficients: int, scale: Scale) -> keras.Model:
    """A causal LSTM over the sequence of frames, pooled by attentive statistics."""
    mfcc, length, frames = _inputs(coefficients, scale)
    steps = StackFrames(STACK)(CausalDynamics()(frames))
    steps = keras.layers.Dropout(0.1)(SpecAugment()(steps))
    steps = keras.layers.Dropout(0.5)(keras.layers.LSTM(192, return_sequences=True)(steps))
    pooled = keras.layers.Dropout(0.5)(AttentiveStatistics(64, STACK)(steps, length))
    return keras.Model([mfcc, length], keras.layers.Dense(len(EMOTIONS), name="logits")(pooled), name="lstm")


def mlp(coefficients: int, scale: Scale) -> keras.Model:
    """Two hidden layers over statistics of the window."""
    mfcc, length, frames = _inputs(coefficients, scale)
    pooled = keras.layers.BatchNormalization()(WindowStatistics()(frames, length))
    pooled = keras.layers.Dropout(0.2)(pooled)
    for units in (256, 128):
        pooled = keras.layers.Dense(units, activation="relu")(pooled)
        pooled = keras.layers.Dropout(0.5)(pooled)
    return keras.Model([mfcc, length], keras.layers.Dense(len(EMOTIONS), name="logits")(pooled), name="mlp")


NETWORKS: dict[str, Network] = {"lstm": lstm, "mlp": mlp}
"""By the name that the bundle file has."""
