"""The models of one bundle folder, answering windows of many streams."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_ser.features import MfccSettings
from stream_ser.models.bundle import BUNDLED, LIVE, MODELS, Bundle, BundleError, Metadata, load_bundle
from stream_ser.models.providers import CPU, CUDA, ProviderChoice, ProviderError, require_cuda, verify_cuda
from stream_ser.models.runners import IoBindingRunner, Runner, SessionRunner
from stream_ser.models.window import Frames, Window
from stream_ser.state_rows import StateRows

MLP_INTERVAL_S = 0.3
"""Seconds of new frames after which the MLP runs again; in between its last answer stands beside the LSTM's newest. It
passes over the whole window each time."""

MLP_BATCH = 16
"""Windows in one run of the MLP on the CPU: of more, what it computes no longer fits into the processor's cache."""

PARALLEL_WINDOWS = 16
"""Windows from which on the two models run in parallel: fewer are not worth a thread."""

_LSTM, _MLP = (MODELS.index(name) for name in ("lstm", "mlp"))


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the models state about themselves.

    Attributes:
        names: of the models, in the order of their probabilities.
        labels: what the probabilities stand for, in order.
        step: frames that the LSTM takes at a time.
        fusion_temperature: what the fused logits are divided by.
        threshold: probability below which a label is uncertain.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    step: int
    fusion_temperature: float
    threshold: float

    @classmethod
    def of(cls, metadata: Metadata) -> ModelFacts:
        """The facts that a bundle carries."""
        return cls(MODELS, metadata.labels, metadata.step, metadata.fusion_temperature, metadata.threshold)


@dataclass(slots=True)
class ModelState(StateRows):
    """What the models remember of each stream."""

    lstm: NDArray[np.float32]
    """``[rows, state]``: of the utterance."""
    probabilities: NDArray[np.float32]
    """``[rows, model, emotion]``: the last answers."""
    mlp_frame: NDArray[np.int64]
    """End of the frames that the MLP read last."""


class ModelInput(NamedTuple):
    """A window of one stream and its frames."""

    row: int
    window: Window
    frames: Frames
    """Those that the MLP reads."""
    new: Frames
    """Those that the LSTM has not had."""


class Classifier:
    """All models of a bundle folder on one provider.

    The MLP reads the window; the LSTM steps through the new frames. A long utterance does not end for the LSTM where the
    window does: it forgets gradually, and speaks for about the last ``window`` seconds.

    Args:
        mlp: reads windows.
        lstm: steps.
        window: seconds of speech that an answer is about.
        reason: why this provider was taken.

    Raises:
        BundleError: the two disagree about labels, fusion temperature or threshold.
    """

    def __init__(self, mlp: Bundle, lstm: Bundle, window: float, reason: str) -> None:
        for fact in ("labels", "fusion_temperature", "threshold"):
            one, other = getattr(mlp.metadata, fact), getattr(lstm.metadata, fact)
            if one != other:
                raise BundleError(f"the models disagree on {fact}: the mlp has {one}, the lstm {other}; train them together")
        self.features = lstm.metadata.features
        self.window = window
        self.facts = ModelFacts.of(lstm.metadata)
        self.provider = lstm.provider
        self.reason = reason
        self.versions = {"lstm": lstm.metadata.version, "mlp": mlp.metadata.version}
        self._on_device = lstm.provider == CUDA
        self._run_mlp = self._runner(mlp, ["probabilities"])
        self._run_lstm = self._runner(lstm, ["probabilities", "next_state"])
        self._window = np.array(window * self.features.frames_per_second, np.float32)
        self._mlp_interval = round(MLP_INTERVAL_S * self.features.frames_per_second)
        (state,) = (node for node in lstm.session.get_inputs() if node.name == "state")
        self._state_size = int(state.shape[1])
        self._parallel = ThreadPoolExecutor(1, "lstm")  # starts its thread when there are many windows

    @property
    def labels(self) -> tuple[str, ...]:
        """What the probabilities stand for, in order."""
        return self.facts.labels

    def new_state(self, rows: int) -> ModelState:
        """The state of ``rows`` new streams."""
        emotions = len(self.facts.labels)
        return ModelState(
            np.zeros((rows, self._state_size), np.float32),
            np.zeros((rows, len(MODELS), emotions), np.float32),
            np.zeros(rows, np.int64),
        )

    def classify(self, state: ModelState, inputs: Sequence[ModelInput]) -> NDArray[np.float32]:
        """Answer windows of different streams: ``float32[window, model, emotion]``.

        The MLP runs once for each :data:`MLP_BATCH` windows that are due, on a device once for all; the LSTM once for each
        number of new frames.
        """
        for one in inputs:
            if one.window.begins:
                state.lstm[one.row] = 0.0
                state.probabilities[one.row, _LSTM] = 1.0 / len(self.facts.labels)
        due = [one for one in inputs if self._is_due(state, one)]
        if len(inputs) < PARALLEL_WINDOWS:
            self._step_lstm(state, inputs)
            self._read_windows(state, due)
        else:
            stepping = self._parallel.submit(self._step_lstm, state, inputs)
            self._read_windows(state, due)
            stepping.result()
        return state.probabilities[[one.row for one in inputs]]

    def _runner(self, bundle: Bundle, outputs: list[str]) -> Runner:
        return IoBindingRunner(bundle.session, outputs, "cuda") if self._on_device else SessionRunner(bundle.session, outputs)

    def _is_due(self, state: ModelState, one: ModelInput) -> bool:
        window = one.window
        return window.is_final or window.begins or window.last_frame - state.mlp_frame[one.row] >= self._mlp_interval

    def _read_windows(self, state: ModelState, due: Sequence[ModelInput]) -> None:
        batch = max(1, len(due)) if self._on_device else MLP_BATCH
        for first in range(0, len(due), batch):
            some = due[first : first + batch]
            length = np.array([len(one.frames) for one in some], np.int32)
            # Windows of one length, so that buffers on a device fit all.
            longest = max(int(length.max()), int(self._window) if self._on_device else 0)
            (answers,) = self._run_mlp({"mfcc": _stack([one.frames for one in some], longest), "length": length})
            rows = [one.row for one in some]
            state.probabilities[rows, _MLP] = answers
            state.mlp_frame[rows] = [one.window.last_frame for one in some]

    def _step_lstm(self, state: ModelState, inputs: Sequence[ModelInput]) -> None:
        by_length: dict[int, list[ModelInput]] = {}
        for one in inputs:
            if len(one.new):
                by_length.setdefault(len(one.new), []).append(one)
        for alike in by_length.values():
            rows = [one.row for one in alike]
            feed = {"mfcc": np.stack([one.new for one in alike]), "state": state.lstm[rows], "window": self._window}
            state.probabilities[rows, _LSTM], state.lstm[rows] = self._run_lstm(feed)

    def time_once(self, repeats: int = 20) -> float:
        """Mean seconds that a hop of 0.1 s of one stream takes in the middle of an utterance, after warming up."""
        count = int(self._window)
        frames = np.zeros((count, self.features.coefficients), np.float32)
        state, durations = self.new_state(1), []
        for number in range(repeats + 1):
            first = 10 * number
            window = Window(
                first, first + count, first, first + 3 * self.facts.step, 0, 48_000, begins=not number, is_final=False
            )
            start = time.perf_counter()
            self.classify(state, [ModelInput(0, window, frames, frames[: 3 * self.facts.step])])
            durations.append(time.perf_counter() - start)
        return float(np.mean(durations[1:]))


def _stack(windows: Sequence[Frames], longest: int) -> NDArray[np.float32]:
    """``float32[window, longest, coefficients]``, filled with zeros."""
    if len(windows) == 1 and len(windows[0]) == longest:
        return windows[0][None]
    mfcc = np.zeros((len(windows), longest, windows[0].shape[1]), np.float32)
    for row, window in zip(mfcc, windows, strict=True):
        row[: len(window)] = window
    return mfcc


def load_classifier(folder: Path | None, features: MfccSettings, choice: ProviderChoice, window: float) -> Classifier:
    """Load ``folder`` (the bundled models when None) on the provider of ``choice``, for answers about ``window`` seconds.

    ``auto`` times a hop with a window of ``window`` seconds on both providers where CUDA works, and takes the faster.

    Raises:
        BundleError: a model cannot be used.
        ProviderError: ``cuda`` was asked for and does not run.
    """
    if choice is ProviderChoice.CPU:
        return _load(folder, features, CPU, window, "asked for")
    try:
        require_cuda()
        cuda = _load(folder, features, CUDA, window, "asked for")
        verify_cuda(cuda.provider)
    except ProviderError as error:
        if choice is ProviderChoice.CUDA:
            raise
        return _load(folder, features, CPU, window, error.reason)
    if choice is ProviderChoice.CUDA:
        return cuda
    cpu = _load(folder, features, CPU, window, "")
    on_cpu, on_cuda = cpu.time_once(), cuda.time_once()
    faster = cuda if on_cuda < on_cpu else cpu
    faster.reason = f"measured at start: CUDA {on_cuda * 1e3:.2f} ms, CPU {on_cpu * 1e3:.2f} ms a hop"
    return faster


def _load(folder: Path | None, features: MfccSettings, provider: str, window: float, reason: str) -> Classifier:
    place = BUNDLED if folder is None else folder
    mlp, lstm = (load_bundle(place / f"{name}.onnx", features, [provider]) for name in LIVE)
    return Classifier(mlp, lstm, window, reason)
