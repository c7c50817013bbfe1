"""What an evaluation can be, and the names of what it compares."""

from __future__ import annotations

from enum import StrEnum

OURS = ("lstm", "mlp")
THEIRS = ("original_lstm", "original_mlp")
FUSED = "fused"

RANDOM_SPLITS = 5


class Protocol(StrEnum):
    """How clips are divided and heard; the last takes sounds that are no speech, and trains nothing."""

    SPEAKER_INDEPENDENT = "speaker-independent"
    STREAMING = "streaming"
    ROBUSTNESS = "robustness"
    RANDOM = "random"
    CROSS_CORPUS = "cross-corpus"
    NON_SPEECH = "non-speech"
