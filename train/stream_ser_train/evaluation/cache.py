"""Where the results of long tests are kept, so that a stopped run goes on and a change of code is not overlooked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from stream_ser_train.data.corpus import Clip
from stream_ser_train.data.fingerprint import HEARING, fingerprint, live, trainer
from stream_ser_train.evaluation.predict import Calibrated

_SOURCES = (
    *HEARING,
    *live("models/decision", "models/classifier"),
    *trainer("evaluation/predict", "fitting/calibration", "evaluation/robustness", "evaluation/streaming"),
)


def kept(cache: Path, name: str, models: Sequence[Sequence[Calibrated]], clips: Sequence[Clip]) -> Path:
    """A file that belongs to these models (by seed), clips and the code that hears them."""
    key = hashlib.sha256(
        " ".join(f"{model.bundle.name} {model.temperature:.6f} {model.trained}" for row in models for model in row).encode()
    )
    key.update(" ".join(f"{clip.name} {clip.checksum}" for clip in clips).encode())
    key.update(fingerprint(_SOURCES).encode())
    return cache / "tests" / f"{name.replace(' ', '-')}-{key.hexdigest()[:16]}.npz"
