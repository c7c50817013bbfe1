"""What a server reports about its work, to whoever counts it."""

from __future__ import annotations

from typing import Protocol


class ServerObserver(Protocol):
    """Called on the event loop; each method returns at once."""

    def client_connected(self) -> None: ...

    def client_disconnected(self) -> None: ...

    def message_sent(self) -> None: ...

    def message_dropped(self, reason: str) -> None:
        """A message was not sent: ``replaced`` by a newer one, or the queue of its client was full (``behind``)."""
        ...

    def connection_refused(self, reason: str) -> None:
        """A connection was turned away: ``token``, ``path``, ``full``, ``address`` or ``streams``."""
        ...


class NoServerObserver:
    """Counts nothing."""

    def client_connected(self) -> None: ...

    def client_disconnected(self) -> None: ...

    def message_sent(self) -> None: ...

    def message_dropped(self, reason: str) -> None: ...

    def connection_refused(self, reason: str) -> None: ...
