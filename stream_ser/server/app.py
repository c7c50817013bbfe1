"""Streams messages to every WebSocket client, and answers plain HTTP. A thin shell: it knows sockets, not emotions."""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server as WebSocketServer
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Request, Response
from websockets.typing import Origin, Subprotocol

from stream_ser import logs, protocol
from stream_ser.core.engine import Stream
from stream_ser.daemon import metrics
from stream_ser.errors import UserError
from stream_ser.server.auth import OWN_PAGES, is_loopback, shows_token
from stream_ser.server.http import MODULE, Page, Pages, module_page, response, text_page
from stream_ser.server.subscriber import QUEUE, Subscriber
from stream_ser.server.upload_session import AudioSession, Samples

LIVE = ("/", "/v1/live")
"""Paths of the daemon's own source."""

STREAM = "/v1/stream"
"""Path of streams that clients bring."""

LARGEST = 16 * 1024
"""Bytes of the largest text taken from a client; a larger one closes its connection with 1009."""

LARGEST_AUDIO = 1024 * 1024
"""The same of a binary frame."""

CONNECTIONS = 2_048
"""Clients served at once; one more is turned away with 503."""

PER_ADDRESS = 64
"""Those of one other machine; one more is turned away with 429."""

AUDIO_STREAMS = 256
"""Clients that send audio at once; one more is closed with 1013."""

MESSAGES_A_SECOND = 500
"""Messages that a client may send; more close its connection with 1008."""

HEARTBEAT = 10.0
"""Seconds without a message after which a client is sent a heartbeat."""

OPENING = 5.0
"""Seconds that a handshake may take."""

CLOSING = 2.0
"""Seconds that a client has to answer a close before it is cut off."""

_LOOK = 0.005
"""Seconds between two looks for room, in batch mode."""


class ServerError(UserError):
    """The address cannot be served on."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may connect: with a token, from pages of more origins than this machine's own, over TLS."""

    token: str | None = None
    origins: tuple[str, ...] = ()
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class OwnStreams:
    """How clients' own streams are opened, and what such a client is greeted with."""

    open: Callable[[int, Callable[[list[protocol.ServerMessage]], None], Callable[[], None]], Stream]
    """Takes the rate; what takes its messages, and what is called at its end, both on the loop."""
    greet: Callable[[], list[protocol.ServerMessage]]
    ended: Callable[[Stream], protocol.Status]
    """The status of such a stream that is over."""


class Server:
    """Accepts clients on one address and gives each the greeting and every published message.

    Args:
        greeting: the messages that a new client gets first.
        now: stream time of what is published, in seconds.
        own_streams: clients' own audio; None refuses it.
        pages: answers to plain HTTP.
        access: who may connect.
    """

    def __init__(
        self,
        greeting: Callable[[], list[protocol.ServerMessage]],
        now: Callable[[], float] = lambda: 0.0,
        own_streams: OwnStreams | None = None,
        pages: Pages | None = None,
        access: Access | None = None,
    ) -> None:
        self._greeting, self._now = greeting, now
        self._own_streams, self._pages, self._access = own_streams, pages or {}, access or Access()
        self._clients: set[Subscriber] = set()
        self._audio_clients: dict[Subscriber, AudioSession] = {}
        self._machines: Counter[str] = Counter()
        self._listener: WebSocketServer | None = None
        self._heart: asyncio.Task[None] | None = None

    @property
    def clients(self) -> int:
        """Connections open now."""
        return len(self._clients) + len(self._audio_clients)

    async def start(self, host: str, port: int) -> str:
        """Bind and serve; return the address that clients connect to.

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
                origins=[None, OWN_PAGES, *map(Origin, self._access.origins)],
                process_request=self._answer_http,
                compression=None,
                max_size=LARGEST_AUDIO,
                open_timeout=OPENING,
                close_timeout=CLOSING,
                server_header=None,
                ssl=self._access.tls,
            )
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                from stream_ser.server.port_owner import holder  # looked for only now, since it costs time to load

                who = await asyncio.to_thread(holder, host, port)
                raise ServerError(f"port {port} on {host} is held by {who}; stop it or choose another --port") from error
            raise ServerError(
                f"cannot serve on {host} port {port}: {error.strerror}; choose another --host or --port"
            ) from error
        self._heart = asyncio.create_task(self._beat())
        bound = next(iter(self._listener.sockets)).getsockname()[1]
        return protocol.address(host, bound, secure=self._access.tls is not None)

    def publish(self, message: protocol.ServerMessage) -> None:
        """Queue a message for every client of the daemon's own source."""
        frame = protocol.encode(message)
        for client in self._clients:
            client.offer(frame)

    async def stop(self, code: CloseCode = CloseCode.GOING_AWAY) -> None:
        """Close every connection with ``code`` and stop accepting."""
        if self._heart is not None:
            self._heart.cancel()
        if self._listener is not None:
            self._listener.close(code=code)
            await self._listener.wait_closed()

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(HEARTBEAT / 10.0)
            times = [(client, self._now()) for client in self._clients]
            times += [(client, session.time) for client, session in self._audio_clients.items()]
            for client, now in times:
                if loop.time() - client.told_at >= HEARTBEAT:
                    client.tell(protocol.Heartbeat(time=now))

    def _answer_http(self, connection: ServerConnection, request: Request) -> Response | None:
        """What turns a handshake away, or answers plain HTTP; None lets the handshake go on."""
        path = urlsplit(request.path).path
        if path == MODULE:
            return response(module_page())
        if self._access.token is not None and not shows_token(request.headers, self._access.token):
            return self._refuse("token", text_page("a token is needed: Authorization: Bearer ...", HTTPStatus.UNAUTHORIZED))
        if "upgrade" not in request.headers.get("Connection", "").lower():
            known = ", ".join([*self._pages, MODULE, *LIVE, STREAM])
            page = self._pages.get(path, lambda: text_page(f"there is nothing here; there are {known}", HTTPStatus.NOT_FOUND))
            return response(page())
        if path not in (*LIVE, STREAM):
            return self._refuse("path", text_page(f"connect to {LIVE[-1]} or {STREAM}", HTTPStatus.NOT_FOUND))
        if self.clients >= CONNECTIONS:
            return self._refuse("full", text_page("too many clients", HTTPStatus.SERVICE_UNAVAILABLE))
        machine = _machine(connection)
        if self._machines[machine] >= PER_ADDRESS and not is_loopback(machine):
            return self._refuse("address", text_page("too many clients of this address", HTTPStatus.TOO_MANY_REQUESTS))
        return None

    def _refuse(self, reason: str, page: Page) -> Response:
        metrics.REFUSED.labels(reason).inc()
        more = (("WWW-Authenticate", "Bearer"),) if page.status is HTTPStatus.UNAUTHORIZED else ()
        return response(page, *more)

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        place = urlsplit(connection.request.path)
        batch = place.path == STREAM and "batch" in parse_qs(place.query).get("mode", [])
        client, machine = Subscriber(connection, takes_all=batch), _machine(connection)
        self._machines[machine] += 1
        metrics.CLIENTS.inc()
        logs.info("client_connected", client=client.address, clients=self.clients + 1)
        try:
            if place.path == STREAM:
                await self._serve_audio(connection, client, batch=batch)
            else:
                await self._serve_live(connection, client)
        finally:
            self._machines[machine] -= 1
            if not self._machines[machine]:
                del self._machines[machine]
            metrics.CLIENTS.dec()
            logs.info("client_left", client=client.address, code=connection.close_code or 0, clients=self.clients)

    async def _serve_live(self, connection: ServerConnection, client: Subscriber) -> None:
        for message in self._greeting():
            client.tell(message)
        self._clients.add(client)
        try:
            await self._attend(connection, client, self._hear_client(connection, client))
        finally:
            self._clients.discard(client)

    async def _serve_audio(self, connection: ServerConnection, client: Subscriber, *, batch: bool) -> None:
        own = self._own_streams
        if own is None or len(self._audio_clients) >= AUDIO_STREAMS:
            metrics.REFUSED.labels("streams").inc()
            await connection.close(CloseCode.TRY_AGAIN_LATER, "too many streams")
            return
        for message in own.greet():
            client.tell(message)

        def deliver(messages: list[protocol.ServerMessage]) -> None:
            for message in messages:
                client.tell(message)

        def ended() -> None:
            assert session.stream is not None
            client.tell(own.ended(session.stream))
            client.finish()

        session = AudioSession(lambda rate: own.open(rate, deliver, ended), client.tell, batch=batch)
        self._audio_clients[client] = session
        try:
            await self._attend(connection, client, self._hear_audio(connection, client, session))
        finally:
            del self._audio_clients[client]
            session.end()

    async def _attend(self, connection: ServerConnection, client: Subscriber, hearing: Coroutine[Any, Any, None]) -> None:
        """Hear and tell a client until it is gone, too far behind, or told everything."""
        tasks = [asyncio.create_task(work) for work in (hearing, client.send_all(), client.behind.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        if client.behind.is_set():
            logs.warning("client_behind", client=client.address, messages=QUEUE)
            await connection.close(CloseCode.TRY_AGAIN_LATER, "too slow")
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, ConnectionClosed):
                logs.error("client_failed", client=client.address, error=repr(result))
                await connection.close(CloseCode.INTERNAL_ERROR)

    async def _hear_client(self, connection: ServerConnection, client: Subscriber) -> None:
        limit = _Limit()
        async for data in connection:
            if isinstance(data, bytes):
                await connection.close(CloseCode.UNSUPPORTED_DATA, f"audio goes to {STREAM}")
                return
            if not await limit.allows(connection, data):
                return
            message = self._heed(client, data, self._now())
            if message is not None:
                client.tell(protocol.Error(code="not_here", message=f"audio and reset go to {STREAM}"))

    async def _hear_audio(self, connection: ServerConnection, client: Subscriber, session: AudioSession) -> None:
        limit, loop = _Limit(), asyncio.get_running_loop()
        async for data in connection:
            if not await limit.allows(connection, data):
                return
            if isinstance(data, bytes):
                await self._pour(client, session, session.hear(data, loop.time()))
                continue
            message = self._heed(client, data, session.time)
            if message is not None:
                session.heed(message, loop.time())

    async def _pour(self, client: Subscriber, session: AudioSession, samples: Samples) -> None:
        """Write samples as room comes, and as the client takes what is said of them."""
        stream = session.stream
        while stream is not None and len(samples):
            while not stream.ring.room or client.waiting > QUEUE // 2:
                await asyncio.sleep(_LOOK)
            piece, samples = samples[: stream.ring.room], samples[stream.ring.room :]
            session.write(piece)

    def _heed(
        self, client: Subscriber, data: str, now: float
    ) -> protocol.AudioStart | protocol.AudioEnd | protocol.Reset | None:
        """Do what any client may ask; return what is about audio."""
        message = protocol.decode_client(data)
        match message:
            case protocol.Error():
                client.tell(message)
            case protocol.Subscribe():
                client.subscription = protocol.Subscription(message)
            case protocol.Ping():
                client.tell(protocol.Heartbeat(time=now, id=message.id))
            case _:
                return message
        return None


class _Limit:
    """What one client may send."""

    def __init__(self) -> None:
        self._second, self._count = 0, 0

    async def allows(self, connection: ServerConnection, data: str | bytes) -> bool:
        """Whether the connection may go on; closes it if not."""
        second = int(asyncio.get_running_loop().time())
        self._second, self._count = second, self._count + 1 if second == self._second else 1
        if self._count > MESSAGES_A_SECOND:
            await connection.close(CloseCode.POLICY_VIOLATION, "too many messages")
            return False
        if isinstance(data, str) and len(data) > LARGEST:
            await connection.close(CloseCode.MESSAGE_TOO_BIG, f"more than {LARGEST} bytes of text")
            return False
        return True


def _machine(connection: ServerConnection) -> str:
    return str((connection.remote_address or ("gone",))[0])


def _select_subprotocol(connection: ServerConnection, offered: object) -> Subprotocol | None:
    """Ours where the client offers it; none otherwise, and it is served all the same."""
    ours = Subprotocol(protocol.VERSION)
    return ours if isinstance(offered, (list, tuple)) and ours in offered else None
