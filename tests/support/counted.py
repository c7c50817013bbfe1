"""Counts what a classifier is asked, and lets it answer."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from stream_ser.models.classifier import Classifier, ModelState
from stream_ser.models.decision import Probabilities
from stream_ser.models.window import Window


def count_windows(monkeypatch: pytest.MonkeyPatch, classifier: Classifier) -> list[int]:
    """The number of windows of each call from now on."""
    sizes: list[int] = []
    answer = classifier.classify

    def counted(asked: Sequence[tuple[Window, ModelState]]) -> list[dict[str, Probabilities]]:
        sizes.append(len(asked))
        return answer(asked)

    monkeypatch.setattr(classifier, "classify", counted)
    return sizes
