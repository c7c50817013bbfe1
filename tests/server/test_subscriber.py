"""The queue of one client, over real sockets."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from patience import PATIENCE_S
from serving import HANDSHAKE, CountingObserver, port_of, receive, serving, wait_for_clients
from websockets.asyncio.client import connect

from stream_ser import protocol
from stream_ser.server.app import Server
from stream_ser.server.limits import MAX_QUEUED_MESSAGES

pytestmark = pytest.mark.unit


def emotion(end: float, *, is_final: bool = False) -> protocol.Emotion:
    return protocol.Emotion(
        start=0.0, end=end, label="sad", confidence=1.0, probabilities={"sad": 1.0}, models={}, is_final=is_final
    )


def large(number: int) -> protocol.Error:
    """A message that fills socket buffers fast and is never replaced."""
    return protocol.Error(code="bad_message", message=f"{number} " + "x" * 60_000)


@asynccontextmanager
async def stalled(server: Server, address: str) -> AsyncIterator[socket.socket]:
    """A client that shakes hands and then reads nothing."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", port_of(address)))
        sock.sendall(HANDSHAKE)
        await wait_for_clients(server, server.clients + 1)
        yield sock


async def test_a_client_that_does_not_read_is_closed_and_others_miss_nothing(caplog: pytest.LogCaptureFixture) -> None:
    observer = CountingObserver()
    caplog.set_level(logging.WARNING, "stream_ser")
    logging.getLogger("stream_ser").addHandler(caplog.handler)  # it does not propagate
    async with serving(observer=observer) as (server, address), connect(address, max_queue=None) as good:
        await receive(good)
        async with stalled(server, address):
            for number in range(MAX_QUEUED_MESSAGES + 200):
                server.publish(large(number))
                # The good client keeps up: it has read each message before the next.
                message = await receive(good)
                assert isinstance(message, protocol.Error)
                assert message.message.startswith(f"{number} ")
            await wait_for_clients(server, 1)
    logging.getLogger("stream_ser").removeHandler(caplog.handler)
    assert observer.counts["dropped behind"] >= 1
    assert caplog.messages == ["client_too_slow"]


async def test_stopping_does_not_wait_for_a_client_that_does_not_read() -> None:
    async with serving() as (server, address), stalled(server, address):
        for number in range(MAX_QUEUED_MESSAGES // 2):
            server.publish(large(number))
        await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE_S):
            await server.stop()
        assert server.clients == 0


async def test_interim_messages_that_wait_are_replaced_and_a_gap_says_how_many() -> None:
    observer = CountingObserver()
    async with serving(observer=observer) as (server, address), connect(address) as client:
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
        await asyncio.sleep(0)
    assert observer.counts["dropped replaced"] == 4
    assert observer.counts["sent"] == 4
