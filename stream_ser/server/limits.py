"""How much one connection, one address and all of them together may use. No socket and no clock."""

from __future__ import annotations

from collections import Counter

from websockets.frames import CloseCode

from stream_ser.server.auth import is_loopback

MAX_CONNECTIONS = 2_048
"""Connections open at once; one more is refused with 503."""

MAX_CONNECTIONS_PER_ADDRESS = 64
"""Those of one other machine; one more is refused with 429."""

MAX_UPLOADS = 256
"""Clients that send audio at once; one more is closed with 1013."""

MAX_QUEUED_MESSAGES = 256
"""Messages that may wait for one client; a client further behind is closed with 1013."""

MAX_MESSAGES_PER_S = 500
"""Messages that one client may send; more close its connection with 1008."""

MAX_TEXT_BYTES = 16 * 1024
"""Size of a text message from a client, in UTF-8; a larger one closes its connection with 1009."""

MAX_AUDIO_BYTES = 1024 * 1024
"""The same of a binary message."""

HANDSHAKE_TIMEOUT_S = 5.0

CLOSE_TIMEOUT_S = 1.0
"""How long a client has to answer a close before its connection is cut; a server that stops waits no longer."""


class Connections:
    """Counts the open connections, in all and by address."""

    def __init__(self) -> None:
        self._by_address: Counter[str] = Counter()
        self.total = 0

    @property
    def is_full(self) -> bool:
        """Whether nobody else may connect."""
        return self.total >= MAX_CONNECTIONS

    def is_full_for(self, address: str) -> bool:
        """Whether ``address`` may not connect once more; this machine always may."""
        return self._by_address[address] >= MAX_CONNECTIONS_PER_ADDRESS and not is_loopback(address)

    def add(self, address: str) -> None:
        self._by_address[address] += 1
        self.total += 1

    def remove(self, address: str) -> None:
        self.total -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]


class ReceiveLimit:
    """What one client may send."""

    def __init__(self) -> None:
        self._second, self._count = 0, 0

    def violation(self, data: str | bytes, now: float) -> tuple[CloseCode, str] | None:
        """Code and reason to close the connection with, where a message received ``now`` (in seconds) is too much."""
        second = int(now)
        self._second, self._count = second, self._count + 1 if second == self._second else 1
        if self._count > MAX_MESSAGES_PER_S:
            return CloseCode.POLICY_VIOLATION, "too many messages"
        if isinstance(data, str) and len(data.encode()) > MAX_TEXT_BYTES:
            return CloseCode.MESSAGE_TOO_BIG, f"more than {MAX_TEXT_BYTES} bytes of text"
        return None
