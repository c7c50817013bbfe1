"""The clients that follow the daemon's own source."""

from __future__ import annotations

from collections.abc import Callable

from websockets.frames import CloseCode

from stream_ser import protocol
from stream_ser.server.http import UPLOAD_PATH
from stream_ser.server.subscriber import Subscriber, run_connection


class LiveSubscribers:
    """Gives each client the greeting, and then every published message.

    Args:
        greeting: the messages that a new client gets first.
        now: stream time of what is published, in seconds.
    """

    def __init__(self, greeting: Callable[[], list[protocol.ServerMessage]], now: Callable[[], float]) -> None:
        self._greeting, self._now = greeting, now
        self._subscribers: set[Subscriber] = set()

    def publish(self, message: protocol.ServerMessage) -> None:
        """Queue a message for every client that subscribed to it."""
        frame = protocol.encode(message)
        for subscriber in self._subscribers:
            subscriber.enqueue(frame)

    def send_heartbeats(self) -> None:
        """Queue a heartbeat for every idle client."""
        for subscriber in self._subscribers:
            subscriber.send_heartbeat_if_idle(self._now())

    async def serve(self, subscriber: Subscriber) -> None:
        """Serve one client until its connection ends."""
        for message in self._greeting():
            subscriber.send(message)
        self._subscribers.add(subscriber)
        try:
            await run_connection(subscriber, self._receive(subscriber))
        finally:
            self._subscribers.discard(subscriber)

    async def _receive(self, subscriber: Subscriber) -> None:
        async for data in subscriber.received():
            if isinstance(data, bytes):
                await subscriber.close(CloseCode.UNSUPPORTED_DATA, f"audio goes to {UPLOAD_PATH}")
                return
            if subscriber.on_control(data, self._now()) is not None:
                subscriber.send(protocol.Error(code="not_here", message=f"audio and reset go to {UPLOAD_PATH}"))
