from __future__ import annotations

from pathlib import Path

import pytest
from streams import record_batch_sizes

from stream_ser.bench import timing
from stream_ser.bench.load import load
from stream_ser.core.engine import Engine
from stream_ser.features import MfccSettings
from stream_ser.models.classifier import Classifier, load_classifier
from stream_ser.models.providers import ProviderChoice

pytestmark = pytest.mark.unit

WARM_UP_HOPS = 8


@pytest.fixture
def classifier(bundles: Path, monkeypatch: pytest.MonkeyPatch) -> Classifier:
    monkeypatch.setattr(timing, "WARM_UP_HOPS", WARM_UP_HOPS)
    return load_classifier(bundles, MfccSettings(), ProviderChoice.CPU, 3.0)


def test_every_stream_is_classified_in_every_measured_hop(classifier: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    windows = record_batch_sizes(monkeypatch, classifier)
    load(Engine.over(classifier), 5, 40)
    assert sum(windows[-40:]) > 0.9 * 5 * 40


def test_the_streams_are_closed_afterwards(classifier: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine.over(classifier)
    load(engine, 5, 10)
    windows = record_batch_sizes(monkeypatch, classifier)
    load(engine, 1, 10)
    assert set(windows) == {1}
