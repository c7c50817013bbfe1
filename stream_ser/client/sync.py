"""The client for threads."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from stream_ser.client.reconnect import CONNECT_ERRORS, DEFAULT_URL, Reconnection
from stream_ser.protocol import ServerMessage, Subscribe


class Client:
    """Iterates over the messages of a daemon: ``for message in client``.

    Args:
        url: of the daemon.
        token: where the daemon requires one.
        subscribe: what to subscribe to; None for every message.
        tls: for a ``wss`` address whose certificate the system does not trust.
        reconnect: whether a connection that breaks is made again; else iteration ends with it.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        token: str | None = None,
        subscribe: Subscribe | None = None,
        tls: ssl.SSLContext | None = None,
        reconnect: bool = True,
    ) -> None:
        self._state = Reconnection(url, token, subscribe, tls, reconnect=reconnect)
        self._connection: ClientConnection | None = None

    @property
    def url(self) -> str:
        """Of the daemon."""
        return self._state.url

    def __iter__(self) -> Iterator[ServerMessage]:
        """The messages, until :meth:`close`.

        Raises:
            ClientError: the daemon refuses, is no daemon, or is not there and ``reconnect`` is false.
        """
        state = self._state
        while not state.is_closed():
            try:
                connection = connect(state.url, **state.options)
            except CONNECT_ERRORS as error:
                time.sleep(state.on_connect_error(error))
                continue
            broken: ConnectionClosed | None = None
            with connection:
                self._connection = connection
                try:
                    if state.is_closed():  # while it connected
                        return
                    if state.request is not None:
                        connection.send(state.request)
                    for data in connection:
                        message = state.on_message(data)
                        if message is not None:
                            yield message
                except ConnectionClosed as error:
                    broken = error
                finally:
                    self._connection = None
            delay_s = state.on_disconnect(broken)
            if delay_s is None:
                return
            time.sleep(delay_s)

    def subscribe(self, subscription: Subscribe) -> None:
        """Change the subscription from now on, also after the connection broke."""
        text = self._state.subscribe(subscription)
        if self._connection is not None:
            self._connection.send(text)

    def close(self) -> None:
        """End the iteration; another thread may call it."""
        self._state.close()
        if self._connection is not None:
            self._connection.close()
