"""Wires source -> engine -> server, from start to a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from pathlib import Path

from websockets.frames import CloseCode

from stream_ser import logs, protocol
from stream_ser.audio.sources.file import DEMO, FileSource
from stream_ser.audio.sources.microphone import DEFAULT_RATE_HZ, Microphone
from stream_ser.audio.sources.source import AudioError, Source, SourceState
from stream_ser.core.engine import Engine
from stream_ser.core.host import EngineHost, HostedStream
from stream_ser.daemon.memory import release_freed_memory
from stream_ser.daemon.metrics import CONTENT_TYPE, Metrics
from stream_ser.daemon.reload import reload
from stream_ser.daemon.sd_notify import notify
from stream_ser.daemon.settings import Settings
from stream_ser.daemon.state import DaemonState
from stream_ser.daemon.watchdog import Watchdog
from stream_ser.errors import UserError
from stream_ser.events import Event, Gap
from stream_ser.features import MfccSettings
from stream_ser.models.classifier import Classifier, load_classifier
from stream_ser.outputs.recorder import Recorder
from stream_ser.protocol import StreamState
from stream_ser.server.app import Server
from stream_ser.server.auth import Access, read_token, tls
from stream_ser.server.http import Page, Pages, json_page
from stream_ser.server.uploads import Uploads

STARTED_AFTER_S = 1.0
"""By then the first hops have allocated what they need, and what starting left behind can be given back."""

OnMessage = Callable[[protocol.ServerMessage], None]
"""Called with every published message, on the event loop."""


def open_source(settings: Settings) -> Source:
    """The source that the settings name, not yet started.

    Raises:
        AudioError: there is no such file.
    """
    if settings.input is not None:
        return FileSource(DEMO if settings.input == "demo" else Path(settings.input), realtime=settings.realtime)
    return Microphone(settings.device, settings.channel)


class Daemon:
    """One source, its engine and its server, in one process.

    Args:
        settings: what to run with.
        source: not yet started.
        load_settings: gives the settings anew, on SIGHUP.
        on_started: called with the address once clients can connect.
        on_message: called with every published message.

    Raises:
        UserError: the token, the certificate, the models or the folder for recordings cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        source: Source,
        load_settings: Callable[[], Settings],
        on_started: Callable[[str, Daemon], None],
        on_message: OnMessage,
    ) -> None:
        self._settings, self._load_settings = settings, load_settings
        self._on_started, self._on_message = on_started, on_message
        self.source = source
        token = read_token(settings.token_file, settings.host)
        self._access = Access(token, settings.allow_origin, tls(settings.tls_cert, settings.tls_key))
        self._metrics = Metrics()
        self.classifier = load_classifier(settings.models, MfccSettings(), settings.provider, settings.window)
        self._engine = Engine.over(self.classifier, settings.hop, self._metrics)
        self.state = DaemonState(source, self.classifier, settings.hop, settings.record)
        self._recorder: Recorder | None = None
        if settings.record is not None:
            self._recorder = Recorder(
                settings.record,
                self._engine.sample_rate,
                lambda: self.state.hello(0.0),
                lambda reason: _call_on(self._loop, self._on_recorder_failure, reason),
            )
        self._failure: BaseException | None = None

    @property
    def time(self) -> float:
        """Seconds of the stream processed so far."""
        return self._stream.time

    async def run(self) -> None:
        """Listen and serve until the source ends, a signal comes or something fails.

        Raises:
            UserError: the source or the address cannot be opened, or the source broke off.
            Exception: the engine, or the daemon's own stream, failed.
        """
        self._loop = asyncio.get_running_loop()
        self._done = asyncio.Event()
        host = EngineHost(self._engine, self._on_engine_failure)
        rate = self.source.sample_rate or DEFAULT_RATE_HZ
        self._stream = host.open_stream(rate, self._on_events, self._on_stream_end, self._recorder)
        uploads = Uploads(host, self.state.upload_hello, self._metrics.count_events)
        pages = _pages(self.state, self._metrics, host, self._stream, lambda: self._server.clients)
        greeting = partial(self.state.greeting, self._stream)
        self._server = Server(greeting, lambda: self.time, uploads, pages, self._access, self._metrics)
        with _signal_handlers(self._loop, lambda: self._finish(StreamState.STOPPING), self._reload):
            address = await self._server.start(self._settings.host, self._settings.port)
            host.start()
            try:
                await self._listen(host, address)
            finally:
                await self._shut_down(host)
        if self._failure is not None:
            raise self._failure

    async def _listen(self, host: EngineHost, address: str) -> None:
        """Run the source until there is a reason to stop."""
        self.state.started_at = time.time()
        self.source.start(self._stream.ring, lambda *change: _call_on(self._loop, self._on_source_change, *change))
        self._on_started(address, self)
        _log_start(address, self.source, self.classifier, self.state)
        self._loop.call_later(STARTED_AFTER_S, release_freed_memory)

        watchdog = Watchdog(host, self._stream, self.state, address, lambda: self._server.clients, self._publish_status)
        reporting = asyncio.create_task(watchdog.run())
        await self._done.wait()
        reporting.cancel()

    async def _shut_down(self, host: EngineHost) -> None:
        notify("STOPPING=1")
        # Off the loop: stopping waits for threads, and clients still have their last messages to come.
        await asyncio.to_thread(self.source.stop)
        await host.stop()
        self._publish_status()
        logs.info("stopping", state=self.state.activity.value, stream_time=self.time)
        if self._recorder is not None:
            await asyncio.to_thread(self._recorder.close)
        broken = self._failure is not None and not isinstance(self._failure, UserError)
        await self._server.stop(CloseCode.INTERNAL_ERROR if broken else CloseCode.GOING_AWAY)

    def _publish(self, message: protocol.ServerMessage) -> None:
        self._server.publish(message)
        self._on_message(message)
        if self._recorder is not None:
            self._recorder.write_message(message)

    def _publish_status(self) -> None:
        self._publish(self.state.status(self._stream))

    def _reload(self) -> None:
        self._settings = reload(self._settings, self._load_settings, self.source)

    def _finish(self, activity: StreamState) -> None:
        """Stop; the first reason to do so is the one that clients get."""
        if not self._done.is_set():
            self.state.activity = activity
            self._done.set()

    def _on_events(self, events: list[Event]) -> None:
        for event in events:
            self.state.apply(event)
            if isinstance(event, Gap):
                logs.warning("gap", reason=event.reason, start=event.start, seconds=event.seconds)
            self._publish(protocol.of_event(event))
        self._metrics.count_events(events)

    def _on_source_change(self, change: SourceState, reason: str) -> None:
        self.state.source_changed(change, reason)
        self._metrics.set_source_up(change is SourceState.RESTORED)
        self._publish_status()
        if change is SourceState.RESTORED:
            self.state.activity = StreamState.LISTENING
        _log_source(change, self.source, reason)

    def _on_stream_end(self, failure: BaseException | None) -> None:
        if failure is not None:
            logs.error("stream_failed", error=repr(failure))
            self._failure = failure
        elif self.source.failure is not None:
            self._failure = AudioError(f"{self.source.name} broke off: {self.source.failure}; the file is damaged")
        self._finish(StreamState.ENDED if failure is None else StreamState.STOPPING)

    def _on_engine_failure(self, error: BaseException) -> None:
        logs.error("engine_failed", error=repr(error))
        self._failure = error
        self._finish(StreamState.STOPPING)

    def _on_recorder_failure(self, reason: str) -> None:
        self.state.recording = None
        logs.error("recording_failed", reason=reason)
        self._publish_status()


def _pages(state: DaemonState, metrics: Metrics, host: EngineHost, stream: HostedStream, clients: Callable[[], int]) -> Pages:
    """What plain HTTP serves; ``clients`` gives the connections open now."""

    def health() -> Page:
        content = state.health(time.monotonic() - host.heartbeat, clients())
        return json_page(content, HTTPStatus.OK if content["ok"] else HTTPStatus.SERVICE_UNAVAILABLE)

    return {
        "/healthz": health,
        "/metrics": lambda: Page(metrics.exposition(), CONTENT_TYPE),
        "/v1/info": lambda: json_page(state.hello(stream.time)),
        "/v1/schema": lambda: json_page(protocol.schema()),
    }


def _log_start(address: str, source: Source, classifier: Classifier, state: DaemonState) -> None:
    logs.info(
        "ready",
        address=address,
        source=source.name,
        host_api=source.host_api,
        sample_rate=source.sample_rate,
        provider=classifier.provider,
        provider_reason=classifier.reason,
    )
    if state.recording is not None:
        logs.warning("recording", folder=state.recording)


def _log_source(change: SourceState, source: Source, reason: str) -> None:
    if change is SourceState.RESTORED:
        logs.info("source_restored", source=source.name, host_api=source.host_api, sample_rate=source.sample_rate)
    else:
        logs.warning("source_lost", source=source.name, reason=reason)


@contextlib.contextmanager
def _signal_handlers(loop: asyncio.AbstractEventLoop, stop: Callable[[], None], reload: Callable[[], None]) -> Iterator[None]:
    """Stop on SIGINT and SIGTERM, reload on SIGHUP."""
    handlers = {signal.SIGINT: stop, signal.SIGTERM: stop, signal.SIGHUP: reload}
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


def _call_on(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *args: object) -> None:
    """Call on the event loop, from the thread of the source or of the recorder."""
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
        loop.call_soon_threadsafe(call, *args)
