"""The LSTM in steps against the LSTM that sees the whole window."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from stream_ser_train.fitting.calibration import shares
from stream_ser_train.networks.architectures import LstmSettings, Scale, joined, lstm
from stream_ser_train.networks.bundling import calibrated
from stream_ser_train.networks.stepping import SteppingLstm

pytestmark = pytest.mark.training

RNG = np.random.default_rng(0)
WIDTH, STEP = 12, 4
SETTINGS = LstmSettings(members=2, stack=STEP, projection=16, units=20, attention=8)
TRAINED = shares([0, 1, 1, 2, 2, 2, 3, 4, 5, 6, 7])
TEMPERATURE = 0.7
SCALE = Scale(RNG.standard_normal(WIDTH), RNG.uniform(0.5, 3.0, WIDTH))
NETWORKS = [lstm(WIDTH, SCALE, SETTINGS) for _ in range(2)]
STEPPING = SteppingLstm(NETWORKS, SETTINGS, TEMPERATURE, TRAINED)
WINDOWED = calibrated(joined(NETWORKS), TEMPERATURE, TRAINED)

Floats = NDArray[np.float32]


def frames(batch: int, length: int) -> Floats:
    return (3.0 * RNG.standard_normal((batch, length, WIDTH))).astype(np.float32)


def step(signal: Floats, pieces: list[int], window: float = 300.0) -> tuple[Floats, Floats]:
    """The answer after the signal was given in pieces of so many steps, the last taking the rest; and the state."""
    state = tf.zeros((len(signal), STEPPING.state_size))
    ends = [*(STEP * np.cumsum(pieces)).tolist(), signal.shape[1]]
    begin = 0
    for end in ends:
        if end > begin:
            answer, state = STEPPING(signal[:, begin:end], state, tf.constant(window))
            begin = end
    return np.asarray(answer), np.asarray(state)


@pytest.mark.parametrize("length", [8, 36, 120, 300])
@pytest.mark.parametrize("pieces", [[], [1] * 9, [2, 3, 2, 3]])
def test_steps_answer_as_the_window_does(length: int, pieces: list[int]) -> None:
    signal = frames(3, length)
    pieces = [piece for number, piece in enumerate(pieces) if sum(pieces[: number + 1]) * STEP <= length]
    expected = np.asarray(WINDOWED([signal, np.full(3, length, np.int32)], training=False))
    answer, _ = step(signal, pieces)
    np.testing.assert_allclose(answer, expected, atol=1e-5)


def test_streams_step_together_as_alone() -> None:
    signal = frames(4, 80)
    together, _ = step(signal, [5, 5])
    for row in range(4):
        alone, _ = step(signal[row : row + 1], [5, 5])
        np.testing.assert_allclose(together[row : row + 1], alone, atol=1e-5)


def test_a_long_utterance_does_not_drag_its_past_along() -> None:
    last, window = frames(1, 400), 40.0
    pieces = [1] * 200
    answers = [step(np.concatenate((past, last), axis=1), pieces, window)[0] for past in (frames(1, 400), 2.0 + frames(1, 400))]
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-3)


def test_a_long_utterance_keeps_about_a_window() -> None:
    _, state = step(frames(1, 1_000), [1] * 250, 40.0)
    assert state[0, 0] == pytest.approx(40.0)
