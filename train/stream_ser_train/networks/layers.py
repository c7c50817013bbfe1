"""Layers without weights, and pooling: masks, dynamics, statistics of a window. All of them are exported."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

Tensor = Any
"""A Keras tensor; Keras declares no type for it."""

SLOPE_SCALE = 5.0
"""Brings slopes to the spread of normalised frames, so that a network weighs both alike from the start."""

VARIANCE_FLOOR = 1e-5


def frame_mask(frames: Tensor, length: Tensor) -> Tensor:
    """``float32[batch, frames, 1]``: 1 for the first ``length[batch]`` frames, 0 for the padding after them."""
    position = ops.arange(ops.shape(frames)[1], dtype="int32")
    return ops.cast(position[None, :] < ops.cast(length, "int32")[:, None], "float32")[:, :, None]


SLOPE_CONTEXT = 4
"""Frames before it that a slope depends on."""


def slopes(frames: Tensor) -> Tensor:
    """Slope of each coefficient over five frames, by regression (HTK Book, section 5.9), for all but the first four."""
    return (2.0 * (frames[:, 4:] - frames[:, :-4]) + frames[:, 3:-1] - frames[:, 1:-3]) / 10.0


def delta(frames: Tensor) -> Tensor:
    """The causal slope of every frame: the first frame is repeated for those before it."""
    return slopes(ops.concatenate([frames[:, :1]] * SLOPE_CONTEXT + [frames], axis=1))


def running_mean(frames: Tensor) -> Tensor:
    """Mean of the frames so far: an estimate of level and channel at each frame, without the future."""
    count = ops.cast(ops.arange(ops.shape(frames)[1], dtype="int32") + 1, "float32")
    return ops.cumsum(frames, axis=1) / count[None, :, None]


def _deviation(mean: Tensor, square: Tensor) -> Tensor:
    """Standard deviation of values from their mean and the mean of their squares."""
    return ops.sqrt(ops.maximum(square - ops.square(mean), 0.0) + VARIANCE_FLOOR)


class CausalDynamics(keras.layers.Layer):
    """``[batch, frames, coef]`` -> ``[batch, frames, 3 * coef]``: the frames, less their running mean, and their slopes."""

    def call(self, frames: Tensor) -> Tensor:
        return ops.concatenate([frames, frames - running_mean(frames), SLOPE_SCALE * delta(frames)], axis=-1)


class StackFrames(keras.layers.Layer):
    """Joins each ``count`` frames to one step, so that a recurrent layer has ``count`` times fewer; a rest is dropped."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def call(self, frames: Tensor) -> Tensor:
        steps = ops.shape(frames)[1] // self.count
        width = frames.shape[-1] * self.count
        return ops.reshape(frames[:, : steps * self.count], (-1, steps, width))


class SpecAugment(keras.layers.Layer):
    """In training: masks a few spans of time and of features (Park et al. 2019, doi:10.21437/Interspeech.2019-2680)."""

    def __init__(self, spans: int = 2, time: int = 10, features: int = 8) -> None:
        super().__init__()
        self.spans, self.time, self.features = spans, time, features
        self.seeds = keras.random.SeedGenerator()

    def call(self, values: Tensor, training: bool = False) -> Tensor:
        if not training:
            return values
        shape = ops.shape(values)
        for _ in range(self.spans):
            values = values * self._mask(shape[0], shape[1], self.time)[:, :, None]
            values = values * self._mask(shape[0], shape[2], self.features)[:, None, :]
        return values

    def _mask(self, batch: Tensor, size: Tensor, longest: int) -> Tensor:
        width = keras.random.uniform((batch, 1), 0.0, float(longest), seed=self.seeds)
        start = keras.random.uniform((batch, 1), seed=self.seeds) * ops.cast(size, "float32")
        position = ops.cast(ops.arange(size), "float32")[None, :]
        return ops.cast((position < start) | (position >= start + width), "float32")


class AttentiveStatistics(keras.layers.Layer):
    """Weighted mean and deviation of the steps (Okabe et al. 2018, doi:10.21437/Interspeech.2018-993)."""

    def __init__(self, hidden: int, stack: int, name: str | None = None) -> None:
        super().__init__(name=name)
        self.hidden, self.stack = hidden, stack
        self.inner = keras.layers.Dense(hidden, activation="tanh")
        self.score = keras.layers.Dense(1)

    def build(self, steps_shape: Any, length_shape: Any) -> None:
        self.inner.build(steps_shape)
        self.score.build((*steps_shape[:-1], self.hidden))

    def call(self, steps: Tensor, length: Tensor) -> Tensor:
        count = ops.maximum(ops.cast(length, "int32") // self.stack, 1)
        mask = frame_mask(steps, count)
        scores = self.score(self.inner(steps)) - 1e9 * (1.0 - mask)
        weights = ops.softmax(scores, axis=1)
        mean = ops.sum(weights * steps, axis=1)
        variance = ops.sum(weights * ops.square(steps), axis=1) - ops.square(mean)
        return ops.concatenate([mean, ops.sqrt(ops.maximum(variance, 0.0) + VARIANCE_FLOOR)], axis=-1)


class WindowStatistics(keras.layers.Layer):
    """``[batch, frames, coef]``, ``length[batch]`` -> statistics of the window.

    Of each coefficient: mean, deviation and extremes; deviation of its slope and of the slope of that; mean size of
    its slope and of its distance from the mean; and in each third of the window its mean, deviation and mean size of
    slope. Of the first ``correlated`` coefficients: how they go together. Of the first ``lagged``: how each goes with
    each some frames earlier, which describes the movements of a voice whatever the words are.
    """

    def __init__(self, correlated: int, lagged: int, lags: tuple[int, ...]) -> None:
        super().__init__()
        self.correlated, self.lagged, self.lags = correlated, lagged, lags

    def call(self, frames: Tensor, length: Tensor) -> Tensor:
        mask = frame_mask(frames, length)
        parts = ops.concatenate([mask, *thirds(mask)], axis=-1)
        counts = ops.maximum(ops.sum(parts, axis=1), 1.0)[:, :, None]
        slope = delta(frames)
        bend = delta(slope)
        # All sums over frames are one product of matrices: what costs here is reading the frames.
        values = [frames, ops.square(frames), slope, ops.square(slope), bend, ops.square(bend), ops.abs(slope)]
        weights = ops.transpose(parts, (0, 2, 1))
        moments = ops.matmul(weights, ops.concatenate(values, axis=-1)) / counts
        means, squares, slopes, slope_squares, bends, bend_squares, sizes = ops.split(moments, len(values), axis=-1)
        deviations = _deviation(means, squares)
        mean, deviation = means[:, :1], deviations[:, :1]
        centred = frames - mean
        far = 1e3 * (1.0 - mask)
        statistics = [
            mean[:, 0],
            deviation[:, 0],
            ops.max(frames - far, axis=1),
            ops.min(frames + far, axis=1),
            _deviation(slopes, slope_squares)[:, 0],
            _deviation(bends, bend_squares)[:, 0],
            sizes[:, 0],
            (ops.matmul(weights[:, :1], ops.abs(centred)) / counts[:, :1])[:, 0],
        ]
        occupied = ops.cast(ops.any(parts > 0, axis=1), "float32")[:, :, None]
        shifts = (means - mean) * occupied
        for third in (1, 2, 3):
            statistics += [shifts[:, third], deviations[:, third], sizes[:, third]]
        width = max(self.correlated, self.lagged)
        standardised = mask * centred[:, :, :width] / deviation[:, :, :width]
        count = counts[:, 0]
        correlations = _products(standardised[:, :, : self.correlated], standardised[:, :, : self.correlated]) / count
        row, column = np.triu_indices(self.correlated, 1)
        statistics.append(ops.take(correlations, row * self.correlated + column, axis=1))
        lagged = standardised[:, :, : self.lagged]
        statistics += [_products(lagged[:, lag:], lagged[:, :-lag]) / count for lag in self.lags]
        return ops.concatenate(statistics, axis=-1)


def thirds(mask: Tensor) -> list[Tensor]:
    """The mask of each third of the frames in ``mask``."""
    position = ops.cumsum(mask, axis=1) - 1.0
    third = ops.maximum(ops.sum(mask, axis=1, keepdims=True) / 3.0, 1.0)
    return [mask * ops.cast((position >= number * third) & (position < (number + 1) * third), "float32") for number in range(3)]


def _products(left: Tensor, right: Tensor) -> Tensor:
    """Sum over the frames of the product of each pair of values, ``[batch, values * values]``."""
    pairs = ops.matmul(ops.transpose(left, (0, 2, 1)), right)
    return ops.reshape(pairs, (-1, left.shape[-1] * right.shape[-1]))
