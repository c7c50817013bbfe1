from __future__ import annotations

import numpy as np
import pytest

from stream_ser.features import MfccSettings
from stream_ser.models import runners
from stream_ser.models.bundle import BUNDLED, load_bundle
from stream_ser.models.providers import CPU
from stream_ser.models.runners import Feed, IoBindingRunner, SessionRunner

pytestmark = pytest.mark.unit

RNG = np.random.default_rng(0)
STEPS = ["probabilities", "next_state"]


@pytest.fixture
def session() -> object:
    """The bundled LSTM in steps: of all graphs the one with a scalar input and two outputs."""
    return load_bundle(BUNDLED / "lstm-step.onnx", MfccSettings(), [CPU]).session


def feed(session: object, batch: int, frames: int = 8) -> Feed:
    (state,) = (node for node in session.get_inputs() if node.name == "state")  # type: ignore[attr-defined]
    return {
        "mfcc": RNG.standard_normal((batch, frames, MfccSettings().coefficients)).astype(np.float32),
        "state": RNG.random((batch, state.shape[1])).astype(np.float32),
        "window": np.array(300.0, np.float32),
    }


@pytest.mark.parametrize("batch", [1, 2, 3, 8, 13])
def test_a_bound_run_answers_as_a_direct_one(session: object, batch: int) -> None:
    inputs = feed(session, batch)
    for bound, direct in zip(
        IoBindingRunner(session, STEPS, "cpu")(inputs), SessionRunner(session, STEPS)(inputs), strict=True
    ):
        assert bound.shape == direct.shape
        np.testing.assert_allclose(bound, direct, atol=1e-5)


def test_buffers_serve_every_batch_up_to_their_size_and_no_answer_is_overwritten(session: object) -> None:
    bound, direct = IoBindingRunner(session, STEPS, "cpu"), SessionRunner(session, STEPS)
    asked = [feed(session, batch) for batch in (5, 8, 7, 6, 5)]
    answered = [bound(inputs) for inputs in asked]
    assert bound.bindings == 1
    for inputs, (answer, _) in zip(asked, answered, strict=True):
        np.testing.assert_allclose(answer, direct(inputs)[0], atol=1e-5)


def test_buffers_do_not_pile_up(session: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners, "BINDINGS", 3)
    bound = IoBindingRunner(session, STEPS, "cpu")
    for frames in (4, 8, 12, 4, 16, 20, 4):
        bound(feed(session, 2, frames))
        assert bound.bindings <= 3
