from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_ser.events import UNCERTAIN
from stream_ser.models import decision as decisions
from stream_ser.models.decision import Decision, Probabilities, fuse

pytestmark = pytest.mark.unit

LABELS = ("a", "b", "c", "d", "e")


def peaked(index: int, height: float = 0.8) -> Probabilities:
    rest = (1 - height) / (len(LABELS) - 1)
    return np.array([height if i == index else rest for i in range(len(LABELS))], np.float32)


def vector(values: list[float]) -> Probabilities:
    return np.array(values, np.float32)


def new(threshold: float = 0.35) -> Decision:
    return Decision(LABELS, hop=0.1, threshold=threshold)


@pytest.fixture
def hesitant(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wide margin, and no smoothing."""
    monkeypatch.setattr(decisions, "LABEL_MARGIN", 0.2)
    monkeypatch.setattr(decisions, "SMOOTHING_TIME_CONSTANT_S", 1e-6)


def test_fusing_weighs_what_the_models_say_for_and_against() -> None:
    fused = fuse([vector([0.2, 0.8]), vector([0.6, 0.4])], temperature=1.0)
    assert fused[1] / fused[0] == pytest.approx(np.sqrt(0.8 / 0.2 * 0.4 / 0.6))
    assert fused.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(fuse([peaked(2), peaked(2)], temperature=1.0), peaked(2), rtol=1e-5)


def test_models_that_agree_are_surer_together_and_one_is_as_sure_as_it_is() -> None:
    assert fuse([peaked(2), peaked(2)], 0.8)[2] > peaked(2)[2]
    np.testing.assert_allclose(fuse([peaked(2)], 0.8), peaked(2), rtol=1e-5)


def test_a_model_that_rules_an_emotion_out_leaves_numbers() -> None:
    fused = fuse([vector([0.0, 1.0, 0.0]), vector([1.0, 0.0, 0.0])], 0.8)
    assert np.isfinite(fused).all()
    assert fused.argmin() == 2


def test_the_first_answer_counts_at_once() -> None:
    label, probabilities = new().interim(peaked(2))
    assert label == "c"
    np.testing.assert_array_equal(probabilities, peaked(2))


def test_one_deviating_hop_does_not_change_the_label() -> None:
    decision = new()
    labels = [decision.interim(peaked(i))[0] for i in (0, 0, 0, 1, 0, 0)]
    assert labels == ["a"] * 6


def test_a_lasting_change_changes_the_label() -> None:
    decision = new()
    decision.interim(peaked(0))
    assert [decision.interim(peaked(1))[0] for _ in range(10)][-1] == "b"


@pytest.mark.usefixtures("hesitant")
def test_a_lead_below_the_margin_changes_nothing() -> None:
    decision = new()
    decision.interim(vector([0.5, 0.3, 0.2, 0, 0]))
    assert decision.interim(vector([0.4, 0.5, 0.1, 0, 0]))[0] == "a"
    assert decision.interim(vector([0.3, 0.6, 0.1, 0, 0]))[0] == "b"


@pytest.mark.usefixtures("hesitant")
def test_a_label_that_became_uncertain_makes_way_for_one_that_is_not() -> None:
    decision = new()
    decision.interim(vector([0.5, 0.3, 0.2, 0, 0]))
    assert decision.interim(vector([0.34, 0.4, 0.26, 0, 0]))[0] == "b"


def test_a_flat_answer_is_uncertain() -> None:
    flat = np.full(len(LABELS), 1 / len(LABELS), np.float32)
    assert new().interim(flat)[0] == UNCERTAIN
    assert new().final(flat)[0] == UNCERTAIN


def test_the_final_answer_owes_nothing_to_smoothing_and_ends_the_utterance() -> None:
    decision = new()
    for _ in range(20):
        decision.interim(peaked(0))
    assert decision.final(peaked(3))[0] == "d"
    assert decision.interim(peaked(4))[0] == "e"


@given(st.lists(st.lists(st.floats(0.01, 1), min_size=5, max_size=5), min_size=1, max_size=30))
def test_smoothed_probabilities_stay_probabilities(raw: list[list[float]]) -> None:
    decision = new()
    for row in raw:
        values = np.array(row, np.float32) / np.float32(sum(row))
        _, smooth = decision.interim(values)
        assert smooth.min() >= 0
        assert smooth.sum() == pytest.approx(1.0, abs=1e-4)
