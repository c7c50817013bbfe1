"""Clients that send audio, over real sockets: with a real engine, and with streams that the test controls."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from patience import PATIENCE_S
from serving import CountingObserver, close_code, receive, serving, wait_for_clients
from signals import RATE, Samples, voice
from streams import loudness_backend
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection
from websockets.frames import CloseCode

from stream_ser import protocol
from stream_ser.core.engine import Engine
from stream_ser.core.host import EngineHost, HostedStream, OnEnd, OnEvents
from stream_ser.core.recognizer import Recognizer
from stream_ser.events import Event, SpeechStart
from stream_ser.models.providers import ProviderChoice
from stream_ser.models.window import Window
from stream_ser.server.limits import MAX_QUEUED_MESSAGES
from stream_ser.server.observer import NoServerObserver
from stream_ser.server.subscriber import Subscriber
from stream_ser.server.uploads import Uploads
from stream_ser.speech.detector import VadFrame

pytestmark = pytest.mark.unit

HELLO = protocol.Hello(
    protocol=protocol.VERSION, version="0", source="", host_api="", sample_rate=0, started_at=0.0, time=0.0, labels=(), hop=0.1,
    window=3.0, models={}, provider="CPU", provider_reason="",
)  # fmt: skip
START = f'{{"type":"audio_start","sample_rate":{RATE}}}'


class FakeStream:
    """Keeps what is written; the test says what comes of it."""

    time, repaired, clipped = 0.0, 0, 0

    def __init__(self, on_events: OnEvents, on_end: OnEnd) -> None:
        self.on_events, self.on_end = on_events, on_end
        self.on_write: Callable[[], None] = lambda: None
        self.written = 0
        self.ended = False

    async def write(self, samples: Samples) -> None:
        self.on_write()
        self.written += len(samples)

    def end(self) -> None:
        self.ended = True


class FakeHost:
    """Opens fake streams."""

    def __init__(self) -> None:
        self.streams: list[FakeStream] = []

    def open_stream(self, sample_rate: int, on_events: OnEvents, on_end: OnEnd) -> HostedStream:
        assert sample_rate == RATE
        self.streams.append(FakeStream(on_events, on_end))
        return cast(HostedStream, self.streams[-1])


def uploads_of(host: FakeHost | EngineHost, on_events: Callable[[list[Event]], None] = lambda events: None) -> Uploads:
    return Uploads(cast(EngineHost, host), lambda: HELLO, on_events)


def never(error: BaseException) -> None:
    """The engine as a whole does not fail."""
    raise AssertionError(error)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.005)


async def start_upload(address: str, host: FakeHost) -> tuple[ClientConnection, FakeStream]:
    client = await connect(f"{address}v1/stream")
    assert await receive(client) == HELLO
    count = len(host.streams)
    await client.send(START)
    await until(lambda: len(host.streams) > count)
    return client, host.streams[-1]


async def test_an_upload_is_processed_to_its_end_and_closed(bundles: Path) -> None:
    host = EngineHost(Engine.open(bundles, ProviderChoice.CPU), never)
    host.start()
    async with serving(uploads=uploads_of(host)) as (server, address), connect(f"{address}v1/stream?mode=batch") as client:
        assert await receive(client) == HELLO
        await client.send(START)
        await client.send(np.zeros(2 * RATE, np.int16).tobytes())
        await client.send('{"type":"audio_end"}')
        status = await receive(client)
        assert isinstance(status, protocol.Status)
        assert (status.state, status.time, status.seq) == ("ended", 2.0, 1)
        assert await close_code(client) == 1000
        await wait_for_clients(server, 0)
    await host.stop()


async def test_events_of_an_upload_reach_its_client_alone_and_are_counted() -> None:
    host, counted = FakeHost(), list[Event]()
    async with serving(uploads=uploads_of(host, counted.extend)) as (_, address):
        client, stream = await start_upload(address, host)
        other, other_stream = await start_upload(address, host)
        stream.on_events([SpeechStart(1.0)])
        other_stream.on_events([SpeechStart(2.0)])
        assert await receive(client) == protocol.SpeechStart(start=1.0, seq=1)
        assert await receive(other) == protocol.SpeechStart(start=2.0, seq=1)
        assert counted == [SpeechStart(1.0), SpeechStart(2.0)]
        await client.close()
        await until(lambda: stream.ended)
        assert not other_stream.ended
        await other.close()


async def test_a_stream_that_fails_ends_its_own_upload_only(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("stream_ser")
    caplog.set_level(logging.ERROR, "stream_ser")
    log.addHandler(caplog.handler)  # it does not propagate
    host = FakeHost()
    async with serving(uploads=uploads_of(host)) as (_, address):
        client, stream = await start_upload(address, host)
        other, other_stream = await start_upload(address, host)
        stream.on_events([SpeechStart(1.0)])
        stream.on_end(RuntimeError("no such state"))
        assert await receive(client) == protocol.SpeechStart(start=1.0, seq=1)
        error = await receive(client)
        assert isinstance(error, protocol.Error)
        assert (error.code, error.seq) == ("stream_failed", 2)
        assert "no such state" not in error.message, "details are in the log"
        assert await close_code(client) == 1011
        other_stream.on_events([SpeechStart(2.0)])
        assert await receive(other) == protocol.SpeechStart(start=2.0, seq=1)
        await other.close()
    log.removeHandler(caplog.handler)
    assert caplog.messages == ["stream_failed"]


async def test_an_exception_within_one_stream_of_the_engine_ends_that_upload_only(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Recognizer.process

    def fail_when_loud(recognizer: Recognizer, speech: Sequence[VadFrame]) -> Window | None:
        if any(frame.level > -10.0 for frame in speech):
            raise ZeroDivisionError
        return process(recognizer, speech)

    monkeypatch.setattr(Recognizer, "process", fail_when_loud)
    host = EngineHost(Engine(loudness_backend()), never)
    host.start()
    quiet = voice(1.0, np.random.default_rng(0))
    async with (
        serving(uploads=uploads_of(host)) as (_, address),
        connect(f"{address}v1/stream?mode=batch") as good,
        connect(f"{address}v1/stream?mode=batch") as bad,
    ):
        for client in (good, bad):
            assert await receive(client) == HELLO
            await client.send(START)
        await bad.send((32_767 * np.sign(quiet)).astype("<i2").tobytes())
        error = await receive(bad)
        while not isinstance(error, protocol.Error):
            error = await receive(bad)
        assert error.code == "stream_failed"
        assert await close_code(bad) == 1011
        await good.send((32_767 * quiet).astype("<i2").tobytes())
        await good.send('{"type":"audio_end"}')
        last = await receive(good)
        while not isinstance(last, protocol.Status):
            last = await receive(good)
        assert (last.state, last.time) == ("ended", 1.0)
    await host.stop()


async def test_an_idle_client_gets_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_ser.server.subscriber.HEARTBEAT_INTERVAL_S", 0.05)
    monkeypatch.setattr("stream_ser.server.app.HEARTBEAT_POLL_S", 0.005)
    async with serving(uploads=uploads_of(FakeHost())) as (server, address), connect(f"{address}v1/stream") as client:
        assert await receive(client) == HELLO
        assert [await receive(client) for _ in range(2)] == [protocol.Heartbeat(time=0.0, seq=seq) for seq in (1, 2)]
        assert server.clients == 1


@pytest.mark.parametrize("most", [None, 1])
async def test_more_uploads_than_allowed_are_closed(monkeypatch: pytest.MonkeyPatch, most: int | None) -> None:
    host, observer = FakeHost(), CountingObserver()
    monkeypatch.setattr("stream_ser.server.uploads.MAX_UPLOADS", most or 0)
    uploads = None if most is None else uploads_of(host)
    async with serving(uploads=uploads, observer=observer) as (_, address):
        clients = [(await start_upload(address, host))[0] for _ in range(most or 0)]
        async with connect(f"{address}v1/stream") as refused:
            assert await close_code(refused) == 1013
        assert observer.counts["refused streams"] == 1
        for client in clients:
            await client.close()


class StuckConnection:
    """A client that sends audio and does not read until it is released."""

    remote_address = ("127.0.0.1", 1)

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[str | bytes] = asyncio.Queue()
        self.released = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        while True:
            yield await self.incoming.get()

    async def send(self, data: str) -> None:
        await self.released.wait()

    async def close(self, code: CloseCode, reason: str = "") -> None: ...


async def test_audio_is_written_only_while_the_client_reads() -> None:
    host, connection = FakeHost(), StuckConnection()
    subscriber = Subscriber(cast(ServerConnection, connection), NoServerObserver(), keep_interim=True)
    serve: Awaitable[None] = asyncio.ensure_future(uploads_of(host).serve(subscriber, batch=True))
    connection.incoming.put_nowait(START)
    await until(lambda: bool(host.streams))
    (stream,) = host.streams
    stream.on_events([SpeechStart(float(number)) for number in range(MAX_QUEUED_MESSAGES // 2 + 1)])
    queued = list[int]()
    stream.on_write = lambda: queued.append(subscriber.queued)
    connection.incoming.put_nowait(bytes(2 * RATE))
    await until(connection.incoming.empty)
    connection.released.set()
    await until(lambda: stream.written == RATE)
    assert max(queued) <= MAX_QUEUED_MESSAGES // 2
    stream.on_end(None)
    async with asyncio.timeout(PATIENCE_S):
        await serve
    assert stream.ended
