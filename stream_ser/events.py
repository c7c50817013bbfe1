"""What the recogniser emits about one stream. No wire format: that is :mod:`stream_ser.protocol`.

Every time is in seconds of stream time: samples since the start of the stream divided by the sample rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

UNCERTAIN = "uncertain"
"""Label of speech whose emotion the models do not know."""

NO_SPEECH = "no_speech"
"""Label of a stream in which nobody speaks."""

OVERFLOW = "overflow"
"""Reason of a gap: the daemon fell behind, and the oldest audio made room."""

SOURCE_LOST = "source_lost"
"""Reason of a gap: the source gave nothing for a while."""

RATE_LIMITED = "rate_limited"
"""Reason of a gap: a client sent audio faster than it may."""


@dataclass(frozen=True, slots=True)
class SpeechStart:
    """An utterance began at ``start``."""

    start: float


@dataclass(frozen=True, slots=True)
class Emotion:
    """The label of the speech between ``start`` and ``end``.

    ``label`` is one of the models' labels or :data:`UNCERTAIN`. ``probabilities`` (fused) and each of ``models`` map
    emotions to numbers in [0, 1] that sum to 1. ``is_final`` marks the one answer for the whole utterance.
    """

    start: float
    end: float
    label: str
    probabilities: Mapping[str, float]
    models: Mapping[str, Mapping[str, float]]
    is_final: bool


@dataclass(frozen=True, slots=True)
class SpeechEnd:
    """The utterance from ``start`` to ``end`` is over."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Gap:
    """``seconds`` of the stream from ``start`` on were never processed, for ``reason``."""

    start: float
    seconds: float
    reason: str


Event = SpeechStart | Emotion | SpeechEnd | Gap
