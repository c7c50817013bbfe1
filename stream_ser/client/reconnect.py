"""What both clients share: how to connect, what to subscribe to, when to try again and which failures are final. No I/O."""

from __future__ import annotations

import ssl
from typing import Any

import msgspec
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

from stream_ser import protocol
from stream_ser.errors import UserError
from stream_ser.protocol import ServerMessage, Subscribe

DEFAULT_URL = "ws://127.0.0.1:8765/v1/live"

MIN_RETRY_DELAY_S, MAX_RETRY_DELAY_S = 0.2, 5.0
"""Between two attempts to connect; each delay is twice the one before."""

CONNECT_ERRORS = (OSError, TimeoutError, InvalidHandshake, InvalidURI)
"""What an attempt to connect may raise."""

_FINAL_STATUSES = (401, 403, 404)
"""HTTP statuses that another attempt would get again."""


class ClientError(UserError):
    """The address gives no live labels, and will not."""


class Reconnection:
    """The state of a client that connects again and again.

    Args:
        url: of the daemon.
        token: where the daemon requires one.
        subscription: what to subscribe to; None for every message.
        tls: for a ``wss`` address whose certificate the system does not trust.
        reconnect: whether a connection that breaks is made again.
    """

    def __init__(
        self, url: str, token: str | None, subscription: Subscribe | None, tls: ssl.SSLContext | None, *, reconnect: bool
    ) -> None:
        self.url, self._subscription, self._reconnect = url, subscription, reconnect
        self._closed = False
        self._delay_s = MIN_RETRY_DELAY_S
        self.options: dict[str, Any] = {
            "subprotocols": [Subprotocol(protocol.VERSION)],
            "compression": None,
            "proxy": None,
            **({} if token is None else {"additional_headers": {"Authorization": f"Bearer {token}"}}),
            **({} if tls is None else {"ssl": tls}),
        }
        """What to connect with, besides the URL."""

    def close(self) -> None:
        """Make no connection from now on."""
        self._closed = True

    def is_closed(self) -> bool:
        """Whether :meth:`close` was called; another thread may call it at any time."""
        return self._closed

    @property
    def request(self) -> str | None:
        """The text to send on a new connection, if any."""
        return None if self._subscription is None else msgspec.json.encode(self._subscription).decode()

    def subscribe(self, subscription: Subscribe) -> str:
        """Change the subscription, also of later connections; return the text to send on one that is open."""
        self._subscription = subscription
        return msgspec.json.encode(subscription).decode()

    def on_connect_error(self, error: Exception) -> float:
        """Seconds to wait before the next attempt.

        Raises:
            ClientError: there is to be none.
        """
        refused = isinstance(error, InvalidStatus) and error.response.status_code in _FINAL_STATUSES
        if refused or isinstance(error, InvalidURI) or not self._reconnect:
            raise ClientError(f"cannot follow {self.url}: {error}; is stream-ser listen running there?") from error
        delay_s, self._delay_s = self._delay_s, min(2.0 * self._delay_s, MAX_RETRY_DELAY_S)
        return delay_s

    def on_message(self, data: str | bytes) -> ServerMessage | None:
        """The message; None for one of a later version of the protocol.

        Raises:
            ClientError: the peer is no daemon.
        """
        try:
            message = protocol.decode(data)
        except msgspec.ValidationError:
            return None
        except msgspec.DecodeError as error:
            raise ClientError(f"{self.url} does not speak {protocol.VERSION}: {error}") from error
        self._delay_s = MIN_RETRY_DELAY_S
        return message

    def on_disconnect(self, error: Exception | None) -> float | None:
        """Seconds to wait before the next attempt, after a connection closed (with ``error`` where it broke); None for none.

        Raises:
            ClientError: it broke, and is not to be made again.
        """
        if self._closed:
            return None
        if self._reconnect:
            return MIN_RETRY_DELAY_S
        if error is not None:
            raise ClientError(f"{self.url} broke off: {error}") from error
        return None
