"""What an evaluation can be."""

from __future__ import annotations

from enum import StrEnum


class Protocol(StrEnum):
    """How clips are divided; the last takes sounds that are none, and trains nothing."""

    SPEAKER_INDEPENDENT = "speaker-independent"
    RANDOM = "random"
    NON_SPEECH = "non-speech"
