"""Streams messages to every WebSocket client. A thin shell: it knows sockets, not emotions."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import re
from collections import deque
from collections.abc import Callable

from websockets.asyncio.server import Server as WebSocketServer
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.typing import Subprotocol

from stream_ser import logs, protocol
from stream_ser.errors import UserError

QUEUE = 256
"""Messages that may wait for one client; a client further behind is closed with 1013."""

LARGEST = 16 * 1024
"""Bytes of the largest message taken from a client; a larger one closes its connection with 1009."""

CONNECTIONS = 1024
"""Clients served at once; one more is turned away with 1013."""

CLOSING = 2.0
"""Seconds that a client has to answer a close before it is cut off."""

_ORIGINS = [None, re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")]
"""Programs and pages of this machine; no page of the web may read along."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what is served on ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class ServerError(UserError):
    """The address cannot be served on."""


class Client:
    """One connection: a bounded queue of what it still has to be told.

    An interim message that waits is replaced by a newer one; the client is told how many were.
    """

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._queue: deque[protocol.Frame] = deque()
        self._wake = asyncio.Event()
        self._replaced = 0
        self._seq = 0
        self.behind = asyncio.Event()
        """Set when the queue overflowed: the client must go."""

    def offer(self, frame: protocol.Frame) -> None:
        """Queue a frame; never waits."""
        if frame.is_interim and self._queue and self._queue[-1].is_interim:
            self._queue[-1] = frame
            self._replaced += 1
        elif len(self._queue) < QUEUE:
            self._queue.append(frame)
        else:
            self.behind.set()
        self._wake.set()

    async def send_all(self) -> None:
        """Send what is queued, as it comes, until the connection ends."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                if self._replaced:
                    told, self._replaced = self._replaced, 0
                    await self._send(protocol.encode(protocol.Gap(reason="slow_client", messages=told)))
                await self._send(self._queue.popleft())

    async def _send(self, frame: protocol.Frame) -> None:
        await self._connection.send(frame.with_seq(self._seq))
        self._seq += 1


class Server:
    """Accepts clients on one address and gives each the greeting and every published message.

    Args:
        greeting: the messages that a new client gets first.
    """

    def __init__(self, greeting: Callable[[], list[protocol.ServerMessage]]) -> None:
        self._greeting = greeting
        self._clients: set[Client] = set()
        self._listener: WebSocketServer | None = None

    @property
    def clients(self) -> int:
        """Connections open now."""
        return len(self._clients)

    async def start(self, host: str, port: int) -> str:
        """Bind and serve; return the address that clients connect to.

        Raises:
            ServerError: the address cannot be bound.
        """
        try:
            self._listener = await serve(
                self._serve_client,
                host,
                port,
                subprotocols=[Subprotocol(protocol.VERSION)],
                select_subprotocol=_select_subprotocol,
                origins=_ORIGINS,
                compression=None,
                max_size=LARGEST,
                close_timeout=CLOSING,
                server_header=None,
            )
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                from stream_ser.holder import holder  # looked for only now, since it costs time to load

                who = await asyncio.to_thread(holder, host, port)
                raise ServerError(f"port {port} on {host} is held by {who}; stop it or choose another --port") from error
            raise ServerError(
                f"cannot serve on {host} port {port}: {error.strerror}; choose another --host or --port"
            ) from error
        bound = next(iter(self._listener.sockets)).getsockname()[1]
        return f"ws://{f'[{host}]' if ':' in host else host}:{bound}/"

    def publish(self, message: protocol.ServerMessage) -> None:
        """Queue a message for every client."""
        frame = protocol.encode(message)
        for client in self._clients:
            client.offer(frame)

    async def stop(self, code: CloseCode = CloseCode.GOING_AWAY) -> None:
        """Close every connection with ``code`` and stop accepting."""
        if self._listener is not None:
            self._listener.close(code=code)
            await self._listener.wait_closed()

    async def _serve_client(self, connection: ServerConnection) -> None:
        if len(self._clients) >= CONNECTIONS:
            await connection.close(CloseCode.TRY_AGAIN_LATER, "too many clients")
            return
        client = Client(connection)
        for message in self._greeting():
            client.offer(protocol.encode(message))
        self._clients.add(client)
        who = _address(connection)
        logs.info("client_connected", client=who, clients=len(self._clients))
        tasks = [
            asyncio.create_task(work)
            for work in (self._hear_client(connection, client), client.send_all(), client.behind.wait())
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._clients.discard(client)
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        if client.behind.is_set():
            logs.warning("client_behind", client=who, messages=QUEUE)
            await connection.close(CloseCode.TRY_AGAIN_LATER, "too slow")
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, ConnectionClosed):
                logs.error("client_failed", client=who, error=repr(result))
                await connection.close(CloseCode.INTERNAL_ERROR)
        logs.info("client_left", client=who, code=connection.close_code or 0, clients=len(self._clients))

    async def _hear_client(self, connection: ServerConnection, client: Client) -> None:
        async for data in connection:
            if isinstance(data, bytes):
                await connection.close(CloseCode.UNSUPPORTED_DATA, "this address takes no binary frames")
                return
            client.offer(protocol.encode(protocol.answer_client(data)))


def _address(connection: ServerConnection) -> str:
    host, port, *_ = connection.remote_address or ("gone", 0)
    return f"{host}:{port}"


def _select_subprotocol(connection: ServerConnection, offered: object) -> Subprotocol | None:
    """Ours where the client offers it; none otherwise, and it is served all the same."""
    ours = Subprotocol(protocol.VERSION)
    return ours if isinstance(offered, (list, tuple)) and ours in offered else None
