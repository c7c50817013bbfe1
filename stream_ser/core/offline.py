"""Whole signals through the engine that serves live streams: for files, evaluations and trainings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_ser.core.backend import Backend, NumpyBackend
from stream_ser.core.engine import Engine
from stream_ser.core.stream import RING_S
from stream_ser.events import Event
from stream_ser.features import MfccSettings
from stream_ser.models.classifier import ModelFacts, ModelInput
from stream_ser.models.window import Frames, Window
from stream_ser.speech.detector import SpeechDetector
from stream_ser.state_rows import StateRows

Samples = NDArray[np.float32]


def recognize(backend: Backend, samples: Samples, hop: float = 0.1) -> list[Event]:
    """The events of a whole signal, ``float32[n]`` at the rate of the backend.

    Raises:
        Exception: whatever made the stream fail.
    """
    engine = Engine(backend, hop)
    events: list[Event] = []
    stream = engine.add(engine.sample_rate, events.extend, lambda _: None)
    piece = round(RING_S * engine.sample_rate)
    for start in range(0, len(samples), piece):
        stream.ring.write(samples[start : start + piece])
        _settle(engine)
    stream.ring.end()
    _settle(engine)
    if stream.failure is not None:
        raise stream.failure
    return events


def _settle(engine: Engine) -> None:
    while engine.step():
        pass


@dataclass(frozen=True, slots=True)
class WindowFrames:
    """A window that the models were asked about, and copies of its frames."""

    window: Window
    frames: Frames
    new: Frames


def collect_windows(
    samples: Samples,
    features: MfccSettings,
    detector: SpeechDetector | None = None,
    *,
    hop: float = 0.1,
    window: float = 3.0,
    step: int = 1,
) -> list[WindowFrames]:
    """Every window that the models would be asked about in a whole signal; no model runs.

    Args:
        samples: ``float32[n]`` at the rate of ``features``.
        features: what a frame is.
        detector: finds speech; the real one when None.
        hop: seconds between two windows.
        window: seconds of frames that a model reads at most.
        step: frames that the LSTM takes at a time.
    """
    collector = _Collector(step)
    recognize(NumpyBackend(features, collector, window, detector), samples, hop)
    return collector.collected


class _Collector:
    """Stands for the models: collects what they are asked and has no opinion."""

    def __init__(self, step: int) -> None:
        self.facts = ModelFacts(("none",), ("none",), step, fusion_temperature=1.0, threshold=0.0)
        self.collected: list[WindowFrames] = []

    def new_state(self, rows: int) -> StateRows:
        return StateRows()

    def classify(self, state: Any, inputs: Sequence[ModelInput]) -> NDArray[np.float32]:
        self.collected += [WindowFrames(one.window, one.frames.copy(), one.new.copy()) for one in inputs]
        return np.ones((len(inputs), 1, 1), np.float32)
