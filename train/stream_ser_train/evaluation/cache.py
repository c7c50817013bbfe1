"""Where the results of long tests are cached, so that a stopped run resumes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from stream_ser_train.data.corpus import Clip, describe_clips
from stream_ser_train.evaluation.predict import CalibratedBundle
from stream_ser_train.versions import EVALUATION_VERSION, FRONTEND_VERSION


def result_file(
    cache: Path, name: str, models: Sequence[Sequence[CalibratedBundle]], clips: Sequence[Clip], parameters: object
) -> Path:
    """The file of one test.

    Args:
        cache: folder of all.
        name: of the test, for people.
        models: by seed; the name of a bundle holds the versions that made it.
        clips: that are tested.
        parameters: what else decides the result, with a ``repr`` that tells it.
    """
    key = hashlib.sha256(f"frontend {FRONTEND_VERSION} evaluation {EVALUATION_VERSION} {parameters!r}".encode())
    for model in (model for by_seed in models for model in by_seed):
        key.update(f" {model.bundle.name} {model.temperature:.6f} {model.trained}".encode())
    key.update(describe_clips(clips).encode())
    return cache / "tests" / f"{name.replace(' ', '-')}-{key.hexdigest()[:16]}.npz"
