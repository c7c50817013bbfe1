"""The only place where numbers are crunched: the hops of many streams -> speech in them -> answers of the models.

A backend has no streams of its own. Its state is arrays with one row a stream, which the engine owns and assigns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stream_ser.core.hop import Hop
from stream_ser.core.segmenter import LONGEST_HOP_S, retained_frames
from stream_ser.features import FrameHistory, HistoryState, MfccSettings, MfccState, OffsetRemoval, OffsetState, StreamingMfcc
from stream_ser.models.classifier import ModelFacts, ModelInput
from stream_ser.models.window import Window
from stream_ser.speech.detector import SpeechDetector, VadFrame, VoiceActivity
from stream_ser.state_rows import StateRows

BLOCK_STREAMS = 64
"""Streams that are processed at a time: of more, what is computed no longer fits into the processor's cache."""

PARALLEL_STREAMS = 16
"""Streams from which on detector and extractor run in parallel: fewer are not worth a thread."""

Segment = Callable[[list[list[VadFrame]]], list[Window | None]]
"""From what was found in each hop to the window that the models are asked about, if there is one."""


class Backend(Protocol):
    """Runs detector, features and models for many streams at once, on the CPU or another device."""

    @property
    def features(self) -> MfccSettings:
        """What a frame is; fixes the sample rate."""
        ...

    @property
    def facts(self) -> ModelFacts:
        """What the models state about themselves."""
        ...

    @property
    def window(self) -> float:
        """Seconds of frames that a model reads at most."""
        ...

    def new_state(self, rows: int) -> StateRows:
        """The state of ``rows`` new streams."""
        ...

    def step(self, state: Any, rows: Sequence[int], hops: Sequence[Hop], segment: Segment) -> list[NDArray[np.float32] | None]:
        """Take each of some streams one hop on.

        Args:
            state: of :meth:`new_state`.
            rows: of the streams in ``state``, each once; the row of a hop that ``begins`` is cleared first.
            hops: their samples.
            segment: called once, with what was found in each hop, before the models run.

        Returns:
            For each hop the models' answer to its window, ``float32[model, emotion]``, or None where it has none.
        """
        ...


class Models(Protocol):
    """What answers windows; :class:`stream_ser.models.classifier.Classifier` is the real one."""

    @property
    def facts(self) -> ModelFacts: ...

    def new_state(self, rows: int) -> StateRows: ...

    def classify(self, state: Any, inputs: Sequence[ModelInput]) -> NDArray[np.float32]: ...


@dataclass(slots=True)
class NumpyState(StateRows):
    """The state of each part."""

    offset: OffsetState
    speech: StateRows
    mfcc: MfccState
    history: HistoryState
    models: StateRows


class NumpyBackend:
    """Detector and features in NumPy, models in ONNX Runtime sessions.

    Args:
        features: what a frame is.
        models: answer windows.
        window: seconds of frames that a model reads at most.
        detector: finds speech.
    """

    def __init__(
        self, features: MfccSettings, models: Models, window: float = 3.0, detector: SpeechDetector | None = None
    ) -> None:
        self.features, self.window = features, window
        self._offset = OffsetRemoval(features.sample_rate, round(LONGEST_HOP_S * features.sample_rate))
        self._detector: SpeechDetector = detector or VoiceActivity()
        self._mfcc = StreamingMfcc(features)
        self._history = FrameHistory(retained_frames(features, window), features.coefficients)
        self._models = models
        self._parallel = ThreadPoolExecutor(1, "detector")  # starts its thread when there are many streams

    @property
    def facts(self) -> ModelFacts:
        return self._models.facts

    def new_state(self, rows: int) -> NumpyState:
        return NumpyState(
            self._offset.new_state(rows),
            self._detector.new_state(rows),
            self._mfcc.new_state(rows),
            self._history.new_state(rows),
            self._models.new_state(rows),
        )

    def step(
        self, state: NumpyState, rows: Sequence[int], hops: Sequence[Hop], segment: Segment
    ) -> list[NDArray[np.float32] | None]:
        for row, hop in zip(rows, hops, strict=True):
            if hop.begins:
                state.clear(row)
        windows = segment(self._run_frontend(state, rows, hops))
        return self._run_models(state, rows, windows)

    def _run_frontend(self, state: NumpyState, rows: Sequence[int], hops: Sequence[Hop]) -> list[list[VadFrame]]:
        """Append the frames of the hops to the histories; return what the detector finds."""
        blocks = [_Block.of(rows, hops, numbers) for numbers in _blocks_of_equal_length(hops)]
        for block in blocks:
            self._offset.process(state.offset, block.rows, block.samples)

        def detect() -> list[list[list[VadFrame]]]:
            return [self._detector.process(state.speech, block.rows, block.samples) for block in blocks]

        # Of many hops, arrays are long, and numpy computes without the interpreter's lock.
        parallel: Future[list[list[list[VadFrame]]]] | None = None
        if len(hops) >= PARALLEL_STREAMS:
            parallel = self._parallel.submit(detect)
        for block in blocks:
            for row, frames in zip(block.rows, self._mfcc.process(state.mfcc, block.rows, block.samples), strict=True):
                self._history.append(state.history, int(row), frames)
        found: list[list[VadFrame]] = [[] for _ in hops]
        for block, speech in zip(blocks, detect() if parallel is None else parallel.result(), strict=True):
            for number, chunks in zip(block.numbers, speech, strict=True):
                found[number] = chunks
        return found

    def _run_models(
        self, state: NumpyState, rows: Sequence[int], windows: Sequence[Window | None]
    ) -> list[NDArray[np.float32] | None]:
        inputs = [
            ModelInput(
                row,
                window,
                self._history.view(state.history, row, window.first_frame, window.last_frame),
                self._history.view(state.history, row, window.first_new, window.last_new),
            )
            for row, window in zip(rows, windows, strict=True)
            if window is not None
        ]
        answers = iter(self._models.classify(state.models, inputs) if inputs else ())
        return [None if window is None else next(answers) for window in windows]


@dataclass(frozen=True, slots=True)
class _Block:
    """Hops of equal length."""

    numbers: list[int]
    rows: NDArray[np.intp]
    samples: NDArray[np.float32]
    """``[stream, n]``, a copy."""

    @classmethod
    def of(cls, rows: Sequence[int], hops: Sequence[Hop], numbers: list[int]) -> _Block:
        return cls(
            numbers,
            np.array([rows[number] for number in numbers], np.intp),
            np.stack([hops[number].samples for number in numbers]),
        )


def _blocks_of_equal_length(hops: Sequence[Hop]) -> list[list[int]]:
    by_length: dict[int, list[int]] = {}
    for number, hop in enumerate(hops):
        by_length.setdefault(len(hop.samples), []).append(number)
    return [
        numbers[first : first + BLOCK_STREAMS]
        for numbers in by_length.values()
        for first in range(0, len(numbers), BLOCK_STREAMS)
    ]
