"""What goes into the graphs beside the network."""

from __future__ import annotations

import numpy as np
import pytest
from stream_ser_train.evaluation.predict import calibrate
from stream_ser_train.fitting.calibration import shares
from stream_ser_train.networks.architectures import MlpSettings, Scale, answering, build, joined
from stream_ser_train.networks.bundling import calibrated

pytestmark = pytest.mark.training


def test_the_graph_that_ships_answers_as_the_evaluated_one_was_calibrated() -> None:
    rng = np.random.default_rng(0)
    model = build(4, Scale(np.zeros(4), np.ones(4)), MlpSettings(members=2, correlated=2, lagged=2))
    windows, lengths = rng.standard_normal((6, 90, 4)).astype(np.float32), np.array([90, 40, 60, 90, 20, 33], np.int32)
    emotions = [0] * 3 + [1] * 6 + [2, 3, 4, 5, 6]
    raw = np.asarray(answering(model)([windows, lengths]))
    shipped = np.asarray(calibrated(model, 0.7, shares(emotions))([windows, lengths]))
    np.testing.assert_allclose(shipped, calibrate(raw, 0.7, shares(emotions)), atol=1e-5)
    assert np.abs(shipped - raw).max() > 0.01


def test_networks_fitted_apart_answer_together() -> None:
    rng = np.random.default_rng(0)
    settings = MlpSettings(members=2, correlated=2, lagged=2)
    networks = [build(4, Scale(np.zeros(4), np.ones(4)), settings) for _ in range(3)]
    feed = [rng.standard_normal((5, 90, 4)).astype(np.float32), np.array([90, 40, 60, 20, 33], np.int32)]
    apart = np.concatenate([np.asarray(network(feed)) for network in networks], axis=1)
    together = np.asarray(joined(networks)(feed))
    assert together.shape == (5, 6, 8)
    np.testing.assert_allclose(together, apart, atol=1e-6)
