"""The LSTM as a recurrence over steps: an utterance so far is a state, and a hop costs its new frames only.

For an utterance no longer than the window its probabilities are those of the windowed network. In a longer one the running
mean and the pooled statistics forget exponentially, so that they cover about the last window; the recurrent layer forgets
as it has learnt to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from stream_ser_train.networks.architectures import MEMBER, NORMALISE, LstmSettings
from stream_ser_train.networks.layers import SLOPE_CONTEXT, SLOPE_SCALE, VARIANCE_FLOOR, slopes

Tensor = Any
"""A Keras tensor; Keras declares no type for it."""


class SteppingLstm:
    """Networks of :func:`stream_ser_train.networks.architectures.lstm` with their weights, as one recurrence.

    The state of a stream is one row: number of frames, the last four, the sum of all, and of each member the two states of
    its recurrent layer and the sums of its pooling. An utterance begins with zeros.

    Args:
        networks: the trained networks, one of each fit; each gives logits of its members.
        settings: what each was built from.
        temperature: what the logits are divided by.
        priors: relative frequency of each emotion in training, ``float64[emotion]``, which is divided out.
    """

    def __init__(
        self, networks: Sequence[keras.Model], settings: LstmSettings, temperature: float, priors: NDArray[np.float64]
    ) -> None:
        self._settings, self._temperature = settings, temperature
        self._log_priors = np.log(priors).astype(np.float32)
        first = networks[0]  # all are fitted on the same clips: their inputs are normalised alike
        self._normalise = first.get_layer(NORMALISE)
        self._members = [_Member(network, number, settings) for network in networks for number in range(settings.members)]
        self.coefficients: int = first.inputs[0].shape[-1]
        self._sizes = [1, SLOPE_CONTEXT * self.coefficients, self.coefficients]
        self._sizes += [
            size for _ in self._members for size in (settings.units, settings.units, 1, settings.units, settings.units)
        ]

    @property
    def state_size(self) -> int:
        """Numbers in the state of one stream."""
        return sum(self._sizes)

    def __call__(self, mfcc: Tensor, state: Tensor, window: Tensor) -> tuple[Tensor, Tensor]:
        """Process new frames.

        Args:
            mfcc: ``float32[batch, frames, coef]``; the number of frames is a positive multiple of ``stack``.
            state: ``float32[batch, state_size]``.
            window: ``float32[]``, frames that the probabilities should cover.

        Returns:
            Probabilities, ``float32[batch, emotion]``, and the new state.
        """
        count, before, total, *members = ops.split(state, np.cumsum(self._sizes)[:-1].tolist(), axis=1)
        frames = self._normalise(mfcc)
        first = ops.tile(frames[:, 0], (1, SLOPE_CONTEXT))
        before = ops.where(count == 0.0, first, before)
        extended = ops.concatenate([ops.reshape(before, (-1, SLOPE_CONTEXT, self.coefficients)), frames], axis=1)
        sums = total[:, None, :] + ops.cumsum(frames, axis=1)
        new_frames = ops.cast(ops.shape(frames)[1], "float32")
        counts = count[:, :, None] + 1.0 + ops.cast(ops.arange(ops.shape(frames)[1]), "float32")[None, :, None]
        dynamics = ops.concatenate([frames, frames - sums / counts, SLOPE_SCALE * slopes(extended)], axis=-1)
        width = 3 * self.coefficients * self._settings.stack
        steps = ops.reshape(dynamics, (-1, ops.shape(frames)[1] // self._settings.stack, width))

        decay = ops.minimum(1.0, window / (count + new_frames))
        last = ops.reshape(extended[:, -SLOPE_CONTEXT:], (-1, SLOPE_CONTEXT * self.coefficients))
        parts = [(count + new_frames) * decay, last, sums[:, -1] * decay]
        logits = []
        for number, member in enumerate(self._members):
            member_logits, member_state = member(steps, members[5 * number : 5 * number + 5], decay)
            logits.append(member_logits)
            parts += member_state
        mean = ops.mean(ops.stack(logits, axis=1), axis=1)
        return ops.softmax(mean / self._temperature - self._log_priors), ops.concatenate(parts, axis=1)


class _Member:
    def __init__(self, network: keras.Model, number: int, settings: LstmSettings) -> None:
        self._projection, fitted, self._attention, self._out = (network.get_layer(f"{part}_{number}") for part in MEMBER)
        self._recurrent = keras.layers.LSTM(settings.units, return_sequences=True, return_state=True)
        self._recurrent.build((None, None, settings.projection))
        self._recurrent.set_weights(fitted.get_weights())
        # A score is bounded by its weights, as tanh is by 1: no exponential overflows, and none needs the largest so far.
        self._largest = float(np.abs(self._attention.score.get_weights()[0]).sum())

    def __call__(self, steps: Tensor, state: list[Tensor], decay: Tensor) -> tuple[Tensor, list[Tensor]]:
        hidden, cell, weight, first, second = state
        outputs, hidden, cell = self._recurrent(self._projection(steps), initial_state=[hidden, cell])
        score = self._attention.score(self._attention.inner(outputs)) - self._attention.score.bias
        weights = ops.exp(score - self._largest)
        weight = weight + ops.sum(weights, axis=1)
        first = first + ops.sum(weights * outputs, axis=1)
        second = second + ops.sum(weights * ops.square(outputs), axis=1)
        mean = first / weight
        variance = second / weight - ops.square(mean)
        pooled = ops.concatenate([mean, ops.sqrt(ops.maximum(variance, 0.0) + VARIANCE_FLOOR)], axis=-1)
        return self._out(pooled), [hidden, cell, weight * decay, first * decay, second * decay]
