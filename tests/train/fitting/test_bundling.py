"""Calibration and several fits in one graph."""

from __future__ import annotations

import numpy as np
import pytest
from stream_ser_train.fitting.bundling import with_calibration
from stream_ser_train.fitting.calibration import calibrate, class_priors
from stream_ser_train.networks.architectures import MlpSettings, Scale, build, join_networks, with_softmax

pytestmark = pytest.mark.training


def test_the_exported_graph_is_calibrated_as_the_evaluation_is() -> None:
    rng = np.random.default_rng(0)
    model = build(4, Scale(np.zeros(4), np.ones(4)), MlpSettings(members=2, correlated=2, lagged=2))
    windows, lengths = rng.standard_normal((6, 90, 4)).astype(np.float32), np.array([90, 40, 60, 90, 20, 33], np.int32)
    emotions = [0] * 3 + [1] * 6 + [2, 3, 4, 5, 6]
    raw = np.asarray(with_softmax(model)([windows, lengths]))
    shipped = np.asarray(with_calibration(model, 0.7, class_priors(emotions))([windows, lengths]))
    np.testing.assert_allclose(shipped, calibrate(raw, 0.7, class_priors(emotions)), atol=1e-5)
    assert np.abs(shipped - raw).max() > 0.01


def test_several_fits_are_one_ensemble() -> None:
    rng = np.random.default_rng(0)
    settings = MlpSettings(members=2, correlated=2, lagged=2)
    networks = [build(4, Scale(np.zeros(4), np.ones(4)), settings) for _ in range(3)]
    feed = [rng.standard_normal((5, 90, 4)).astype(np.float32), np.array([90, 40, 60, 20, 33], np.int32)]
    apart = np.concatenate([np.asarray(network(feed)) for network in networks], axis=1)
    together = np.asarray(join_networks(networks)(feed))
    assert together.shape == (5, 6, 8)
    np.testing.assert_allclose(together, apart, atol=1e-6)
