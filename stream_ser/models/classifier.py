"""The models of one bundle folder, answering batches of windows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_ser.features import MfccSettings
from stream_ser.models.bundle import BUNDLED, LIVE, Bundle, BundleError, load_bundle
from stream_ser.models.decision import Probabilities
from stream_ser.models.providers import CPU, CUDA, ProviderChoice, ProviderError, require_cuda, verify_cuda
from stream_ser.models.runners import IoBindingRunner, Runner, SessionRunner
from stream_ser.models.window import Frames, Window

LOOK_AGAIN = 0.3
"""Seconds of new frames after which the MLP looks at the window again; in between its last answer stands beside the LSTM's
newest. A look passes over the whole window."""

LOOKS = 16
"""Windows that the MLP looks at in one call on the CPU: of more, what it computes no longer fits into the processor's cache."""

MANY = 16
"""Windows from which on the models run beside each other."""


class ModelState:
    """What the models keep of one stream: the state of its utterance, and their last answers for it."""

    __slots__ = ("answers", "looked", "state")

    def __init__(self, size: int) -> None:
        self.state: NDArray[np.float32] = np.zeros(size, np.float32)
        self.answers: dict[str, Probabilities] = {}
        self.looked = 0
        """End of the frames that the MLP saw last."""


class Classifier:
    """All models of a bundle folder on one provider; the streams bring their :class:`ModelState`.

    The MLP looks at the window; the LSTM steps through the new frames. A long utterance does not end for the LSTM where the
    window does: it forgets gradually, and speaks for about the last ``window`` seconds.

    Attributes:
        labels: what the probabilities stand for, in order.
        provider: the execution provider that runs, read back from the sessions.
        reason: why that provider was taken.
        step: frames that the LSTM takes at a time.
    """

    def __init__(self, mlp: Bundle, lstm: Bundle, window: float, reason: str) -> None:
        if mlp.metadata.labels != lstm.metadata.labels:
            raise BundleError(f"the models disagree on labels: the mlp has {', '.join(mlp.metadata.labels)}")
        self._on_device = lstm.provider == CUDA
        self._mlp = self._run_of(mlp, ["probabilities"])
        self._lstm = self._run_of(lstm, ["probabilities", "next_state"])
        self._window = np.array(window * lstm.metadata.features.frames_per_second, np.float32)
        self._look_again = round(LOOK_AGAIN * lstm.metadata.features.frames_per_second)
        (state,) = (node for node in lstm.session.get_inputs() if node.name == "state")
        self._state_size = int(state.shape[1])
        self._emotions = len(lstm.metadata.labels)
        self._beside = ThreadPoolExecutor(1, "beside the MLP")  # starts its thread when there are many windows
        self.step = lstm.metadata.step
        self.labels = lstm.metadata.labels
        self.provider = lstm.provider
        self.reason = reason
        self.versions = {"lstm": lstm.metadata.version, "mlp": mlp.metadata.version}

    def new_state(self) -> ModelState:
        """The memory of a new stream."""
        return ModelState(self._state_size)

    def classify(self, asked: Sequence[tuple[Window, ModelState]]) -> list[dict[str, Probabilities]]:
        """Answer a batch: for each window, each model's ``float32[emotion]``. The windows are of different streams.

        One inference call of the MLP for each :data:`LOOKS` windows that are due, on a device for all; one of the LSTM for each
        number of new steps.
        """
        if not asked:
            return []
        for window, memory in asked:
            if window.begins:
                memory.state = np.zeros(self._state_size, np.float32)
                memory.answers = {"lstm": np.full(self._emotions, 1.0 / self._emotions, np.float32)}
        due = [(window, memory) for window, memory in asked if self._is_due(window, memory)]
        if len(asked) < MANY:
            self._take_steps(asked)
            self._look(due)
        else:  # beside each other: runs of many windows are worth a thread
            stepping = self._beside.submit(self._take_steps, asked)
            self._look(due)
            stepping.result()
        return [dict(memory.answers) for _, memory in asked]

    def _run_of(self, bundle: Bundle, outputs: list[str]) -> Runner:
        return IoBindingRunner(bundle.session, outputs, "cuda") if self._on_device else SessionRunner(bundle.session, outputs)

    def _is_due(self, window: Window, memory: ModelState) -> bool:
        return window.is_final or window.begins or window.last_frame - memory.looked >= self._look_again

    def _look(self, due: Sequence[tuple[Window, ModelState]]) -> None:
        at_once = max(1, len(due)) if self._on_device else LOOKS
        for first in range(0, len(due), at_once):
            some = due[first : first + at_once]
            windows = [window.mfcc for window, _ in some]
            length = np.array([len(window) for window in windows], np.int32)
            # Windows of one length, so that buffers on a device fit all.
            longest = max(int(length.max()), int(self._window) if self._on_device else 0)
            (answers,) = self._mlp({"mfcc": _stack(windows, longest), "length": length})
            for (window, memory), answer in zip(some, answers, strict=True):
                memory.answers["mlp"], memory.looked = answer, window.last_frame

    def _take_steps(self, asked: Sequence[tuple[Window, ModelState]]) -> None:
        by_length: dict[int, list[tuple[Window, ModelState]]] = {}
        for window, memory in asked:
            if len(window.new):
                by_length.setdefault(len(window.new), []).append((window, memory))
        for rows in by_length.values():
            feed = {
                "mfcc": np.stack([window.new for window, _ in rows]),
                "state": np.stack([memory.state for _, memory in rows]),
                "window": self._window,
            }
            answers, states = self._lstm(feed)
            for (_, memory), answer, state in zip(rows, answers, states, strict=True):
                memory.answers["lstm"], memory.state = answer, state

    def time_once(self, coefficients: int, repeats: int = 20) -> float:
        """Mean seconds that a hop of 0.1 s of one stream takes in the middle of an utterance, after warming up."""
        frames = np.zeros((int(self._window), coefficients), np.float32)
        memory, taken = self.new_state(), []
        for number in range(repeats + 1):
            window = Window(frames, frames[: 3 * self.step], 10 * number, 0.0, 3.0, begins=not number, is_final=False)
            start = time.perf_counter()
            self.classify([(window, memory)])
            taken.append(time.perf_counter() - start)
        return float(np.mean(taken[1:]))


def _stack(windows: Sequence[Frames], longest: int) -> NDArray[np.float32]:
    if len(windows) == 1 and len(windows[0]) == longest:
        return windows[0][None]
    mfcc = np.zeros((len(windows), longest, windows[0].shape[1]), np.float32)
    for row, window in zip(mfcc, windows, strict=True):
        row[: len(window)] = window
    return mfcc


def load_classifier(folder: Path | None, features: MfccSettings, choice: ProviderChoice, window: float) -> Classifier:
    """Load ``folder`` (the bundled models when None) on the provider of ``choice``, to look back on ``window`` seconds.

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
    on_cpu, on_cuda = cpu.time_once(features.coefficients), cuda.time_once(features.coefficients)
    faster = cuda if on_cuda < on_cpu else cpu
    faster.reason = f"measured at start: CUDA {on_cuda * 1e3:.2f} ms, CPU {on_cpu * 1e3:.2f} ms a hop"
    return faster


def _load(folder: Path | None, features: MfccSettings, provider: str, window: float, reason: str) -> Classifier:
    place = BUNDLED if folder is None else folder
    mlp, lstm = (load_bundle(place / f"{name}.onnx", features, [provider]) for name in LIVE)
    return Classifier(mlp, lstm, window, reason)
