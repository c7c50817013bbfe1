"""The real server and real sockets: binding, connections from begin to end, and whatever else comes over a socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from pathlib import Path

import pytest
from certificates import write_certificate
from patience import PATIENCE_S
from serving import (
    GREETING,
    HANDSHAKE,
    CountingObserver,
    close_code,
    http_get,
    port_of,
    receive,
    serving,
    wait_for_clients,
)
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidMessage
from websockets.typing import Subprotocol

from stream_ser import protocol
from stream_ser.server.app import Server, ServerError
from stream_ser.server.auth import Access, tls
from stream_ser.server.http import Page

pytestmark = pytest.mark.unit


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
        assert await close_code(client) == 1001


async def test_a_port_in_use_is_named() -> None:
    async with serving() as (_, address):
        port = port_of(address)
        with pytest.raises(
            ServerError,
            match=rf"port {port} on 127.0.0.1 is held by .* \(process {os.getpid()}\); stop it or choose another --port",
        ):
            await Server(lambda: []).start("127.0.0.1", port)


async def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ServerError, match=r"cannot serve on 192\.0\.2\.1"):
        await Server(lambda: []).start("192.0.2.1", 0)


async def test_over_tls_clients_and_pages_are_served_and_plain_ones_are_not(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    trusting = ssl.create_default_context(cafile=certificate)
    pages = {"/healthz": lambda: Page(b"{}", "application/json")}
    async with serving(pages, Access(tls=tls(certificate, key))) as (_, address):
        assert address.startswith("wss://")
        async with connect(address, ssl=trusting) as client:
            assert await receive(client) == GREETING
        assert (await http_get(address, "/healthz", context=trusting))[0] == 200
        with pytest.raises((InvalidMessage, ConnectionError)):
            await connect(address.replace("wss", "ws"))


async def test_a_handshake_that_stalls_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_ser.server.app.HANDSHAKE_TIMEOUT_S", 0.2)
    async with serving() as (_, address):
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(address))
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        async with asyncio.timeout(PATIENCE_S):
            assert b"101" not in await reader.read()
        writer.close()


async def test_a_connection_that_is_cut_is_noticed_and_counted() -> None:
    observer = CountingObserver()
    async with serving(observer=observer) as (server, address):
        _, writer = await asyncio.open_connection("127.0.0.1", port_of(address))
        writer.write(HANDSHAKE)
        await wait_for_clients(server, 1)
        assert (observer.counts["connected"], observer.counts["disconnected"]) == (1, 0)
        writer.transport.abort()
        await wait_for_clients(server, 0)
        assert observer.counts["disconnected"] == 1


async def test_a_client_cut_within_a_message_affects_nobody_else() -> None:
    async with serving() as (server, address), connect(address) as other:
        await receive(other)
        client = await connect(address)
        await wait_for_clients(server, 2)
        # Half a frame: a text frame that announces 100 bytes, of which 3 come, and then a reset.
        raw = client.transport.get_extra_info("socket")
        client.transport.write(b"\x81\xe4\0\0\0\0abc")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.transport.abort()
        await wait_for_clients(server, 1)
        server.publish(protocol.SpeechStart(start=1.0))
        assert isinstance(await receive(other), protocol.SpeechStart)


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
async def test_invalid_bytes_end_their_own_connection_only(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as (server, address), connect(address) as good:
        await receive(good)
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(address))
        writer.write(data)
        async with asyncio.timeout(PATIENCE_S):
            await reader.read()  # to the end that the server makes
        writer.close()
        server.publish(protocol.SpeechStart(start=1.0))
        assert isinstance(await receive(good), protocol.SpeechStart)
        await wait_for_clients(server, 1)
    assert "client_failed" not in caplog.text
    assert "Traceback" not in caplog.text


async def test_stopping_does_not_wait_for_a_handshake_that_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_ser.server.app.HANDSHAKE_TIMEOUT_S", 100 * PATIENCE_S)
    async with serving() as (server, address):
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(address))
        async with connect(address) as client:  # accepted after the silent one
            await receive(client)
            async with asyncio.timeout(PATIENCE_S):
                await server.stop()
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
