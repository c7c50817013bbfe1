"""The clients that send their own audio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from websockets.frames import CloseCode

from stream_ser import logs, protocol
from stream_ser.core.host import EngineHost, HostedStream
from stream_ser.events import NO_SPEECH, Event
from stream_ser.server.limits import MAX_QUEUED_MESSAGES, MAX_UPLOADS
from stream_ser.server.subscriber import Subscriber, run_connection
from stream_ser.server.upload_session import Samples, UploadSession

_PIECE_SAMPLES = 1_600
"""Samples written at a time, between two checks of the client's queue."""

_QUEUE_POLL_S = 0.005


class Uploads:
    """Opens a stream for each client that sends audio, and sends it the events of that stream.

    Args:
        host: where streams are opened.
        hello: the greeting of such a client.
        on_events: also called with the events of every such stream, on the loop.
    """

    def __init__(self, host: EngineHost, hello: Callable[[], protocol.Hello], on_events: Callable[[list[Event]], None]) -> None:
        self._host, self._hello, self._on_events = host, hello, on_events
        self._sessions: dict[Subscriber, UploadSession] = {}

    @property
    def is_full(self) -> bool:
        """Whether nobody else may send audio."""
        return len(self._sessions) >= MAX_UPLOADS

    def send_heartbeats(self) -> None:
        """Queue a heartbeat for every idle client."""
        for subscriber, session in self._sessions.items():
            subscriber.send_heartbeat_if_idle(session.time)

    async def serve(self, subscriber: Subscriber, *, batch: bool) -> None:
        """Serve one client until its connection ends or its audio is over; in ``batch`` mode that may come at any speed."""
        subscriber.send(self._hello())
        session = UploadSession(partial(self._open_stream, subscriber), subscriber.send, batch=batch)
        self._sessions[subscriber] = session
        try:
            await run_connection(subscriber, _receive(subscriber, session))
        finally:
            del self._sessions[subscriber]
            session.end()

    def _open_stream(self, subscriber: Subscriber, sample_rate: int) -> HostedStream:
        def on_events(events: list[Event]) -> None:
            for event in events:
                subscriber.send(protocol.of_event(event))
            self._on_events(events)

        def on_end(failure: BaseException | None) -> None:
            if failure is None:
                subscriber.send(_ended_status(stream))
                subscriber.finish()
            else:
                logs.error("stream_failed", client=subscriber.address, error=repr(failure))
                subscriber.send(protocol.Error(code="stream_failed", message="the server failed on this audio; connect anew"))
                subscriber.finish(CloseCode.INTERNAL_ERROR)

        stream = self._host.open_stream(sample_rate, on_events, on_end)
        return stream


async def _receive(subscriber: Subscriber, session: UploadSession) -> None:
    loop = asyncio.get_running_loop()
    async for data in subscriber.received():
        if isinstance(data, bytes):
            samples = session.on_audio(data, loop.time())
            if session.stream is not None:
                await _write_with_backpressure(session.stream, subscriber, samples)
        else:
            message = subscriber.on_control(data, session.time)
            if message is not None:
                session.on_control(message, loop.time())


async def _write_with_backpressure(stream: HostedStream, subscriber: Subscriber, samples: Samples) -> None:
    """Write samples as room comes, and only while the client reads what the stream answers."""
    for begin in range(0, len(samples), _PIECE_SAMPLES):
        while subscriber.queued > MAX_QUEUED_MESSAGES // 2:
            await asyncio.sleep(_QUEUE_POLL_S)
        await stream.write(samples[begin : begin + _PIECE_SAMPLES])


def _ended_status(stream: HostedStream) -> protocol.Status:
    return protocol.Status(
        state=protocol.StreamState.ENDED,
        time=stream.time,
        label=NO_SPEECH,
        repaired=stream.repaired,
        clipped=stream.clipped,
        overflows=0,
    )
