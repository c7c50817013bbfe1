"""Backends that need no trained model, and streams that collect their events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from signals import RATE, LoudnessDetector, Samples

from stream_ser.core.backend import NumpyBackend
from stream_ser.core.engine import Engine
from stream_ser.core.stream import AudioTap
from stream_ser.events import Emotion, Event
from stream_ser.features import MfccSettings
from stream_ser.models.classifier import Classifier, ModelFacts, ModelInput, ModelState
from stream_ser.state_rows import StateRows

EMOTIONS = tuple("abcdefgh")


@dataclass
class MeanFrameModel:
    """One model whose answer depends on every frame of the window: the softmax of the first coefficients of their mean."""

    step: int = 1
    batch_sizes: list[int] = field(default_factory=list)
    """Windows of each call so far."""

    @property
    def facts(self) -> ModelFacts:
        return ModelFacts(("mean",), EMOTIONS, self.step, fusion_temperature=1.0, threshold=0.35)

    def new_state(self, rows: int) -> StateRows:
        return StateRows()

    def classify(self, state: Any, inputs: Sequence[ModelInput]) -> NDArray[np.float32]:
        self.batch_sizes.append(len(inputs))
        scores = np.stack([one.frames.mean(axis=0)[: len(EMOTIONS)] for one in inputs])
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        answers: NDArray[np.float32] = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)[:, None]
        return answers


def loudness_backend(window: float = 3.0, model: MeanFrameModel | None = None) -> NumpyBackend:
    """For synthetic signals: what is loud is speech."""
    return NumpyBackend(MfccSettings(), model or MeanFrameModel(), window, LoudnessDetector())


class Recorded:
    """A stream of an engine, with all that it delivered."""

    def __init__(self, engine: Engine, rate: int = RATE, tap: AudioTap | None = None) -> None:
        self.events: list[Event] = []
        self.ends: list[Exception | None] = []
        self.stream = engine.add(rate, self.events.extend, self.ends.append, tap)

    def write(self, samples: Samples, *, last: bool = False) -> None:
        self.stream.ring.write(samples)
        if last:
            self.stream.ring.end()


def settle(engine: Engine) -> None:
    """Step until nothing is left to be processed."""
    while engine.step():
        pass


def events_of(pieces: Iterable[Samples], hop: float = 0.1, window: float = 3.0) -> list[Event]:
    """The events of one stream that gets ``pieces``, each shorter than the ring, one by one."""
    engine = Engine(loudness_backend(window), hop)
    recorded = Recorded(engine)
    for piece in pieces:
        recorded.write(piece)
        settle(engine)
    recorded.stream.ring.end()
    settle(engine)
    return recorded.events


def outline(events: Iterable[Event]) -> list[str]:
    """Names of the events, a run of interim answers as one."""
    names: list[str] = []
    for event in events:
        name = type(event).__name__
        if isinstance(event, Emotion):
            name = "final" if event.is_final else "interim"
        if names[-1:] != ["interim"] or name != "interim":
            names.append(name)
    return names


def record_batch_sizes(monkeypatch: pytest.MonkeyPatch, classifier: Classifier) -> list[int]:
    """The number of windows of each call from now on; the classifier works as before."""
    sizes: list[int] = []
    classify = classifier.classify

    def recorded(state: ModelState, inputs: Sequence[ModelInput]) -> NDArray[np.float32]:
        sizes.append(len(inputs))
        return classify(state, inputs)

    monkeypatch.setattr(classifier, "classify", recorded)
    return sizes
