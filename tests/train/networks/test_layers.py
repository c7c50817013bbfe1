"""Masks and causality: a window must not depend on its padding, nor a step on its future."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops
from stream_ser_train.networks.architectures import LstmSettings, MlpSettings, Scale, build
from stream_ser_train.networks.layers import (
    AttentiveStatistics,
    CausalDynamics,
    SpecAugment,
    StackFrames,
    WindowStatistics,
    delta,
    running_mean,
)

pytestmark = pytest.mark.training

RNG = np.random.default_rng(0)
SCALE = Scale(np.zeros(30), np.ones(30))
STACK = 3
NETWORKS = (LstmSettings(members=2), MlpSettings(members=2))


def frames(batch: int, length: int, width: int = 30) -> np.ndarray:
    return RNG.standard_normal((batch, length, width)).astype(np.float32)


def padded(values: np.ndarray, by: int, filler: float) -> np.ndarray:
    return np.pad(values, ((0, 0), (0, by), (0, 0)), constant_values=filler)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("length", [37, 38, 39, 120])
def test_padding_changes_nothing(network: LstmSettings | MlpSettings, length: int) -> None:
    model = build(30, SCALE, network)
    window, lengths = frames(2, length), np.array([length, length], np.int32)
    expected = model([window, lengths], training=False)
    for by, filler in ((1, 0.0), (50, 0.0), (50, 9.0)):
        got = model([padded(window, by, filler), lengths], training=False)
        np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_windows_of_a_batch_are_independent(network: LstmSettings | MlpSettings) -> None:
    model = build(30, SCALE, network)
    windows, lengths = frames(3, 60), np.array([60, 45, 36], np.int32)
    together = np.asarray(model([windows, lengths], training=False))
    for row in range(3):
        alone = model([windows[row : row + 1], lengths[row : row + 1]], training=False)
        np.testing.assert_allclose(together[row : row + 1], alone, atol=1e-5)


def test_the_input_of_the_lstm_does_not_depend_on_the_future() -> None:
    values = frames(1, 90)
    changed = values.copy()
    changed[:, 60:] += 5.0
    steps = [np.asarray(StackFrames(STACK)(CausalDynamics()(signal))) for signal in (values, changed)]
    np.testing.assert_array_equal(steps[0][:, : 60 // STACK], steps[1][:, : 60 // STACK])
    assert not np.allclose(steps[0][:, 60 // STACK :], steps[1][:, 60 // STACK :])


def test_the_slope_of_a_ramp_is_its_slope() -> None:
    ramp = np.arange(20, dtype=np.float32)[None, :, None] * 0.5
    np.testing.assert_allclose(np.asarray(delta(ramp))[:, 4:], 0.5, atol=1e-6)
    np.testing.assert_allclose(np.asarray(delta(np.ones_like(ramp))), 0.0, atol=1e-6)


def test_the_running_mean_is_the_mean_so_far() -> None:
    values = frames(2, 25)
    expected = np.stack([values[:, : t + 1].mean(axis=1) for t in range(25)], axis=1)
    np.testing.assert_allclose(np.asarray(running_mean(values)), expected, atol=1e-5)


def test_the_statistics_of_a_window_are_numpys() -> None:
    values = frames(1, 60)
    layer = WindowStatistics(correlated=5, lagged=4, lags=(2, 7))
    got = np.asarray(layer(padded(values, 30, 4.0), np.array([60], np.int32)))[0]
    (window,) = values
    mean = window.mean(axis=0)
    np.testing.assert_allclose(got[:30], mean, atol=1e-5)
    np.testing.assert_allclose(got[30:60], window.std(axis=0), atol=1e-3)
    np.testing.assert_allclose(got[60:90], window.max(axis=0), atol=1e-5)
    np.testing.assert_allclose(got[90:120], window.min(axis=0), atol=1e-5)
    slope = np.asarray(delta(values))[0]
    for third in range(3):
        inside = slice(20 * third, 20 * (third + 1))
        expected = [window[inside].mean(axis=0) - mean, window[inside].std(axis=0), np.abs(slope[inside]).mean(axis=0)]
        np.testing.assert_allclose(got[240 + 90 * third : 330 + 90 * third], np.concatenate(expected), atol=1e-3)
    together = np.corrcoef(window[:, :5], rowvar=False)[np.triu_indices(5, 1)]
    np.testing.assert_allclose(got[510:520], together, atol=1e-3)
    normal = (window - mean) / window.std(axis=0)
    for place, lag in ((520, 2), (536, 7)):
        expected_products = (normal[lag:, :4].T @ normal[:-lag, :4] / 60).ravel()
        np.testing.assert_allclose(got[place : place + 16], expected_products, atol=1e-3)
    assert len(got) == 552


def test_attention_pools_to_weighted_mean_and_deviation() -> None:
    layer = AttentiveStatistics(4, STACK)
    steps = frames(1, 20, 6)
    layer(steps, np.array([60], np.int32))
    layer.score.kernel.assign(ops.zeros_like(layer.score.kernel))  # equal weights
    got = np.asarray(layer(padded(steps, 7, 3.0), np.array([60], np.int32)))[0]
    np.testing.assert_allclose(got[:6], steps[0].mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(got[6:], steps[0].std(axis=0), atol=1e-3)


def test_spec_augment_masks_spans_in_training_only() -> None:
    layer, values = SpecAugment(spans=1, time=10, features=8), np.ones((64, 80, 90), np.float32)
    np.testing.assert_array_equal(layer(values, training=False), values)
    masked = np.asarray(layer(values, training=True)) == 0.0
    steps, features = masked.all(axis=2).sum(axis=1), masked.all(axis=1).sum(axis=1)
    assert 0 < steps.max() <= 10
    assert 0 < features.max() <= 8
    assert len(set(steps.tolist())) > 3


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_is_small(network: LstmSettings | MlpSettings) -> None:
    assert build(60, SCALE, network).count_params() < 800_000
