"""Follows a daemon from Python: typed messages, and a connection that comes back.

    from stream_ser.client import AsyncClient, Client

    for message in Client():
        if isinstance(message, Emotion) and message.is_final: ...

    async for message in AsyncClient("wss://studio:8765/", token="..."): ...

A connection that breaks is made again, with the same subscription; each begins with a ``Hello``.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.sync.client import ClientConnection as SyncConnection
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from stream_ser import protocol
from stream_ser.errors import UserError
from stream_ser.protocol import Emotion, Gap, Hello, ServerMessage, SpeechEnd, SpeechStart, Status, Subscribe

__all__ = [
    "AsyncClient", "Client", "ClientError", "Emotion", "Gap", "Hello", "ServerMessage", "SpeechEnd", "SpeechStart", "Status",
    "Subscribe",
]  # fmt: skip

DEFAULT = "ws://127.0.0.1:8765/v1/live"

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
"""Seconds between two tries to connect: twice as long each time."""

_FAILURES = (OSError, TimeoutError, InvalidHandshake)


class ClientError(UserError):
    """The address gives no live labels, and will not."""


class _Following:
    """What both clients know: where to connect, what to subscribe to, and which failures are final.

    Args:
        url: of the daemon.
        token: where it wants one.
        subscribe: what to be told; None for everything.
        tls: for a ``wss`` address whose certificate the system does not trust.
        reconnect: whether a connection that breaks is made again; else iteration ends with it.
    """

    def __init__(
        self,
        url: str = DEFAULT,
        *,
        token: str | None = None,
        subscribe: Subscribe | None = None,
        tls: ssl.SSLContext | None = None,
        reconnect: bool = True,
    ) -> None:
        self.url, self._reconnect = url, reconnect
        self._subscription = subscribe
        self._closed = False
        self._pause = FIRST_PAUSE
        self._options: dict[str, Any] = {
            "subprotocols": [Subprotocol(protocol.VERSION)],
            "compression": None,
            "proxy": None,
            **({} if token is None else {"additional_headers": {"Authorization": f"Bearer {token}"}}),
            **({} if tls is None else {"ssl": tls}),
        }

    def _after(self, error: Exception) -> float:
        """Seconds to wait before the next try.

        Raises:
            ClientError: there is to be none.
        """
        turned_away = isinstance(error, InvalidStatus) and error.response.status_code in (401, 403, 404)
        if turned_away or isinstance(error, InvalidURI) or not self._reconnect:
            raise ClientError(f"cannot follow {self.url}: {error}; is stream-ser listen running there?") from error
        pause, self._pause = self._pause, min(2.0 * self._pause, LONGEST_PAUSE)
        return pause

    def _read(self, data: str | bytes) -> ServerMessage | None:
        """The message; None for one of a later version of the protocol.

        Raises:
            ClientError: whoever answers is no daemon.
        """
        try:
            message = protocol.decode(data)
        except msgspec.ValidationError:
            return None
        except msgspec.DecodeError as error:
            raise ClientError(f"{self.url} does not speak {protocol.VERSION}: {error}") from error
        self._pause = FIRST_PAUSE
        return message


def _asking(wanted: Subscribe) -> str:
    return msgspec.json.encode(wanted).decode()


class Client(_Following):
    """Iterates over the messages of a daemon: ``for message in client``."""

    _connection: SyncConnection | None = None

    def __iter__(self) -> Iterator[ServerMessage]:
        """The messages, until :meth:`close`.

        Raises:
            ClientError: nobody answers there who ever would.
        """
        while not self._closed:
            try:
                connection = connect(self.url, **self._options)
            except (*_FAILURES, InvalidURI) as error:
                time.sleep(self._after(error))
                continue
            with connection:
                self._connection = connection
                try:
                    if self._subscription is not None:
                        connection.send(_asking(self._subscription))
                    for data in connection:
                        message = self._read(data)
                        if message is not None:
                            yield message
                except ConnectionClosed as error:
                    if not self._reconnect and not self._closed:
                        raise ClientError(f"{self.url} broke off: {error}") from error
                finally:
                    self._connection = None
            if not self._reconnect:
                return
            time.sleep(FIRST_PAUSE)

    def subscribe(self, wanted: Subscribe) -> None:
        """Be told something else from now on, also after the connection broke."""
        self._subscription = wanted
        if self._connection is not None:
            self._connection.send(_asking(wanted))

    def close(self) -> None:
        """End the iteration, also from another thread."""
        self._closed = True
        if self._connection is not None:
            self._connection.close()


class AsyncClient(_Following):
    """The same for asyncio: ``async for message in client``."""

    _connection: ClientConnection | None = None

    async def __aiter__(self) -> AsyncIterator[ServerMessage]:
        """The messages, until :meth:`close`.

        Raises:
            ClientError: nobody answers there who ever would.
        """
        while not self._closed:
            try:
                connection = await connect_async(self.url, **self._options)
            except (*_FAILURES, InvalidURI) as error:
                await asyncio.sleep(self._after(error))
                continue
            async with connection:
                self._connection = connection
                try:
                    if self._subscription is not None:
                        await connection.send(_asking(self._subscription))
                    async for data in connection:
                        message = self._read(data)
                        if message is not None:
                            yield message
                except ConnectionClosed as error:
                    if not self._reconnect and not self._closed:
                        raise ClientError(f"{self.url} broke off: {error}") from error
                finally:
                    self._connection = None
            if not self._reconnect:
                return
            await asyncio.sleep(FIRST_PAUSE)

    async def subscribe(self, wanted: Subscribe) -> None:
        """Be told something else from now on, also after the connection broke."""
        self._subscription = wanted
        if self._connection is not None:
            await self._connection.send(_asking(wanted))

    async def close(self) -> None:
        """End the iteration."""
        self._closed = True
        if self._connection is not None:
            await self._connection.close()
