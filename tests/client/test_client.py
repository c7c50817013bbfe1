"""Both clients at the real server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
from patience import PATIENCE_S
from serving import GREETING, port_of
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request

from stream_ser import protocol
from stream_ser.client import AsyncClient, Client, ClientError
from stream_ser.protocol import ServerMessage, Subscribe
from stream_ser.server.app import Server
from stream_ser.server.auth import Access

pytestmark = pytest.mark.unit


class Host:
    """A server on a loop of its own, that can go and come back at the same port."""

    def __init__(self, access: Access | None = None) -> None:
        self._access, self._port = access, 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.start()

    def start(self) -> None:
        self._server = Server(lambda: [GREETING], access=self._access)
        self.address = self._run(self._server.start("127.0.0.1", self._port))
        self._port = port_of(self.address)

    def stop(self) -> None:
        self._run(self._server.stop())

    def publish_until(self, received: threading.Event) -> threading.Thread:
        """Publish the end and the start of speech again and again, until ``received``."""

        def publish() -> None:
            while not received.wait(0.02):
                for message in (protocol.SpeechEnd(start=0.0, end=1.0), protocol.SpeechStart(start=1.0)):
                    self._loop.call_soon_threadsafe(self._server.publish, message)

        thread = threading.Thread(target=publish)
        thread.start()
        return thread

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()

    def _run(self, work: object) -> str:
        return str(asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S))  # type: ignore[arg-type]


@contextmanager
def hosting(access: Access | None = None) -> Iterator[Host]:
    host = Host(access)
    try:
        yield host
    finally:
        host.close()


def _collect(kind: str, url: str, script: Script, **options: object) -> None:
    """Follow with one of the clients; the script gets each message and returns whether that was the last."""
    if kind == "sync":
        client = Client(url, **options)  # type: ignore[arg-type]
        for message in client:
            if script(message):
                client.close()
        return

    async def follow() -> None:
        client = AsyncClient(url, **options)  # type: ignore[arg-type]
        async with asyncio.timeout(PATIENCE_S):
            async for message in client:
                if await asyncio.to_thread(script, message):
                    await client.close()

    asyncio.run(follow())


class Script:
    """Keeps messages; restarts the server after the first speech, and returns true after the second."""

    def __init__(self, host: Host, *, restart: bool) -> None:
        self.messages: list[ServerMessage] = []
        self._host, self._restart = host, restart
        self._publishing: threading.Thread | None = None
        self._received = threading.Event()

    def __call__(self, message: ServerMessage) -> bool:
        self.messages.append(message)
        if message == GREETING:
            self._received = threading.Event()
            self._publishing = self._host.publish_until(self._received)
        if not isinstance(message, protocol.SpeechStart):
            return False
        if not self._received.is_set():
            self._received.set()
            assert self._publishing is not None
            self._publishing.join(PATIENCE_S)
            if self._restart:
                self._restart = False
                self._host.stop()
                self._host.start()
                return False
            return True
        return False


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_client_reconnects_with_its_subscription(kind: str) -> None:
    subscription = Subscribe(types=frozenset({"status", "speech_start"}))
    with hosting() as host:
        script = Script(host, restart=True)
        _collect(kind, host.address, script, subscribe=subscription)
    kinds = {type(message) for message in script.messages}
    assert script.messages.count(GREETING) == 2, "greeted on each connection"
    assert protocol.SpeechStart in kinds
    after_subscribing = [m for m in script.messages if isinstance(m, protocol.SpeechEnd)]
    assert len(after_subscribing) <= 2, "at most what was sent before the subscription arrived"


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize(
    ("token", "served"), [("a-token-of-some-length", True), ("another-token-altogether", False), (None, False)]
)
def test_a_token_is_sent_and_a_wrong_one_is_not_tried_again(kind: str, token: str | None, served: bool) -> None:
    with hosting(Access("a-token-of-some-length")) as host:
        script = Script(host, restart=False)
        if served:
            _collect(kind, host.address, script, token=token)
            assert script.messages[0] == GREETING
        else:
            with pytest.raises(ClientError, match=r"cannot follow ws://.*401"):
                _collect(kind, host.address, script, token=token)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_without_reconnecting_iteration_ends_with_the_connection(kind: str) -> None:
    with hosting() as host:
        script = Script(host, restart=True)
        _collect(kind, host.address, script, reconnect=False)
        assert script.messages.count(GREETING) == 1
    with pytest.raises(ClientError, match="is stream-ser listen running there"):
        _collect(kind, host.address, script, reconnect=False)


@asynccontextmanager
async def _sending(*lines: str) -> AsyncIterator[str]:
    async def send(connection: ServerConnection) -> None:
        for line in lines:
            await connection.send(line)

    async with serve(send, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"


async def test_messages_of_a_later_version_are_skipped() -> None:
    async with _sending('{"type":"mood"}', '{"type":"speech_start","start":1.5,"who":"x"}') as url:
        found = [message async for message in AsyncClient(url, reconnect=False)]
    assert found == [protocol.SpeechStart(start=1.5)]


async def test_a_peer_that_is_no_daemon_is_named() -> None:
    async with _sending("hello?") as url:
        with pytest.raises(ClientError, match=r"does not speak stream-ser\.v1"):
            [message async for message in AsyncClient(url, reconnect=False)]


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_a_client_closed_while_it_connects_ends(kind: str) -> None:
    connecting, closed = asyncio.Event(), asyncio.Event()

    async def hold(connection: ServerConnection, request: Request) -> None:
        connecting.set()
        await closed.wait()

    async def send(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with serve(send, "127.0.0.1", 0, process_request=hold) as server, asyncio.timeout(PATIENCE_S):
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
        client = Client(url) if kind == "sync" else AsyncClient(url)
        following = asyncio.create_task(asyncio.to_thread(list, client) if isinstance(client, Client) else _all_of(client))
        await connecting.wait()
        if isinstance(client, Client):
            client.close()
        else:
            await client.close()
        closed.set()
        assert await following == []


async def _all_of(client: AsyncClient) -> list[ServerMessage]:
    return [message async for message in client]
