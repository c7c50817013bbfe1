"""What code a kept result came from: results of other code are not taken for those of this one."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import stream_ser

_LIVE, _TRAIN = Path(stream_ser.__file__).parent, Path(__file__).parents[1]


def live(*modules: str) -> tuple[Path, ...]:
    """Files of modules of ``stream_ser``, named as ``features/mfcc``."""
    return tuple(_LIVE / f"{module}.py" for module in modules)


def trainer(*modules: str) -> tuple[Path, ...]:
    """Files of modules of ``stream_ser_train``."""
    return tuple(_TRAIN / f"{module}.py" for module in modules)


HEARING = (
    *live(
        "core/recognizer",
        "speech/silero",
        "speech/detector",
        "speech/gate",
        "features/mfcc",
        "features/offset",
        "features/history",
        "models/window",
        "audio/resample",
    ),
    *trainer("augmentation/clips", "data/utterances"),
)
"""What turns clips into utterances."""


def fingerprint(files: Sequence[Path]) -> str:
    """16 hexadecimal digits that change with what the files do, not with their comments, docstrings and layout."""
    return hashlib.sha256("".join(map(_meaning, files)).encode()).hexdigest()[:16]


@cache
def _meaning(file: Path) -> str:
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            body[:] = [one for one in body if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))]
    return ast.dump(tree)
