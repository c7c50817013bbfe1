"""Which messages one client wants."""

from __future__ import annotations

import math

from msgspec import UNSET

from stream_ser.protocol.messages import Emotion, ServerMessage, Subscribe

_ALWAYS = frozenset({"hello", "gap", "heartbeat", "error"})


class Subscription:
    """What one client wants to be told."""

    def __init__(self, wanted: Subscribe | None = None) -> None:
        self._wanted = wanted or Subscribe()
        self._latest = -math.inf

    def wants(self, message: ServerMessage) -> bool:
        """Whether the client is told; of interim emotions this counts as telling."""
        wanted, kind = self._wanted, type(message).__struct_config__.tag
        if kind in _ALWAYS:
            return True
        if wanted.types is not UNSET and kind not in wanted.types:
            return False
        if not isinstance(message, Emotion):
            return True
        if wanted.labels is not UNSET and message.label not in wanted.labels:
            return False
        if message.confidence < wanted.min_confidence:
            return False
        if message.is_final:
            return True
        if wanted.only_final:
            return False
        if wanted.max_rate_hz is not UNSET:
            # Half a thousandth of a second: times are multiples of a sample, and sums of them round.
            if 0.0 <= message.end - self._latest < 1.0 / wanted.max_rate_hz - 5e-4:
                return False
            self._latest = message.end
        return True
