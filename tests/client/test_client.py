"""Both clients at the real server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
from patience import stretched
from websockets.asyncio.server import ServerConnection, serve

from stream_ser import protocol
from stream_ser.client import AsyncClient, Client, ClientError
from stream_ser.protocol import ServerMessage, Subscribe
from stream_ser.server.app import Access, Server

pytestmark = pytest.mark.unit

WAIT = stretched(20.0)
GREETING = protocol.Status(state="listening", time=0.0, label="no_speech", repaired=0, clipped=0, overflows=0)


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
        self._port = int(self.address.rstrip("/").rsplit(":", 1)[1])

    def stop(self) -> None:
        self._run(self._server.stop())

    def publish_until_heard(self, heard: threading.Event) -> threading.Thread:
        """Say that somebody speaks, and that somebody stopped, until it was heard."""

        def publish() -> None:
            while not heard.wait(0.02):
                for message in (protocol.SpeechEnd(start=0.0, end=1.0), protocol.SpeechStart(start=1.0)):
                    self._loop.call_soon_threadsafe(self._server.publish, message)

        thread = threading.Thread(target=publish)
        thread.start()
        return thread

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT)
        self._loop.close()

    def _run(self, work: object) -> str:
        return str(asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT))  # type: ignore[arg-type]


@contextmanager
def hosting(access: Access | None = None) -> Iterator[Host]:
    host = Host(access)
    try:
        yield host
    finally:
        host.close()


def _collect(kind: str, url: str, script: Script, **options: object) -> None:
    """Follow with one of the clients; the script sees each message and says when it is enough."""
    if kind == "sync":
        client = Client(url, **options)  # type: ignore[arg-type]
        for message in client:
            if script(message):
                client.close()
        return

    async def follow() -> None:
        client = AsyncClient(url, **options)  # type: ignore[arg-type]
        async with asyncio.timeout(WAIT):
            async for message in client:
                if await asyncio.to_thread(script, message):
                    await client.close()

    asyncio.run(follow())


class Script:
    """Remembers messages; lets the server restart after the first speech, and has enough after the second."""

    def __init__(self, host: Host, *, restart: bool) -> None:
        self.messages: list[ServerMessage] = []
        self._host, self._restart = host, restart
        self._publishing: threading.Thread | None = None
        self._heard = threading.Event()

    def __call__(self, message: ServerMessage) -> bool:
        self.messages.append(message)
        if message == GREETING:
            self._heard = threading.Event()
            self._publishing = self._host.publish_until_heard(self._heard)
        if not isinstance(message, protocol.SpeechStart):
            return False
        if not self._heard.is_set():
            self._heard.set()
            assert self._publishing is not None
            self._publishing.join(WAIT)
            if self._restart:
                self._restart = False
                self._host.stop()
                self._host.start()
                return False
            return True
        return False


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_client_comes_back_with_its_subscription(kind: str) -> None:
    wanted = Subscribe(types=frozenset({"status", "speech_start"}))
    with hosting() as host:
        script = Script(host, restart=True)
        _collect(kind, host.address, script, subscribe=wanted)
    kinds = {type(message) for message in script.messages}
    assert script.messages.count(GREETING) == 2, "greeted again"
    assert protocol.SpeechStart in kinds
    after_subscribing = [m for m in script.messages if isinstance(m, protocol.SpeechEnd)]
    assert len(after_subscribing) <= 2, "but for what was said before the subscription arrived"


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize(
    ("token", "served"), [("a-token-of-some-length", True), ("another-token-altogether", False), (None, False)]
)
def test_a_token_is_shown_and_a_wrong_one_is_not_tried_again(kind: str, token: str | None, served: bool) -> None:
    with hosting(Access("a-token-of-some-length")) as host:
        script = Script(host, restart=False)
        if served:
            _collect(kind, host.address, script, token=token)
            assert script.messages[0] == GREETING
        else:
            with pytest.raises(ClientError, match=r"cannot follow ws://.*401"):
                _collect(kind, host.address, script, token=token)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_without_reconnecting_the_end_is_the_end(kind: str) -> None:
    with hosting() as host:
        script = Script(host, restart=True)
        _collect(kind, host.address, script, reconnect=False)
        assert script.messages.count(GREETING) == 1
    with pytest.raises(ClientError, match="is stream-ser listen running there"):
        _collect(kind, host.address, script, reconnect=False)


@asynccontextmanager
async def _saying(*lines: str) -> AsyncIterator[str]:
    async def say(connection: ServerConnection) -> None:
        for line in lines:
            await connection.send(line)

    async with serve(say, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"


async def test_messages_of_a_later_version_are_passed_over() -> None:
    async with _saying('{"type":"mood"}', '{"type":"speech_start","start":1.5,"who":"x"}') as url:
        found = [message async for message in AsyncClient(url, reconnect=False)]
    assert found == [protocol.SpeechStart(start=1.5)]


async def test_who_is_no_daemon_is_named() -> None:
    async with _saying("hello?") as url:
        with pytest.raises(ClientError, match=r"does not speak stream-ser\.v1"):
            [message async for message in AsyncClient(url, reconnect=False)]
