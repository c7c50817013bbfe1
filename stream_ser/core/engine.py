"""THE WAY OF THE DATA: every step takes all streams one hop on, in one call of the backend.

    source --write--> ring --Stream.pull--> hop --Backend.step--> speech, answers --Recognizer--> events --> on_events

A worker's thread calls :meth:`Engine.step` whenever a ring has what its stream waits for; files, evaluations and trainings call
it themselves (:mod:`stream_ser.core.offline`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

from stream_ser.audio.ring import WakeEvent
from stream_ser.core.backend import Backend, NumpyBackend
from stream_ser.core.hop import Hop
from stream_ser.core.observer import EngineObserver, NoObserver
from stream_ser.core.recognizer import Recognizer
from stream_ser.core.stream import AudioTap, OnEnd, OnEvents, Stream
from stream_ser.features import MfccSettings
from stream_ser.models.classifier import Classifier, load_classifier
from stream_ser.models.providers import ProviderChoice
from stream_ser.models.window import Window
from stream_ser.speech.detector import VadFrame

INITIAL_ROWS = 260
"""Streams that fit before the state must be copied to grow, which takes a good part of a second: what a server admits, and
some. It costs address space mostly: a row takes memory when a stream first uses it, and the lowest are used first."""


class Engine:
    """The streams of one process over one backend. ``step`` is called by one thread.

    Args:
        backend: crunches the numbers.
        hop: seconds between two answers, (0, 0.5].
        observer: counts what is done.
    """

    def __init__(self, backend: Backend, hop: float = 0.1, observer: EngineObserver | None = None) -> None:
        self.hop = hop
        self.observer: EngineObserver = observer or NoObserver()
        self.filled = WakeEvent()
        """Set when any stream has audio for its next hop."""
        self.step_began = time.monotonic()
        """When the last step began, on the clock of ``time.monotonic``."""
        self._backend = backend
        self._state = backend.new_state(INITIAL_ROWS)
        self._rows, self._free_rows = INITIAL_ROWS, list(reversed(range(INITIAL_ROWS)))
        self._streams: list[Stream] = []
        self._changing = threading.Lock()
        """Held while streams come and go; a step works on the list that it began with."""

    @classmethod
    def open(
        cls,
        models: Path | None = None,
        provider: ProviderChoice = ProviderChoice.AUTO,
        *,
        hop: float = 0.1,
        window: float = 3.0,
        observer: EngineObserver | None = None,
    ) -> Engine:
        """An engine over the models of a folder (the bundled ones when None).

        Raises:
            BundleError: a model cannot be used.
            ProviderError: ``cuda`` was asked for and does not run.
        """
        return cls.over(load_classifier(models, MfccSettings(), provider, window), hop, observer)

    @classmethod
    def over(cls, classifier: Classifier, hop: float = 0.1, observer: EngineObserver | None = None) -> Engine:
        """An engine over models that are loaded."""
        return cls(NumpyBackend(classifier.features, classifier, classifier.window), hop, observer)

    @property
    def sample_rate(self) -> int:
        """Rate that all streams are brought to, in Hz."""
        return self._backend.features.sample_rate

    def add(self, sample_rate: int, on_events: OnEvents, on_end: OnEnd, tap: AudioTap | None = None) -> Stream:
        """Open a stream; its ring takes mono samples at ``sample_rate``."""
        backend = self._backend
        recognizer = Recognizer(backend.features, backend.facts, self.hop, backend.window)
        stream = Stream(sample_rate, recognizer, self.filled, on_events, on_end, tap)
        with self._changing:
            self._streams = [*self._streams, stream]
        self.observer.stream_opened()
        self.filled.set()
        return stream

    def step(self) -> bool:
        """Take every stream that has audio one hop on, and hand its events over; return whether there was any."""
        streams, self.step_began = self._streams, time.monotonic()
        pulled = [(stream, hop) for stream in streams if (hop := stream.attempt(stream.pull)) is not None]
        if pulled:
            self._process(pulled)
        for stream in streams:
            stream.deliver(stream.recognizer.flush)
            if stream.ended:
                self._remove(stream)
        return bool(pulled)

    def _process(self, pulled: Sequence[tuple[Stream, Hop]]) -> None:
        frontend_done = self.step_began

        def segment(speech: list[list[VadFrame]]) -> list[Window | None]:
            nonlocal frontend_done
            frontend_done = time.monotonic()
            return [stream.attempt(stream.recognizer.process, found) for (stream, _), found in zip(pulled, speech, strict=True)]

        rows = [self._row(stream) for stream, _ in pulled]
        answers = self._backend.step(self._state, rows, [hop for _, hop in pulled], segment)
        inference_done = time.monotonic()
        for (stream, _), answer in zip(pulled, answers, strict=True):
            stream.deliver(stream.recognizer.resolve, answer)
        self.observer.step_finished(
            frontend_done - self.step_began, inference_done - frontend_done, time.monotonic() - inference_done
        )

    def _row(self, stream: Stream) -> int:
        """The row of the backend's state that belongs to the stream; here, since only this thread may let the state grow."""
        if stream.row is None:
            if not self._free_rows:
                self._state.grow(self._rows)
                self._free_rows = list(reversed(range(self._rows, 2 * self._rows)))
                self._rows *= 2
            stream.row = self._free_rows.pop()
        return stream.row

    def _remove(self, stream: Stream) -> None:
        with self._changing:
            self._streams = [other for other in self._streams if other is not stream]
        if stream.row is not None:
            self._free_rows.append(stream.row)
        self.observer.stream_closed(failed=stream.failure is not None)
        stream.on_end(stream.failure)
