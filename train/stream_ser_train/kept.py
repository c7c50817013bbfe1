"""Where the results of long tests are kept, so that a stopped run goes on and a change of code is not overlooked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import stream_ser
from stream_ser_train.answers import Calibrated
from stream_ser_train.corpus import Clip

_LIVE = tuple(
    f"{module}.py"
    for module in [
        "decision", "recognizer", "silero", "vad", "features/mfcc", "features/window", "models/classifier", "models/window"
    ]
)  # fmt: skip
_TESTS = ("answers.py", "augmentation.py", "calibration.py", "examples.py", "robustness.py", "streaming.py")


def kept(cache: Path, name: str, models: Sequence[Sequence[Calibrated]], clips: Sequence[Clip]) -> Path:
    """A file that belongs to these models (by seed), clips and the code that hears them."""
    key = hashlib.sha256(
        " ".join(f"{model.bundle.name} {model.temperature:.6f} {model.trained}" for row in models for model in row).encode()
    )
    key.update(" ".join(f"{clip.name} {clip.checksum}" for clip in clips).encode())
    for folder, sources in ((Path(stream_ser.__file__).parent, _LIVE), (Path(__file__).parent, _TESTS)):
        for source in sources:
            key.update((folder / source).read_bytes())
    return cache / "tests" / f"{name.replace(' ', '-')}-{key.hexdigest()[:16]}.npz"
