"""Where the results of long tests are cached, so that a stopped run resumes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from stream_ser_train.data.corpus import Clip
from stream_ser_train.evaluation.predict import CalibratedBundle
from stream_ser_train.versions import EVALUATION_VERSION, FRONTEND_VERSION


def result_file(cache: Path, name: str, models: Sequence[Sequence[CalibratedBundle]], clips: Sequence[Clip]) -> Path:
    """The file of one test: of these models (by seed), clips and versions. The name of a bundle has the versions of its own."""
    key = hashlib.sha256(f"frontend {FRONTEND_VERSION} evaluation {EVALUATION_VERSION}".encode())
    for model in (model for by_seed in models for model in by_seed):
        key.update(f" {model.bundle.name} {model.temperature:.6f} {model.trained}".encode())
    key.update(" ".join(f"{clip.name} {clip.checksum}" for clip in clips).encode())
    return cache / "tests" / f"{name.replace(' ', '-')}-{key.hexdigest()[:16]}.npz"
