"""The protocols of an evaluation; importable without TensorFlow."""

from __future__ import annotations

from enum import StrEnum

FUSED = "fused"
"""Name of the fused models in results."""

RANDOM_SPLITS = 5


class Protocol(StrEnum):
    """How clips are split and processed; the last takes sounds that are no speech, and trains nothing."""

    SPEAKER_INDEPENDENT = "speaker-independent"
    STREAMING = "streaming"
    ROBUSTNESS = "robustness"
    RANDOM = "random"
    CROSS_CORPUS = "cross-corpus"
    NON_SPEECH = "non-speech"
