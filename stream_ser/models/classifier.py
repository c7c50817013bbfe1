"""The models of one bundle folder, answering batches of windows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_ser.decision import Probabilities
from stream_ser.features import MfccSettings
from stream_ser.models.bundle import BUNDLED, MODELS, Bundle, BundleError, load_bundle
from stream_ser.models.provider import CPU, CUDA, ProviderChoice, ProviderError, require_cuda, verify_cuda

Frames = NDArray[np.float32]
"""``float32[frames, coefficients]``"""


class Classifier:
    """All models of a bundle folder on one provider. Holds no stream's state, so many streams may share it.

    Attributes:
        labels: what the probabilities stand for, in order.
        provider: the execution provider that runs, read back from the sessions.
        reason: why that provider was taken.
    """

    def __init__(self, bundles: dict[str, Bundle], reason: str) -> None:
        first = next(iter(bundles.values()))
        for name, bundle in bundles.items():
            if bundle.metadata.labels != first.metadata.labels:
                raise BundleError(f"the models disagree on labels: {name} has {', '.join(bundle.metadata.labels)}")
        self._bundles = bundles
        self.labels = first.metadata.labels
        self.provider = first.provider
        self.reason = reason
        self.versions = {name: bundle.metadata.version for name, bundle in bundles.items()}

    def classify(self, windows: Sequence[Frames]) -> list[dict[str, Probabilities]]:
        """Answer a batch: for each window, each model's ``float32[emotion]``, one inference call per model."""
        if not windows:
            return []
        length = np.array([len(window) for window in windows], np.int32)
        feed = {"mfcc": _stack(windows, int(length.max())), "length": length}
        answers = {name: bundle.session.run(["probabilities"], feed)[0] for name, bundle in self._bundles.items()}
        return [{name: answer[row] for name, answer in answers.items()} for row in range(len(windows))]

    def time_once(self, window: Frames, repeats: int = 20) -> float:
        """Median seconds that one window takes, after warming up."""
        self.classify([window])
        taken = []
        for _ in range(repeats):
            start = time.perf_counter()
            self.classify([window])
            taken.append(time.perf_counter() - start)
        return float(np.median(taken))


def _stack(windows: Sequence[Frames], longest: int) -> NDArray[np.float32]:
    if len(windows) == 1:
        return windows[0][None]
    mfcc = np.zeros((len(windows), longest, windows[0].shape[1]), np.float32)
    for row, window in zip(mfcc, windows, strict=True):
        row[: len(window)] = window
    return mfcc


def load_classifier(folder: Path | None, features: MfccSettings, choice: ProviderChoice, window: float) -> Classifier:
    """Load ``folder`` (the bundled models when None) on the provider of ``choice``.

    ``auto`` times a window of ``window`` seconds on both providers where CUDA works, and takes the faster.

    Raises:
        BundleError: a model cannot be used.
        ProviderError: ``cuda`` was asked for and does not run.
    """
    if choice is ProviderChoice.CPU:
        return _load(folder, features, CPU, "asked for")
    try:
        require_cuda()
        cuda = _load(folder, features, CUDA, "asked for")
        verify_cuda(cuda.provider)
    except ProviderError as error:
        if choice is ProviderChoice.CUDA:
            raise
        return _load(folder, features, CPU, error.reason)
    if choice is ProviderChoice.CUDA:
        return cuda
    cpu = _load(folder, features, CPU, "")
    probe = np.zeros((round(window * features.frames_per_second), features.coefficients), np.float32)
    on_cpu, on_cuda = cpu.time_once(probe), cuda.time_once(probe)
    faster = cuda if on_cuda < on_cpu else cpu
    faster.reason = f"measured at start: CUDA {on_cuda * 1e3:.2f} ms, CPU {on_cpu * 1e3:.2f} ms a window"
    return faster


def _load(folder: Path | None, features: MfccSettings, provider: str, reason: str) -> Classifier:
    place = BUNDLED if folder is None else folder
    bundles = {name: load_bundle(place / f"{name}.onnx", features, [provider]) for name in MODELS}
    return Classifier(bundles, reason)
