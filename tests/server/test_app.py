"""The real server and real sockets."""

from __future__ import annotations

import asyncio
import io
import json
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import NoReturn

import pytest
from certificates import write_certificate
from patience import stretched
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidMessage, InvalidStatus
from websockets.typing import Origin, Subprotocol

from stream_ser import protocol
from stream_ser.server.app import LARGEST, Access, OwnStreams, Server, ServerError
from stream_ser.server.auth import BEARER_PROTOCOL, tls
from stream_ser.server.http import Page, Pages
from stream_ser.server.subscriber import QUEUE

pytestmark = pytest.mark.unit

GREETING = protocol.Status(state="listening", time=0.0, label="no_speech", repaired=0, clipped=0, overflows=0)
WAIT = stretched(20.0)


def emotion(end: float, *, is_final: bool = False) -> protocol.Emotion:
    return protocol.Emotion(
        start=0.0, end=end, label="sad", confidence=1.0, probabilities={"sad": 1.0}, models={}, is_final=is_final
    )


@asynccontextmanager
async def serving(pages: Pages | None = None, access: Access | None = None) -> AsyncIterator[tuple[Server, str]]:
    server = Server(lambda: [GREETING], lambda: 4.5, pages=pages, access=access)
    address = await server.start("127.0.0.1", 0)
    try:
        yield server, address
    finally:
        await server.stop()


async def receive(client: ClientConnection) -> protocol.ServerMessage:
    async with asyncio.timeout(WAIT):
        return protocol.decode(await client.recv())


async def clients(server: Server, count: int) -> None:
    """Wait until the server has so many."""
    async with asyncio.timeout(WAIT):
        while server.clients != count:
            await asyncio.sleep(0.01)


async def closed(client: ClientConnection) -> int | None:
    async with asyncio.timeout(WAIT):
        await client.wait_closed()
    return client.close_code


async def test_each_client_is_greeted_and_told_everything_in_sequence() -> None:
    async with serving() as (server, address), connect(address) as one, connect(address) as other:
        for client in (one, other):
            assert await receive(client) == GREETING
        for start in range(5):
            server.publish(protocol.SpeechStart(start=start))
        for client in (one, other):
            assert [await receive(client) for _ in range(5)] == [
                protocol.SpeechStart(start=start, seq=start + 1) for start in range(5)
            ]


async def test_the_subprotocol_is_negotiated_and_not_required() -> None:
    ours, theirs = Subprotocol(protocol.VERSION), Subprotocol("mqtt")
    async with serving() as (_, address):
        async with connect(address, subprotocols=[theirs, ours]) as client:
            assert client.subprotocol == ours
        async with connect(address, subprotocols=[theirs]) as client:
            assert client.subprotocol is None
            assert await receive(client) == GREETING


async def test_stopping_closes_clients_with_going_away() -> None:
    async with serving() as (server, address), connect(address) as client:
        await receive(client)
        await server.stop()
        assert await closed(client) == 1001


async def test_a_client_that_sends_garbage_gets_errors_and_stays() -> None:
    async with serving() as (server, address), connect(address) as client, connect(address) as other:
        await receive(client)
        await receive(other)
        for data, code in (("{]", "bad_message"), ('"text"', "bad_message"), ('{"type":"dance"}', "unknown_type")):
            await client.send(data)
            error = await receive(client)
            assert isinstance(error, protocol.Error)
            assert error.code == code
        server.publish(protocol.SpeechStart(start=1.0))
        assert isinstance(await receive(client), protocol.SpeechStart)
        assert isinstance(await receive(other), protocol.SpeechStart)


@pytest.mark.parametrize(("data", "code"), [(b"\0\1", 1003), ("x" * (LARGEST + 1), 1009)])
async def test_a_wrong_frame_closes_that_client_only(data: str | bytes, code: int) -> None:
    async with serving() as (server, address), connect(address) as client, connect(address) as other:
        await receive(other)
        await client.send(data)
        assert await closed(client) == code
        server.publish(protocol.SpeechStart(start=1.0))
        assert isinstance(await receive(other), protocol.SpeechStart)


async def test_a_client_that_leaves_mid_send_harms_nobody() -> None:
    async with serving() as (server, address), connect(address) as other:
        await receive(other)
        client = await connect(address)
        await clients(server, 2)
        # Half a frame: a text frame that announces 100 bytes, of which 3 come, and then a reset.
        raw = client.transport.get_extra_info("socket")
        client.transport.write(b"\x81\xe4\0\0\0\0abc")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.transport.abort()
        await clients(server, 1)
        server.publish(protocol.SpeechStart(start=1.0))
        assert isinstance(await receive(other), protocol.SpeechStart)


@asynccontextmanager
async def stalled(server: Server, address: str) -> AsyncIterator[socket.socket]:
    """A client that shakes hands and then reads nothing."""
    host, port = address.removeprefix("ws://").rstrip("/").split(":")
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect((host, int(port)))
        sock.sendall(
            f"GET / HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        await clients(server, server.clients + 1)
        yield sock


def large(number: int) -> protocol.Error:
    """A message that fills socket buffers fast and is never replaced."""
    return protocol.Error(code="bad_message", message=f"{number} " + "x" * 60_000)


async def test_a_client_that_does_not_read_is_closed_and_others_miss_nothing() -> None:
    count = QUEUE + 200
    async with serving() as (server, address), connect(address, max_queue=None) as good:
        await receive(good)
        async with stalled(server, address):
            for number in range(count):
                server.publish(large(number))
                # The good client keeps up: it has read each message before the next.
                message = await receive(good)
                assert isinstance(message, protocol.Error)
                assert message.message.startswith(f"{number} ")
            await clients(server, 1)


async def test_interim_answers_that_wait_are_replaced_and_the_client_is_told() -> None:
    async with serving() as (server, address), connect(address) as client:
        await receive(client)
        # Published in one turn of the loop: the sender could send none in between.
        for end in range(1, 6):
            server.publish(emotion(end))
        server.publish(emotion(9.0, is_final=True))
        assert await receive(client) == protocol.Gap(reason="slow_client", messages=4, seq=1)
        latest, final = await receive(client), await receive(client)
        assert isinstance(latest, protocol.Emotion)
        assert isinstance(final, protocol.Emotion)
        assert (latest.end, latest.seq) == (5.0, 2)
        assert (final.end, final.is_final, final.seq) == (9.0, True, 3)


async def test_pages_of_the_web_may_not_read_along() -> None:
    async with serving() as (_, address):
        with pytest.raises(InvalidStatus) as refused:
            await connect(address, origin=Origin("https://example.org"))
        assert refused.value.response.status_code == 403
        async with connect(address, origin=Origin("http://localhost:3000")) as client:
            assert await receive(client) == GREETING


async def test_a_port_in_use_is_named() -> None:
    async with serving() as (_, address):
        port = int(address.rstrip("/").rsplit(":", 1)[1])
        with pytest.raises(
            ServerError,
            match=rf"port {port} on 127.0.0.1 is held by .* \(process {os.getpid()}\); stop it or choose another --port",
        ):
            await Server(lambda: []).start("127.0.0.1", port)


async def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ServerError, match=r"cannot serve on 192\.0\.2\.1"):
        await Server(lambda: []).start("192.0.2.1", 0)


async def test_messages_are_json_with_their_type_first() -> None:
    async with serving() as (_, address), connect(address) as client:
        text = await client.recv()
        assert isinstance(text, str)
        assert list(json.loads(text)) == [
            "type",
            "seq",
            "state",
            "reason",
            "time",
            "label",
            "repaired",
            "clipped",
            "overflows",
            "recording",
        ]


async def test_a_ping_is_answered_and_a_subscription_heeded() -> None:
    async with serving() as (server, address), connect(address) as client:
        await receive(client)
        await client.send('{"type":"subscribe","types":["emotion"],"only_final":true}')
        await client.send('{"type":"ping","id":"a"}')
        assert await receive(client) == protocol.Heartbeat(time=4.5, id="a", seq=1)
        server.publish(protocol.SpeechStart(start=1.0))
        server.publish(emotion(1.5))
        server.publish(emotion(2.0, is_final=True))
        found = await receive(client)
        assert isinstance(found, protocol.Emotion)
        assert (found.is_final, found.seq) == (True, 2), "numbers of what is told, without holes"


async def test_a_silent_client_hears_that_the_connection_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_ser.server.app.HEARTBEAT", 0.05)
    async with serving() as (_, address), connect(address) as client:
        await receive(client)
        assert [await receive(client) for _ in range(2)] == [protocol.Heartbeat(time=4.5, seq=seq) for seq in (1, 2)]


async def test_a_client_of_its_own_stream_hears_that_the_connection_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_ser.server.app.HEARTBEAT", 0.05)

    def never(*_: object) -> NoReturn:
        raise AssertionError("no audio came")

    server = Server(list, own_streams=OwnStreams(never, lambda: [GREETING], never))
    address = await server.start("127.0.0.1", 0)
    async with connect(f"{address}v1/stream") as client:
        assert await receive(client) == GREETING
        assert [await receive(client) for _ in range(2)] == [protocol.Heartbeat(time=0.0, seq=seq) for seq in (1, 2)]
        assert server.clients == 1
    await clients(server, 0)
    await server.stop()


async def test_audio_has_no_place_where_nobody_hears_it() -> None:
    async with serving() as (_, address):
        async with connect(address) as client:
            await receive(client)
            await client.send('{"type":"audio_start","sample_rate":16000}')
            error = await receive(client)
            assert isinstance(error, protocol.Error)
            assert error.code == "not_here"
        async with connect(f"{address}v1/stream") as client:
            assert await closed(client) == 1013


async def test_a_client_that_sends_too_many_messages_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_ser.server.app.MESSAGES_A_SECOND", 5)
    async with serving() as (_, address), connect(address) as client:
        for _ in range(20):
            await client.send('{"type":"ping"}')
        assert await closed(client) == 1008


async def test_who_says_nothing_while_connecting_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_ser.server.app.OPENING", 0.2)
    async with serving() as (_, address):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rstrip("/").rsplit(":", 1)[1]))
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        async with asyncio.timeout(WAIT):
            assert b"101" not in await reader.read()
        writer.close()


async def _get(address: str, path: str, *headers: str, context: ssl.SSLContext | None = None) -> tuple[int, str, bytes]:
    """Status, head and body of plain HTTP."""
    place = address.split("://")[1].rstrip("/")
    reader, writer = await asyncio.open_connection(*place.rsplit(":", 1), ssl=context)
    lines = [f"GET {path} HTTP/1.1", f"Host: {place}", *headers, "", ""]
    writer.write("\r\n".join(lines).encode())
    async with asyncio.timeout(WAIT):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), head.decode(), body


async def test_plain_http_gets_the_page_or_the_places_there_are() -> None:
    pages = {"/healthz": lambda: Page(b"{}", "application/json", HTTPStatus.SERVICE_UNAVAILABLE)}
    async with serving(pages) as (_, address):
        status, head, body = await _get(address, "/healthz?now")
        assert (status, body) == (503, b"{}")
        assert "Content-Type: application/json" in head
        status, _, body = await _get(address, "/etc/passwd")
        assert status == 404
        assert b"/healthz, /stream-ser.js, /, /v1/live, /v1/stream" in body


async def test_a_connection_to_another_path_is_refused() -> None:
    async with serving() as (_, address):
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{address}v2/live")
        assert refused.value.response.status_code == 404
        async with connect(f"{address}v1/live?x=1") as client:
            assert await receive(client) == GREETING


TOKEN = "a-token-of-some-length"


@pytest.mark.parametrize("shown", ["bearer", "subprotocol"])
async def test_with_a_token_a_client_is_served(shown: str) -> None:
    async with serving(access=Access(TOKEN)) as (_, address):
        ours = Subprotocol(protocol.VERSION)
        if shown == "bearer":
            connecting = connect(address, additional_headers={"Authorization": f"Bearer {TOKEN}"}, subprotocols=[ours])
        else:
            connecting = connect(address, subprotocols=[ours, Subprotocol(BEARER_PROTOCOL + TOKEN)])
        async with connecting as client:
            assert client.subprotocol == ours, "the token is not sent back"
            assert await receive(client) == GREETING


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}])
async def test_without_the_token_nobody_is_served_and_no_log_tells_it(
    headers: dict[str, str], caplog: pytest.LogCaptureFixture, daemon_log: io.StringIO
) -> None:
    pages = {"/metrics": lambda: Page(b"secret", "text/plain")}
    async with serving(pages, Access(TOKEN)) as (server, address):
        with pytest.raises(InvalidStatus) as refused:
            await connect(address, additional_headers=headers)
        assert refused.value.response.status_code == 401
        assert refused.value.response.headers["WWW-Authenticate"] == "Bearer"
        status, _, body = await _get(address, "/metrics", *(f"{name}: {value}" for name, value in headers.items()))
        assert status == 401
        assert b"secret" not in body
        assert server.clients == 0
    assert TOKEN not in caplog.text + daemon_log.getvalue()


async def test_a_page_of_an_allowed_origin_may_read_along() -> None:
    async with serving(access=Access(origins=("https://example.org",))) as (_, address):
        async with connect(address, origin=Origin("https://example.org")) as client:
            assert await receive(client) == GREETING
        for other in ("https://example.org.evil.net", "http://example.org", "null"):
            with pytest.raises(InvalidStatus):
                await connect(address, origin=Origin(other))


async def test_over_tls_clients_and_pages_are_served_and_plain_ones_are_not(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    trusting = ssl.create_default_context(cafile=certificate)
    pages = {"/healthz": lambda: Page(b"{}", "application/json")}
    async with serving(pages, Access(tls=tls(certificate, key))) as (_, address):
        assert address.startswith("wss://")
        async with connect(address, ssl=trusting) as client:
            assert await receive(client) == GREETING
        assert (await _get(address, "/healthz", context=trusting))[0] == 200
        with pytest.raises((InvalidMessage, ConnectionError)):
            await connect(address.replace("wss", "ws"))


HANDSHAKE = (
    b"GET /v1/live HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"GET / HTTP/9.9\r\n\r\n", id="another HTTP"),
        pytest.param(b"\x16\x03\x01\x02\x00" + bytes(200), id="TLS to a plain port"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 20_000 + b"\r\n\r\n", id="a header too long"),
        pytest.param(HANDSHAKE.replace(b"Version: 13", b"Version: 7"), id="an old version"),
        pytest.param(HANDSHAKE.replace(b"dGhl", b"!!!!"), id="a key that is none"),
        pytest.param(HANDSHAKE + b"\x83\x80\0\0\0\0", id="a reserved opcode"),
        pytest.param(HANDSHAKE + b"\x81\x02hi", id="a frame without a mask"),
        pytest.param(HANDSHAKE + b"\x09\x80\0\0\0\0", id="a ping in fragments"),
        pytest.param(HANDSHAKE + b"\x80\x80\0\0\0\0", id="a continuation of nothing"),
        pytest.param(HANDSHAKE + b"\xf1\x80\0\0\0\0", id="reserved bits"),
        pytest.param(HANDSHAKE + b"\x82\xff" + b"\x7f" * 8 + bytes(4), id="a frame of exabytes"),
        pytest.param(HANDSHAKE + b"\x81\x82\0\0\0\0\xff\xfe", id="text that is no UTF-8"),
    ],
)
async def test_whatever_comes_over_a_socket_ends_that_connection_only(
    data: bytes, caplog: pytest.LogCaptureFixture, daemon_log: io.StringIO
) -> None:
    async with serving() as (server, address), connect(address) as good:
        await receive(good)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rstrip("/").rsplit(":", 1)[1]))
        writer.write(data)
        async with asyncio.timeout(WAIT):
            await reader.read()  # to the end that the server makes
        writer.close()
        server.publish(protocol.SpeechStart(start=1.0))
        assert isinstance(await receive(good), protocol.SpeechStart)
        await clients(server, 1)
    assert "client_failed" not in daemon_log.getvalue()
    assert "Traceback" not in caplog.text


async def test_who_goes_without_a_word_is_noticed() -> None:
    async with serving() as (server, address):
        _, writer = await asyncio.open_connection("127.0.0.1", int(address.rstrip("/").rsplit(":", 1)[1]))
        writer.write(HANDSHAKE)
        await clients(server, 1)
        writer.transport.abort()
        await clients(server, 0)


@pytest.mark.parametrize(("limit", "status"), [("CONNECTIONS", 503), ("PER_ADDRESS", 429)])
async def test_more_clients_than_there_may_be_are_turned_away(monkeypatch: pytest.MonkeyPatch, limit: str, status: int) -> None:
    monkeypatch.setattr(f"stream_ser.server.app.{limit}", 2)
    monkeypatch.setattr("stream_ser.server.app.is_loopback", lambda host: False)
    async with serving() as (server, address):
        async with connect(address) as one, connect(address):
            await clients(server, 2)
            with pytest.raises(InvalidStatus) as refused:
                await connect(address)
            assert refused.value.response.status_code == status
            await receive(one)
        await clients(server, 0)
        async with connect(address) as later:
            assert await receive(later) == GREETING


async def test_this_machine_may_have_as_many_clients_as_there_are_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_ser.server.app.PER_ADDRESS", 1)
    async with serving() as (server, address), connect(address), connect(address):
        await clients(server, 2)
