"""Record how many windows each call of a classifier batches."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from stream_ser.models.classifier import Classifier, ModelState
from stream_ser.models.decision import Probabilities
from stream_ser.models.window import Window


def record_batch_sizes(monkeypatch: pytest.MonkeyPatch, classifier: Classifier) -> list[int]:
    """The number of windows of each call from now on; the classifier works as before."""
    sizes: list[int] = []
    classify = classifier.classify

    def recorded(batch: Sequence[tuple[Window, ModelState]]) -> list[dict[str, Probabilities]]:
        sizes.append(len(batch))
        return classify(batch)

    monkeypatch.setattr(classifier, "classify", recorded)
    return sizes
