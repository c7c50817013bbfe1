from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_ser_train.fitting.calibration import even, reliability, risk_by_coverage, shares, soften, temperature, withhold

pytestmark = pytest.mark.unit


def drawn(sharpness: float, clips: int = 40_000, seed: int = 0) -> tuple[np.ndarray, list[int]]:
    """Answers whose logits are ``sharpness`` times those that the truth was drawn from."""
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.standard_normal((clips, 8))
    truth = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    powers = np.exp(sharpness * logits)
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32), truth.tolist()


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_overconfidence(sharpness: float) -> None:
    answers, truth = drawn(sharpness)
    found = temperature(answers, truth)
    assert found == pytest.approx(sharpness, rel=0.08)
    assert reliability(soften(answers, found), truth).error < 0.02
    if sharpness == 3.0:
        assert reliability(answers, truth).error > 0.1


@given(st.floats(0.2, 8.0), st.integers(0, 99))
def test_softening_keeps_the_order_and_the_sum(divisor: float, seed: int) -> None:
    answers, _ = drawn(1.0, clips=20, seed=seed)
    softened = soften(answers, divisor)
    np.testing.assert_allclose(softened.sum(axis=1), 1.0, atol=1e-4)
    np.testing.assert_array_equal(softened.argmax(axis=1), answers.argmax(axis=1))


def test_evened_answers_are_those_of_training_on_as_many_clips_of_each_emotion() -> None:
    """Two emotions seen as a number from a normal distribution about 0 or 1; the second was trained on three times as often."""
    seen = np.linspace(-3.0, 4.0, 50)
    likelihood = np.exp(-0.5 * (seen[:, None] - [0.0, 1.0]) ** 2)
    trained = np.array([1.0, 3.0] + [0.0] * 6)
    answers = np.zeros((50, 8), np.float32)
    answers[:, :2] = likelihood * trained[:2] / (likelihood * trained[:2]).sum(axis=1, keepdims=True)
    answers[7] = 0.0
    evened = even(answers, shares([0] * 10 + [1] * 30))
    expected = likelihood / likelihood.sum(axis=1, keepdims=True)
    expected[7] = 0.0
    np.testing.assert_allclose(evened[:, :2], expected, atol=1e-6)
    assert not evened[:, 2:].any()


def test_clips_in_which_nothing_was_heard_are_left_out() -> None:
    answers, truth = drawn(2.0, clips=500)
    with_silent = np.concatenate((answers, np.zeros((50, 8), np.float32)))
    assert temperature(with_silent, [*truth, *[0] * 50]) == pytest.approx(temperature(answers, truth))
    assert reliability(with_silent, [*truth, *[0] * 50]).error == reliability(answers, truth).error
    assert not soften(with_silent, 2.0)[500:].any()


def test_the_error_is_the_gap_between_confidence_and_accuracy() -> None:
    answers = np.full((10, 8), 0.2 / 7, np.float32)
    answers[:, 0] = 0.8
    found = reliability(answers, [0] * 5 + [1] * 5)
    assert found.error == pytest.approx(0.3, abs=1e-6)
    assert found.count.sum() == 10
    assert found.accuracy[12] == 0.5


def test_risk_counts_the_surest_answers_first() -> None:
    answers = np.array([[0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.7, 0.3]], np.float32)
    thresholds, risk = risk_by_coverage(answers, [0, 1, 0, 1])
    assert thresholds.tolist() == pytest.approx([0.9, 0.8, 0.7, 0.6])
    assert risk.tolist() == pytest.approx([0.0, 0.0, 1 / 3, 0.5])


def test_a_threshold_parts_the_sure_from_the_rest() -> None:
    answers = np.array([[0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.7, 0.3], [0.0, 0.0]], np.float32)
    found = withhold(answers, [0, 1, 0, 1, 0], 0.65)
    assert (found.coverage, found.risk, found.risk_withheld) == pytest.approx((0.75, 1 / 3, 1.0))
    assert withhold(answers, [0, 1, 0, 1, 0], 0.0).risk_withheld == 0.0
