"""Which messages one client wants."""

from __future__ import annotations

import math

from msgspec import UNSET

from stream_ser.protocol.messages import Emotion, ServerMessage, Subscribe

_ALWAYS = frozenset({"hello", "gap", "heartbeat", "error"})


class Subscription:
    """Which messages one client gets.

    Args:
        request: what the client subscribed to; None for every message.
    """

    def __init__(self, request: Subscribe | None = None) -> None:
        self._request = request or Subscribe()
        self._last_interim_end = -math.inf

    def wants(self, message: ServerMessage) -> bool:
        """Whether the client gets a message; an interim emotion that it gets counts towards its rate."""
        request, kind = self._request, type(message).__struct_config__.tag
        if kind in _ALWAYS:
            return True
        if request.types is not UNSET and kind not in request.types:
            return False
        if not isinstance(message, Emotion):
            return True
        if request.labels is not UNSET and message.label not in request.labels:
            return False
        if message.confidence < request.min_confidence:
            return False
        if message.is_final:
            return True
        if request.only_final:
            return False
        if request.max_rate_hz is not UNSET:
            # Half a millisecond of tolerance: times are multiples of a sample, and sums of them round.
            if 0.0 <= message.end - self._last_interim_end < 1.0 / request.max_rate_hz - 5e-4:
                return False
            self._last_interim_end = message.end
        return True
