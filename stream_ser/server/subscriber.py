"""One connection: its subscription, the bounded queue of what it still has to get, and its life from begin to end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from stream_ser import logs, protocol
from stream_ser.server.limits import CLOSE_TIMEOUT_S, MAX_QUEUED_MESSAGES, ReceiveLimit
from stream_ser.server.observer import ServerObserver

HEARTBEAT_INTERVAL_S = 10.0
"""A client for which nothing was queued for so long gets a heartbeat."""


class Subscriber:
    """One client: what it sends, and a bounded queue of what it gets.

    An interim message that waits is replaced by a newer one, and a ``gap`` says how many were, unless ``keep_interim``.

    Args:
        connection: to the client.
        observer: counts messages.
        keep_interim: whether every interim message is sent, however slow the client is.
    """

    def __init__(self, connection: ServerConnection, observer: ServerObserver, *, keep_interim: bool = False) -> None:
        self._connection, self._observer, self._keep_interim = connection, observer, keep_interim
        self._subscription = protocol.Subscription()
        self._queue: deque[protocol.Frame] = deque()
        self._changed = asyncio.Event()
        self._replaced = 0
        self._seq = 0
        self._last_enqueued_at = asyncio.get_running_loop().time()
        self._limit = ReceiveLimit()
        self.overflowed = asyncio.Event()
        """Set when the queue was full: the client must go."""
        self.finish_code: CloseCode | None = None
        """With which the connection is closed once the queue is empty; None while more is to come."""

    @property
    def address(self) -> str:
        """Host and port at the other end."""
        host, port, *_ = self._connection.remote_address or ("gone", 0)
        return f"{host}:{port}"

    @property
    def queued(self) -> int:
        """Messages that wait to be sent."""
        return len(self._queue)

    def enqueue(self, frame: protocol.Frame) -> None:
        """Queue a frame if the client subscribed to it; never waits."""
        if not self._subscription.wants(frame.message):
            return
        self._last_enqueued_at = asyncio.get_running_loop().time()
        if frame.is_interim and not self._keep_interim and self._queue and self._queue[-1].is_interim:
            self._queue[-1] = frame
            self._replaced += 1
            self._observer.message_dropped("replaced")
        elif len(self._queue) < MAX_QUEUED_MESSAGES:
            self._queue.append(frame)
        else:
            self._observer.message_dropped("behind")
            self.overflowed.set()
        self._changed.set()

    def send(self, message: protocol.ServerMessage) -> None:
        """Queue a message for this client alone."""
        self.enqueue(protocol.encode(message))

    def send_heartbeat_if_idle(self, time: float) -> None:
        """Queue a heartbeat with the stream time, in seconds, where nothing was queued for :data:`HEARTBEAT_INTERVAL_S`."""
        if asyncio.get_running_loop().time() - self._last_enqueued_at >= HEARTBEAT_INTERVAL_S:
            self.send(protocol.Heartbeat(time=time))

    def finish(self, code: CloseCode = CloseCode.NORMAL_CLOSURE) -> None:
        """Close the connection with ``code`` once the queue is empty."""
        self.finish_code = code
        self._changed.set()

    def on_control(self, data: str, time: float) -> protocol.AudioStart | protocol.AudioEnd | protocol.Reset | None:
        """Do what any client may request, at stream time ``time`` in seconds; return a message that is about audio."""
        message = protocol.decode_client(data)
        match message:
            case protocol.Error():
                self.send(message)
            case protocol.Subscribe():
                self._subscription = protocol.Subscription(message)
            case protocol.Ping():
                self.send(protocol.Heartbeat(time=time, id=message.id))
            case _:
                return message
        return None

    async def received(self) -> AsyncIterator[str | bytes]:
        """What the client sends, until it is gone or sends more than it may, which closes the connection."""
        loop = asyncio.get_running_loop()
        async for data in self._connection:
            violation = self._limit.violation(data, loop.time())
            if violation is not None:
                await self.close(*violation)
                return
            yield data

    async def send_queued(self) -> None:
        """Send the queue as it fills, until the connection ends, or :meth:`finish` was called and the queue is empty."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._queue:
                if self._replaced:
                    replaced, self._replaced = self._replaced, 0
                    await self._send_frame(protocol.encode(protocol.Gap(reason="slow_client", messages=replaced)))
                await self._send_frame(self._queue.popleft())
            if self.finish_code is not None:
                return

    async def close(self, code: CloseCode, reason: str = "") -> None:
        """Close the connection; cut it where the client does not take the close in time."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._connection.close(code, reason)
        except TimeoutError:  # of a client that does not read, not even the close can be sent
            self._connection.transport.abort()
            await self._connection.wait_closed()

    async def _send_frame(self, frame: protocol.Frame) -> None:
        await self._connection.send(frame.with_seq(self._seq))
        self._seq += 1
        self._observer.message_sent()


async def run_connection(subscriber: Subscriber, receiving: Coroutine[Any, Any, None]) -> None:
    """Receive and send until the client is gone, too far behind or finished; ``receiving`` handles what it sends."""
    tasks = [asyncio.create_task(work) for work in (receiving, subscriber.send_queued(), subscriber.overflowed.wait())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    if subscriber.overflowed.is_set():
        logs.warning("client_too_slow", client=subscriber.address, queued=MAX_QUEUED_MESSAGES)
        await subscriber.close(CloseCode.TRY_AGAIN_LATER, "too slow")
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, ConnectionClosed):
            logs.error("client_failed", client=subscriber.address, error=repr(result))
            await subscriber.close(CloseCode.INTERNAL_ERROR)
    if subscriber.finish_code is not None:
        await subscriber.close(subscriber.finish_code)
