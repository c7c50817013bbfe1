"""A real server on a free port, and what tests of it send, receive and wait for."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from patience import PATIENCE_S
from websockets.asyncio.client import ClientConnection

from stream_ser import protocol
from stream_ser.server.app import Server
from stream_ser.server.auth import Access
from stream_ser.server.http import Pages
from stream_ser.server.uploads import Uploads

NOW = 4.5
"""Stream time of every server here, in seconds."""

GREETING = protocol.Status(state="listening", time=0.0, label="no_speech", repaired=0, clipped=0, overflows=0)

HANDSHAKE = (
    b"GET /v1/live HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class CountingObserver:
    """Counts what a server reports, by ``name`` or ``name reason``."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def client_connected(self) -> None:
        self.counts["connected"] += 1

    def client_disconnected(self) -> None:
        self.counts["disconnected"] += 1

    def message_sent(self) -> None:
        self.counts["sent"] += 1

    def message_dropped(self, reason: str) -> None:
        self.counts[f"dropped {reason}"] += 1

    def connection_refused(self, reason: str) -> None:
        self.counts[f"refused {reason}"] += 1


@asynccontextmanager
async def serving(
    pages: Pages | None = None,
    access: Access | None = None,
    uploads: Uploads | None = None,
    observer: CountingObserver | None = None,
) -> AsyncIterator[tuple[Server, str]]:
    """A server and its address."""
    server = Server(lambda: [GREETING], lambda: NOW, uploads, pages, access, observer)
    address = await server.start("127.0.0.1", 0)
    try:
        yield server, address
    finally:
        await server.stop()


def port_of(address: str) -> int:
    return int(address.rstrip("/").rsplit(":", 1)[1])


async def receive(client: ClientConnection) -> protocol.ServerMessage:
    async with asyncio.timeout(PATIENCE_S):
        return protocol.decode(await client.recv())


async def wait_for_clients(server: Server, count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while server.clients != count:
            await asyncio.sleep(0.01)


async def close_code(client: ClientConnection) -> int | None:
    """With which the server closes the connection."""
    async with asyncio.timeout(PATIENCE_S):
        await client.wait_closed()
    return client.close_code


async def http_get(address: str, path: str, *headers: str, context: ssl.SSLContext | None = None) -> tuple[int, str, bytes]:
    """Status, head and body of plain HTTP."""
    place = address.split("://")[1].rstrip("/")
    reader, writer = await asyncio.open_connection(*place.rsplit(":", 1), ssl=context)
    lines = [f"GET {path} HTTP/1.1", f"Host: {place}", *headers, "", ""]
    writer.write("\r\n".join(lines).encode())
    async with asyncio.timeout(PATIENCE_S):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), head.decode(), body
