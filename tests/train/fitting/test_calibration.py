from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_ser_train.fitting.calibration import (
    apply_temperature,
    class_priors,
    divide_by_priors,
    fit_temperature,
    reliability,
    risk_by_coverage,
    withhold,
)

pytestmark = pytest.mark.unit


def drawn(sharpness: float, clips: int = 40_000, seed: int = 0) -> tuple[np.ndarray, list[int]]:
    """Predictions whose logits are ``sharpness`` times those that the truth was drawn from."""
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.standard_normal((clips, 8))
    truth = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    powers = np.exp(sharpness * logits)
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32), truth.tolist()


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_overconfidence(sharpness: float) -> None:
    predictions, truth = drawn(sharpness)
    found = fit_temperature(predictions, truth)
    assert found == pytest.approx(sharpness, rel=0.08)
    assert reliability(apply_temperature(predictions, found), truth).error < 0.02
    if sharpness == 3.0:
        assert reliability(predictions, truth).error > 0.1


@given(st.floats(0.2, 8.0), st.integers(0, 99))
def test_softening_keeps_the_order_and_the_sum(divisor: float, seed: int) -> None:
    predictions, _ = drawn(1.0, clips=20, seed=seed)
    softened = apply_temperature(predictions, divisor)
    np.testing.assert_allclose(softened.sum(axis=1), 1.0, atol=1e-4)
    np.testing.assert_array_equal(softened.argmax(axis=1), predictions.argmax(axis=1))


def test_without_priors_predictions_are_those_of_training_on_as_many_clips_of_each_emotion() -> None:
    """Two emotions observed as a number, normally distributed about 0 or 1; the second has three times as many clips."""
    observed = np.linspace(-3.0, 4.0, 50)
    likelihood = np.exp(-0.5 * (observed[:, None] - [0.0, 1.0]) ** 2)
    trained = np.array([1.0, 3.0] + [0.0] * 6)
    predictions = np.zeros((50, 8), np.float32)
    predictions[:, :2] = likelihood * trained[:2] / (likelihood * trained[:2]).sum(axis=1, keepdims=True)
    predictions[7] = 0.0
    corrected = divide_by_priors(predictions, class_priors([0] * 10 + [1] * 30))
    expected = likelihood / likelihood.sum(axis=1, keepdims=True)
    expected[7] = 0.0
    np.testing.assert_allclose(corrected[:, :2], expected, atol=1e-6)
    assert not corrected[:, 2:].any()


def test_clips_without_speech_are_left_out() -> None:
    predictions, truth = drawn(2.0, clips=500)
    with_silent = np.concatenate((predictions, np.zeros((50, 8), np.float32)))
    assert fit_temperature(with_silent, [*truth, *[0] * 50]) == pytest.approx(fit_temperature(predictions, truth))
    assert reliability(with_silent, [*truth, *[0] * 50]).error == reliability(predictions, truth).error
    assert not apply_temperature(with_silent, 2.0)[500:].any()


def test_the_error_is_the_gap_between_confidence_and_accuracy() -> None:
    predictions = np.full((10, 8), 0.2 / 7, np.float32)
    predictions[:, 0] = 0.8
    found = reliability(predictions, [0] * 5 + [1] * 5)
    assert found.error == pytest.approx(0.3, abs=1e-6)
    assert found.count.sum() == 10
    assert found.accuracy[12] == 0.5


def test_risk_counts_the_most_confident_predictions_first() -> None:
    predictions = np.array([[0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.7, 0.3]], np.float32)
    thresholds, risk = risk_by_coverage(predictions, [0, 1, 0, 1])
    assert thresholds.tolist() == pytest.approx([0.9, 0.8, 0.7, 0.6])
    assert risk.tolist() == pytest.approx([0.0, 0.0, 1 / 3, 0.5])


def test_a_threshold_splits_the_confident_from_the_rest() -> None:
    predictions = np.array([[0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.7, 0.3], [0.0, 0.0]], np.float32)
    found = withhold(predictions, [0, 1, 0, 1, 0], 0.65)
    assert (found.coverage, found.risk, found.risk_withheld) == pytest.approx((0.75, 1 / 3, 1.0))
    assert withhold(predictions, [0, 1, 0, 1, 0], 0.0).risk_withheld == 0.0
