"""The WebSocket server: accepts connections, gives each to those who serve it, and publishes messages."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit
from weakref import WeakSet

from websockets.asyncio.server import Server as WebSocketServer
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import CloseCode
from websockets.http11 import Request, Response
from websockets.typing import Origin, Subprotocol

from stream_ser import logs, protocol
from stream_ser.errors import UserError
from stream_ser.server.auth import LOCAL_ORIGIN, Access
from stream_ser.server.http import UPLOAD_PATH, Pages, RequestHandler
from stream_ser.server.limits import CLOSE_TIMEOUT_S, HANDSHAKE_TIMEOUT_S, MAX_AUDIO_BYTES, Connections
from stream_ser.server.live import LiveSubscribers
from stream_ser.server.observer import NoServerObserver, ServerObserver
from stream_ser.server.subscriber import Subscriber
from stream_ser.server.uploads import Uploads

HEARTBEAT_POLL_S = 1.0
"""How often idle clients are looked for."""


class ServerError(UserError):
    """The address cannot be served on."""


class Server:
    """Accepts clients on one address: those that follow the daemon's own source, and those that send audio.

    Args:
        greeting: the messages that a client of the daemon's own source gets first.
        now: stream time of what is published, in seconds.
        uploads: serves clients that send audio; None refuses them.
        pages: what plain HTTP can read, by path.
        access: who may connect.
        observer: counts connections and messages.
    """

    def __init__(
        self,
        greeting: Callable[[], list[protocol.ServerMessage]],
        now: Callable[[], float] = lambda: 0.0,
        uploads: Uploads | None = None,
        pages: Pages | None = None,
        access: Access | None = None,
        observer: ServerObserver | None = None,
    ) -> None:
        self._live, self._uploads = LiveSubscribers(greeting, now), uploads
        self._access = access or Access()
        self._observer: ServerObserver = observer or NoServerObserver()
        self._connections = Connections()
        self._requests = RequestHandler(pages or {}, self._access.token, self._connections, self._observer)
        self._listener: WebSocketServer | None = None
        self._accepted: WeakSet[ServerConnection] = WeakSet()
        """Also those that have not shaken hands: the listener knows of them only afterwards."""
        self._heartbeats: asyncio.Task[None] | None = None

    @property
    def clients(self) -> int:
        """Connections open now."""
        return self._connections.total

    async def start(self, host: str, port: int) -> str:
        """Bind and serve; return the address that clients connect to. A ``port`` of 0 takes a free one.

        Raises:
            ServerError: the address cannot be bound.
        """
        try:
            self._listener = await serve(
                self._serve,
                host,
                port,
                subprotocols=[Subprotocol(protocol.VERSION)],
                select_subprotocol=_select_subprotocol,
                # A page may name any host that leads here (DNS rebinding), so that no Host is taken for the page's own.
                origins=[None, LOCAL_ORIGIN, *map(Origin, self._access.origins)],
                process_request=self._process_request,
                create_connection=_tracked_in(self._accepted),
                compression=None,
                max_size=MAX_AUDIO_BYTES,
                open_timeout=HANDSHAKE_TIMEOUT_S,
                close_timeout=CLOSE_TIMEOUT_S,
                server_header=None,
                ssl=self._access.tls,
            )
        except OSError as error:
            raise await _bind_error(error, host, port) from error
        self._heartbeats = asyncio.create_task(self._send_heartbeats())
        bound = next(iter(self._listener.sockets)).getsockname()[1]
        return protocol.address(host, bound, secure=self._access.tls is not None)

    def publish(self, message: protocol.ServerMessage) -> None:
        """Queue a message for every client of the daemon's own source that subscribed to it."""
        self._live.publish(message)

    async def stop(self, code: CloseCode = CloseCode.GOING_AWAY) -> None:
        """Stop accepting and close every connection with ``code``; cut those that do not answer in time."""
        if self._heartbeats is not None:
            self._heartbeats.cancel()
        if self._listener is None:
            return
        self._listener.close(code=code)
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._listener.wait_closed()
        except TimeoutError:
            for connection in self._accepted:
                connection.transport.abort()
            await self._listener.wait_closed()

    async def _send_heartbeats(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_POLL_S)
            self._live.send_heartbeats()
            if self._uploads is not None:
                self._uploads.send_heartbeats()

    def _process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        return self._requests.answer(request, _remote_host(connection))

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        url = urlsplit(connection.request.path)
        batch = url.path == UPLOAD_PATH and "batch" in parse_qs(url.query).get("mode", [])
        subscriber, host = Subscriber(connection, self._observer, keep_interim=batch), _remote_host(connection)
        self._connections.add(host)
        self._observer.client_connected()
        logs.info("client_connected", client=subscriber.address, clients=self.clients)
        try:
            if url.path != UPLOAD_PATH:
                await self._live.serve(subscriber)
            elif self._uploads is None or self._uploads.is_full:
                self._observer.connection_refused("streams")
                await subscriber.close(CloseCode.TRY_AGAIN_LATER, "too many streams")
            else:
                await self._uploads.serve(subscriber, batch=batch)
        finally:
            self._connections.remove(host)
            self._observer.client_disconnected()
            code = connection.close_code or 0
            logs.info("client_disconnected", client=subscriber.address, code=code, clients=self.clients)


def _tracked_in(accepted: WeakSet[ServerConnection]) -> type[ServerConnection]:
    """A class of connections that put themselves into ``accepted``."""

    class TrackedConnection(ServerConnection):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted.add(self)
            super().connection_made(transport)

    return TrackedConnection


async def _bind_error(error: OSError, host: str, port: int) -> ServerError:
    if error.errno != errno.EADDRINUSE:
        return ServerError(f"cannot serve on {host} port {port}: {error.strerror}; choose another --host or --port")
    from stream_ser.server.port_owner import describe_port_owner  # imported only now: it takes time to load

    owner = await asyncio.to_thread(describe_port_owner, host, port)
    return ServerError(f"port {port} on {host} is held by {owner}; stop it or choose another --port")


def _remote_host(connection: ServerConnection) -> str:
    return str((connection.remote_address or ("gone",))[0])


def _select_subprotocol(connection: ServerConnection, offered: object) -> Subprotocol | None:
    """Ours where the client offers it; else none, and it is served all the same."""
    ours = Subprotocol(protocol.VERSION)
    return ours if isinstance(offered, (list, tuple)) and ours in offered else None
