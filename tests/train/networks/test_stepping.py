"""The stepping LSTM against the windowed one."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from stream_ser_train.fitting.bundling import with_calibration
from stream_ser_train.fitting.calibration import class_priors
from stream_ser_train.networks.architectures import LstmSettings, Scale, join_networks, lstm
from stream_ser_train.networks.stepping import SteppingLstm

pytestmark = pytest.mark.training

RNG = np.random.default_rng(0)
WIDTH, STEP = 12, 4
SETTINGS = LstmSettings(members=2, stack=STEP, projection=16, units=20, attention=8)
PRIORS = class_priors([0, 1, 1, 2, 2, 2, 3, 4, 5, 6, 7])
TEMPERATURE = 0.7
SCALE = Scale(RNG.standard_normal(WIDTH), RNG.uniform(0.5, 3.0, WIDTH))
NETWORKS = [lstm(WIDTH, SCALE, SETTINGS) for _ in range(2)]
STEPPING = SteppingLstm(NETWORKS, SETTINGS, TEMPERATURE, PRIORS)
WINDOWED = with_calibration(join_networks(NETWORKS), TEMPERATURE, PRIORS)

Floats = NDArray[np.float32]


def frames(batch: int, length: int) -> Floats:
    return (3.0 * RNG.standard_normal((batch, length, WIDTH))).astype(np.float32)


def step(signal: Floats, pieces: list[int], window: float = 300.0) -> tuple[Floats, Floats]:
    """Probabilities and state after the signal in pieces of so many steps; the last piece is the rest."""
    state = tf.zeros((len(signal), STEPPING.state_size))
    ends = [*(STEP * np.cumsum(pieces)).tolist(), signal.shape[1]]
    begin = 0
    for end in ends:
        if end > begin:
            probabilities, state = STEPPING(signal[:, begin:end], state, tf.constant(window))
            begin = end
    return np.asarray(probabilities), np.asarray(state)


@pytest.mark.parametrize("length", [8, 36, 120, 300])
@pytest.mark.parametrize("pieces", [[], [1] * 9, [2, 3, 2, 3]])
def test_steps_match_the_window(length: int, pieces: list[int]) -> None:
    signal = frames(3, length)
    pieces = [piece for number, piece in enumerate(pieces) if sum(pieces[: number + 1]) * STEP <= length]
    expected = np.asarray(WINDOWED([signal, np.full(3, length, np.int32)], training=False))
    probabilities, _ = step(signal, pieces)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


def test_a_batch_of_streams_steps_as_each_alone() -> None:
    signal = frames(4, 80)
    together, _ = step(signal, [5, 5])
    for row in range(4):
        alone, _ = step(signal[row : row + 1], [5, 5])
        np.testing.assert_allclose(together[row : row + 1], alone, atol=1e-5)


def test_a_long_utterance_forgets_its_beginning() -> None:
    last, window = frames(1, 400), 40.0
    pieces = [1] * 200
    probabilities = [
        step(np.concatenate((past, last), axis=1), pieces, window)[0] for past in (frames(1, 400), 2.0 + frames(1, 400))
    ]
    np.testing.assert_allclose(probabilities[0], probabilities[1], atol=1e-3)


def test_the_state_of_a_long_utterance_covers_about_a_window() -> None:
    _, state = step(frames(1, 1_000), [1] * 250, 40.0)
    assert state[0, 0] == pytest.approx(40.0)
