"""What one connection still has to be told."""

from __future__ import annotations

import asyncio
from collections import deque

from websockets.asyncio.server import ServerConnection

from stream_ser import protocol
from stream_ser.daemon import metrics

QUEUE = 256
"""Messages that may wait for one client; a client further behind is closed with 1013."""


class Subscriber:
    """One connection: what it subscribed to, and a bounded queue of what it still has to be told.

    An interim message that waits is replaced by a newer one, unless the client ``takes_all``; it is told how many were.
    """

    def __init__(self, connection: ServerConnection, *, takes_all: bool = False) -> None:
        self._takes_all = takes_all
        self.subscription = protocol.Subscription()
        self._connection = connection
        self._queue: deque[protocol.Frame] = deque()
        self._wake = asyncio.Event()
        self._replaced = 0
        self._seq = 0
        self.told_at = asyncio.get_running_loop().time()
        """When something was last queued, on the loop's clock."""
        self.behind = asyncio.Event()
        """Set when the queue overflowed: the client must go."""
        self.over = False
        """Whether nothing more is to come: the connection is closed when the queue is empty."""

    @property
    def address(self) -> str:
        """Host and port at the other end."""
        host, port, *_ = self._connection.remote_address or ("gone", 0)
        return f"{host}:{port}"

    @property
    def waiting(self) -> int:
        """Messages that wait."""
        return len(self._queue)

    def offer(self, frame: protocol.Frame) -> None:
        """Queue a frame if the client wants it; never waits."""
        if not self.subscription.wants(frame.message):
            return
        self.told_at = asyncio.get_running_loop().time()
        if frame.is_interim and not self._takes_all and self._queue and self._queue[-1].is_interim:
            self._queue[-1] = frame
            self._replaced += 1
            metrics.DROPPED.labels("replaced").inc()
        elif len(self._queue) < QUEUE:
            self._queue.append(frame)
        else:
            metrics.DROPPED.labels("behind").inc()
            self.behind.set()
        self._wake.set()

    def tell(self, message: protocol.ServerMessage) -> None:
        """Queue a message for this client alone."""
        self.offer(protocol.encode(message))

    def finish(self) -> None:
        """Say that nothing more is to come."""
        self.over = True
        self._wake.set()

    async def send_all(self) -> None:
        """Send what is queued, as it comes, until the connection ends or nothing more is to come."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                if self._replaced:
                    told, self._replaced = self._replaced, 0
                    await self._send(protocol.encode(protocol.Gap(reason="slow_client", messages=told)))
                await self._send(self._queue.popleft())
            if self.over:
                return

    async def _send(self, frame: protocol.Frame) -> None:
        await self._connection.send(frame.with_seq(self._seq))
        self._seq += 1
        metrics.SENT.inc()
