"""The LSTM one step at a time: what it has heard of an utterance is a state, and a hop costs its new frames only.

Over an utterance no longer than the window it answers as the windowed network does. Of a longer one the running mean and
the pooled statistics forget exponentially, so that the answer speaks for about the last window; the recurrent layer
forgets as it has learnt to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from stream_ser_train.networks.architectures import MEMBER, NORMALISE, LstmSettings
from stream_ser_train.networks.layers import BEFORE, SLOPE_SCALE, VARIANCE_FLOOR, slopes

Tensor = Any
"""A Keras tensor; Keras declares no type for it."""


class SteppingLstm:
    """Networks of :func:`stream_ser_train.networks.architectures.lstm` with their weights, read as one recurrence.

    The state of a stream is one row: number of frames, the last four, the sum of all, and of each member the two states of
    its recurrent layer and the sums of its pooling. An utterance begins with zeros.

    Args:
        networks: the trained networks, one of each fit; each gives logits of its members.
        settings: what each was built from.
        temperature: what the logits are divided by.
        trained: share of each emotion in what it was trained on, ``float64[emotion]``, which the answer makes up for.
    """

    def __init__(
        self, networks: Sequence[keras.Model], settings: LstmSettings, temperature: float, trained: NDArray[np.float64]
    ) -> None:
        self._settings, self._temperature = settings, temperature
        self._prior = np.log(trained).astype(np.float32)
        first = networks[0]  # all are fitted on the same clips: what goes in is normalised alike
        self._normalise = first.get_layer(NORMALISE)
        self._members = [_Member(network, number, settings) for network in networks for number in range(settings.members)]
        self.coefficients: int = first.inputs[0].shape[-1]
        self._sizes = [1, BEFORE * self.coefficients, self.coefficients]
        self._sizes += [
            size for _ in self._members for size in (settings.units, settings.units, 1, settings.units, settings.units)
        ]

    @property
    def state_size(self) -> int:
        """Numbers in the state of one stream."""
        return sum(self._sizes)

    def __call__(self, mfcc: Tensor, state: Tensor, window: Tensor) -> tuple[Tensor, Tensor]:
        """Take new frames.

        Args:
            mfcc: ``float32[batch, frames, coef]``, the frames a multiple of ``stack``, more than none.
            state: ``float32[batch, state_size]``.
            window: ``float32[]``, frames that the answer speaks for.

        Returns:
            Probabilities, ``float32[batch, emotion]``, and the new state.
        """
        count, before, total, *members = ops.split(state, np.cumsum(self._sizes)[:-1].tolist(), axis=1)
        frames = self._normalise(mfcc)
        first = ops.tile(frames[:, 0], (1, BEFORE))
        before = ops.where(count == 0.0, first, before)
        sofar = ops.concatenate([ops.reshape(before, (-1, BEFORE, self.coefficients)), frames], axis=1)
        sums = total[:, None, :] + ops.cumsum(frames, axis=1)
        taken = ops.cast(ops.shape(frames)[1], "float32")
        counts = count[:, :, None] + 1.0 + ops.cast(ops.arange(ops.shape(frames)[1]), "float32")[None, :, None]
        dynamics = ops.concatenate([frames, frames - sums / counts, SLOPE_SCALE * slopes(sofar)], axis=-1)
        width = 3 * self.coefficients * self._settings.stack
        steps = ops.reshape(dynamics, (-1, ops.shape(frames)[1] // self._settings.stack, width))

        keep = ops.minimum(1.0, window / (count + taken))
        last = ops.reshape(sofar[:, -BEFORE:], (-1, BEFORE * self.coefficients))
        parts = [(count + taken) * keep, last, sums[:, -1] * keep]
        logits = []
        for number, member in enumerate(self._members):
            answer, kept = member(steps, members[5 * number : 5 * number + 5], keep)
            logits.append(answer)
            parts += kept
        mean = ops.mean(ops.stack(logits, axis=1), axis=1)
        return ops.softmax(mean / self._temperature - self._prior), ops.concatenate(parts, axis=1)


class _Member:
    def __init__(self, network: keras.Model, number: int, settings: LstmSettings) -> None:
        self._projection, trained, self._attention, self._out = (network.get_layer(f"{part}_{number}") for part in MEMBER)
        self._recurrent = keras.layers.LSTM(settings.units, return_sequences=True, return_state=True)
        self._recurrent.build((None, None, settings.projection))
        self._recurrent.set_weights(trained.get_weights())
        # A score is bounded by its weights, as tanh is by 1: no exponential overflows, and none needs the largest so far.
        self._largest = float(np.abs(self._attention.score.get_weights()[0]).sum())

    def __call__(self, steps: Tensor, state: list[Tensor], keep: Tensor) -> tuple[Tensor, list[Tensor]]:
        hidden, cell, weight, first, second = state
        heard, hidden, cell = self._recurrent(self._projection(steps), initial_state=[hidden, cell])
        score = self._attention.score(self._attention.inner(heard)) - self._attention.score.bias
        weights = ops.exp(score - self._largest)
        weight = weight + ops.sum(weights, axis=1)
        first = first + ops.sum(weights * heard, axis=1)
        second = second + ops.sum(weights * ops.square(heard), axis=1)
        mean = first / weight
        variance = second / weight - ops.square(mean)
        pooled = ops.concatenate([mean, ops.sqrt(ops.maximum(variance, 0.0) + VARIANCE_FLOOR)], axis=-1)
        return self._out(pooled), [hidden, cell, weight * keep, first * keep, second * keep]
