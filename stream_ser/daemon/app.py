"""Wires source -> engine -> server, from start to a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

import msgspec
from websockets.frames import CloseCode

from stream_ser import __version__, logs, protocol
from stream_ser.audio.sources.file import DEMO, FileSource
from stream_ser.audio.sources.microphone import USUAL_RATE, Microphone
from stream_ser.audio.sources.source import AudioError, Source, SourceState
from stream_ser.core.engine import Engine, Stream, Worker
from stream_ser.core.recognizer import Recognizer
from stream_ser.daemon import metrics
from stream_ser.daemon.sd_notify import notify
from stream_ser.daemon.settings import Settings
from stream_ser.errors import UserError
from stream_ser.events import NO_SPEECH, Emotion, Event, Gap, SpeechEnd
from stream_ser.features import MfccSettings
from stream_ser.models.classifier import Classifier, load_classifier
from stream_ser.outputs.recorder import Recording
from stream_ser.server.app import Access, OwnStreams, Server
from stream_ser.server.auth import read_token, tls
from stream_ser.server.http import Page, json_page

LISTENING = "listening"
"""What a status says while all is well."""

ENDED = "ended"
"""What it says when the source is over."""

CARE_EVERY = 1.0
"""Seconds between two looks at how the daemon is doing."""

COUNTS_EVERY = 5.0
"""Seconds between two messages about broken, clipped or incomplete audio, at least."""

HUNG = 5.0
"""Seconds without progress of the worker or of a source that is not known to be lost, after which something hangs."""

LIVE = ("device", "channel")
"""Settings that change while the daemon runs, on SIGHUP."""

Show = Callable[[protocol.ServerMessage], None]
"""Shows a message to whoever sits at the terminal."""


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
        source: what to hear, not yet started.
        reload: gives the settings anew, on SIGHUP.
        started: called with the address once clients can connect.
        show: called with every published message.

    Raises:
        UserError: the models, or the folder for recordings, cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        source: Source,
        reload: Callable[[], Settings],
        started: Callable[[str, Daemon], None],
        show: Show,
    ) -> None:
        self._settings, self._reload = settings, reload
        self._started, self._show = started, show
        self.source = source
        access = Access(
            read_token(settings.token_file, settings.host),
            settings.allow_origin,
            tls(settings.tls_cert, settings.tls_key),
        )
        features = MfccSettings()
        self.classifier: Classifier = load_classifier(settings.models, features, settings.provider, settings.window)
        self._engine = Engine(self.classifier)
        self._features = features
        recognizer = self._new_recognizer()
        rate = self.source.sample_rate or USUAL_RATE
        self.recording: Recording | None = None
        if settings.record is not None:
            self.recording = Recording(settings.record, recognizer.sample_rate, self._hello, self._recording_broke_off)
        self._stream: Stream = self._engine.add(rate, recognizer, self._deliver, self._end, self.recording)
        self._server = Server(
            self._greet,
            lambda: self.heard,
            OwnStreams(self._open_own, self._greet_own, _ended),
            {
                "/healthz": self._health,
                "/metrics": lambda: Page(metrics.exposition(), metrics.CONTENT_TYPE),
                "/v1/info": lambda: json_page(self._hello()),
                "/v1/schema": lambda: json_page(protocol.schema()),
            },
            access,
        )
        self._worker = Worker(self._engine, self._fail)
        metrics.SOURCE_UP.set(1)
        self._label = NO_SPEECH
        self._state = LISTENING
        self._reason = ""
        self._started_at = time.time()
        self._failure: BaseException | None = None

    @property
    def heard(self) -> float:
        """Seconds of the stream so far."""
        return self._stream.recognizer.time

    async def run(self) -> None:
        """Listen and serve until the source ends or the process is told to stop.

        Raises:
            UserError: the source or the address cannot be opened, or the source broke off.
        """
        self._loop = asyncio.get_running_loop()
        self._done = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.add_signal_handler(number, self._finish, "stopping")
        self._loop.add_signal_handler(signal.SIGHUP, self._load_again)
        address = await self._server.start(self._settings.host, self._settings.port)
        self._worker.start()
        try:
            self._started_at = time.time()
            self.source.start(self._stream.ring, self._tell)
            self._started(address, self)
            self._note_start(address)
            notify(f"READY=1\nSTATUS={self._summary(address)}")
            care = asyncio.create_task(self._care(address))
            await self._done.wait()
            care.cancel()
        finally:
            notify("STOPPING=1")
            # Off the loop: stopping waits for threads, and clients still have their last messages to come.
            await asyncio.to_thread(self.source.stop)
            await asyncio.to_thread(self._worker.stop)
            self._publish(self._status())
            logs.info("stopping", state=self._state, stream_time=self._stream.recognizer.time)
            if self.recording is not None:
                await asyncio.to_thread(self.recording.close)
            broken = self._failure is not None and not isinstance(self._failure, UserError)
            await self._server.stop(CloseCode.INTERNAL_ERROR if broken else CloseCode.GOING_AWAY)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                self._loop.remove_signal_handler(number)
        if self._failure is not None:
            raise self._failure

    async def _care(self, address: str) -> None:
        """Tell the service manager what is going on, and that all goes on: worker, source and, by running, the loop."""
        told, counted, since = "", self._counts(), 0.0
        heard, heard_at = self._stream.ring.written, time.monotonic()
        while True:
            said = self._summary(address)
            now = time.monotonic()
            if self._stream.ring.written != heard or self._state != LISTENING:
                heard, heard_at = self._stream.ring.written, now
            going = now - self._worker.latest < HUNG and now - heard_at < HUNG
            notify("\n".join(["WATCHDOG=1"] * going + [f"STATUS={said}"] * (said != told)))
            told = said
            if self._counts() != counted and now - since > COUNTS_EVERY:
                counted, since = self._counts(), now
                self._publish(self._status())
                logs.warning("audio_trouble", **dict(zip(("repaired", "clipped", "overflows"), counted, strict=True)))
            await asyncio.sleep(CARE_EVERY)

    def _summary(self, address: str) -> str:
        state = f"{self._state} to {self.source.name}" if self._state == LISTENING else f"{self._state}: {self._reason}"
        recording = f"; RECORDING to {self._settings.record}" if self._records else ""
        return f"{state}, {self._label}; {self._server.clients} clients at {address}; {self.classifier.provider}{recording}"

    @property
    def _records(self) -> bool:
        return self.recording is not None and not self.recording.broken

    def _note_start(self, address: str) -> None:
        source, classifier = self.source, self.classifier
        logs.info(
            "ready",
            address=address,
            source=source.name,
            host_api=source.host_api,
            sample_rate=source.sample_rate,
            provider=classifier.provider,
            provider_reason=classifier.reason,
        )
        if self.recording is not None:
            logs.warning("recording", folder=self.recording.folder)

    def _counts(self) -> tuple[int, ...]:
        recognizer = self._stream.recognizer
        return recognizer.repaired, recognizer.clipped, self.source.overflows

    def _greet(self) -> list[protocol.ServerMessage]:
        return [self._hello(), self._status()]

    def _new_recognizer(self) -> Recognizer:
        settings, classifier = self._settings, self.classifier
        return Recognizer(self._features, settings.hop, settings.window, classifier.labels, step=classifier.step)

    def _health(self) -> Page:
        """How it truly is; 503 when nothing is heard or the worker hangs."""
        age = time.monotonic() - self._worker.latest
        well = self._state == LISTENING and age < HUNG
        content = {
            "ok": well,
            "state": self._state,
            "reason": self._reason,
            "source": self.source.name,
            "worker_age_s": round(age, 3),
            "provider": self.classifier.provider,
            "clients": self._server.clients,
        }
        return json_page(content, HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE)

    def _open_own(
        self, rate: int, deliver: Callable[[list[protocol.ServerMessage]], None], ended: Callable[[], None]
    ) -> Stream:
        def on_events(events: list[Event]) -> None:
            self._on_loop(deliver, [protocol.of_event(event) for event in events])
            _count(events)

        return self._engine.add(rate, self._new_recognizer(), on_events, lambda: self._on_loop(ended))

    def _greet_own(self) -> list[protocol.ServerMessage]:
        return [
            msgspec.structs.replace(
                self._hello(), source="", host_api="", sample_rate=0, started_at=time.time(), time=0.0, recording=False
            )
        ]

    def _hello(self) -> protocol.Hello:
        return protocol.Hello(
            protocol=protocol.VERSION,
            version=__version__,
            source=self.source.name,
            host_api=self.source.host_api,
            sample_rate=self.source.sample_rate,
            started_at=self._started_at,
            time=self._stream.recognizer.time,
            labels=self.classifier.labels,
            hop=self._settings.hop,
            window=self._settings.window,
            models=self.classifier.versions,
            provider=self.classifier.provider,
            provider_reason=self.classifier.reason,
            recording=self._records,
        )

    def _status(self) -> protocol.Status:
        recognizer = self._stream.recognizer
        return protocol.Status(
            state=self._state,
            reason=self._reason,
            time=recognizer.time,
            label=self._label,
            repaired=recognizer.repaired,
            clipped=recognizer.clipped,
            overflows=self.source.overflows,
            recording=self._records,
        )

    def _publish(self, message: protocol.ServerMessage) -> None:
        self._server.publish(message)
        self._show(message)
        if self.recording is not None:
            self.recording.told(message)

    def _finish(self, state: str) -> None:
        self._state = state
        self._done.set()

    def _source_changed(self, state: SourceState, reason: str) -> None:
        self._state, self._reason = state.value, reason
        metrics.SOURCE_UP.set(state is SourceState.RESTORED)
        self._publish(self._status())
        if state is SourceState.RESTORED:
            self._state = LISTENING
            source = self.source
            logs.info("source_restored", source=source.name, host_api=source.host_api, sample_rate=source.sample_rate)
        else:
            logs.warning("source_lost", source=self.source.name, reason=reason)

    def _load_again(self) -> None:
        """Take over what may change while it runs; the rest waits for a restart, and a wrong setting changes nothing."""
        try:
            found = self._reload()
        except UserError as error:
            logs.error("reload_refused", reason=str(error))
            return
        changed = [name for name in Settings.model_fields if getattr(found, name) != getattr(self._settings, name)]
        live = [name for name in changed if name in LIVE and isinstance(self.source, Microphone)]
        if live and isinstance(self.source, Microphone):
            self.source.change(found.device, found.channel)
            self._settings = self._settings.model_copy(update={name: getattr(found, name) for name in live})
        waiting = [name for name in changed if name not in live]
        logs.info("reloaded", changed=",".join(live), after_a_restart=",".join(waiting))

    def _recording_stopped(self, reason: str) -> None:
        logs.error("recording_broke_off", reason=reason)
        self._publish(self._status())

    # The worker's or the source's thread calls these; the loop's thread does the rest.

    def _tell(self, state: SourceState, reason: str) -> None:
        self._on_loop(self._source_changed, state, reason)

    def _deliver(self, events: list[Event]) -> None:
        self._on_loop(self._publish_events, events, self._engine.began)
        _count(events)

    def _end(self) -> None:
        if self.source.failure is not None:
            self._failure = AudioError(f"{self.source.name} broke off: {self.source.failure}; the file is damaged")
        self._on_loop(self._finish, ENDED)

    def _recording_broke_off(self, reason: str) -> None:
        self._on_loop(self._recording_stopped, reason)

    def _fail(self, error: BaseException) -> None:
        self._failure = error
        self._on_loop(self._finish, "stopping")

    def _on_loop(self, call: Callable[..., None], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(call, *args)

    def _publish_events(self, events: list[Event], began: float) -> None:
        for event in events:
            if isinstance(event, Emotion):
                self._label = event.label
            elif isinstance(event, SpeechEnd):
                self._label = NO_SPEECH
            elif isinstance(event, Gap):
                logs.warning("gap", reason=event.reason, start=event.start, seconds=event.seconds)
            self._publish(protocol.of_event(event))
        metrics.LATENCY.observe(time.monotonic() - began)


def _ended(stream: Stream) -> protocol.Status:
    """The last status of a stream that a client brought."""
    recognizer = stream.recognizer
    return protocol.Status(
        state=ENDED,
        time=recognizer.time,
        label=NO_SPEECH,
        repaired=recognizer.repaired,
        clipped=recognizer.clipped,
        overflows=0,
    )


def _count(events: list[Event]) -> None:
    """Note in the metrics what was lost and labelled."""
    for event in events:
        if isinstance(event, Gap):
            metrics.LOST.labels(event.reason).inc(event.seconds)
        elif isinstance(event, Emotion) and event.is_final:
            metrics.EMOTIONS.inc()
