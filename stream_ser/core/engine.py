"""Many streams, one inference call per model per hop, and the one thread that does it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from stream_ser import features
from stream_ser.audio.resample import Resampler
from stream_ser.audio.ring import Chunk, SampleRing, WakeEvent
from stream_ser.core.observer import EngineObserver, NoObserver
from stream_ser.core.recognizer import Hop, Recognizer
from stream_ser.events import OVERFLOW, Event
from stream_ser.features import MfccSettings
from stream_ser.models.classifier import Classifier, ModelState, load_classifier
from stream_ser.models.providers import ProviderChoice
from stream_ser.models.window import Window
from stream_ser.speech import detector as vad

Samples = NDArray[np.float32]
_Listener = TypeVar("_Listener")
_Found = TypeVar("_Found")

Deliver = Callable[[list[Event]], None]
"""Takes events of one stream, on the worker's thread, and returns at once."""

OnEnd = Callable[[BaseException | None], None]
"""Called on the worker's thread after the last event of a stream; with the exception where one ended it."""

BLOCK = 64
"""Hops that are heard at a time: of more, what is computed no longer fits into the processor's cache."""

MANY = 16
"""Hops from which on detector and extractor run beside each other."""

_NOTHING: Samples = np.empty(0, np.float32)

RING_SECONDS = 3.0
"""Audio that may wait for a worker that fell behind: no answer is later than a window, and what is older makes room."""


class AudioTap(Protocol):
    """Is given the audio of a stream as the recogniser hears it, on the worker's thread, and returns at once."""

    def heard(self, samples: Samples) -> None: ...

    def lost(self, samples: int) -> None: ...


class Stream:
    """One source's way to its events: ring -> resampler -> recogniser."""

    def __init__(
        self,
        sample_rate: int,
        recognizer: Recognizer,
        memory: ModelState,
        filled: WakeEvent,
        deliver: Deliver,
        on_end: OnEnd,
        tap: AudioTap | None,
    ) -> None:
        self.ring = SampleRing(round(RING_SECONDS * sample_rate), filled)
        self.recognizer = recognizer
        self.memory = memory
        self.deliver = deliver
        self.on_end = on_end
        self._tap = tap
        self.ended = False
        """Whether all of an ended source was heard."""
        self._rate = sample_rate
        self._resampler = Resampler(sample_rate, recognizer.sample_rate)
        self._ready = _NOTHING
        self._break: Chunk | None = None
        """A break that comes when what is ready is heard."""
        self._block = max(1, sample_rate // 10)
        self._closing = False

    @property
    def time(self) -> float:
        """Seconds of the stream taken so far."""
        return self.recognizer.time

    @property
    def repaired(self) -> int:
        """Samples so far that were not finite."""
        return self.recognizer.repaired

    @property
    def clipped(self) -> int:
        """Samples so far at full scale."""
        return self.recognizer.clipped

    def pull(self) -> Hop | Window | None:
        """Take what the ring holds, until a hop is to be heard, a window wants an answer, or nothing is left."""
        while True:
            if len(self._ready):
                taken, hop = self.recognizer.take(self._ready)
                self._ready = self._ready[taken:]
                if hop is not None:
                    return hop
                continue
            if self._break is not None:
                chunk, self._break = self._break, None
                window = self._skip(chunk)
                if window is not None:
                    return window
                continue
            ended = self.ring.ended  # before reading: what was written before the end is then seen
            chunk = self.ring.read(self._block)
            if chunk.broken is not None or chunk.lost:
                self._make_ready(_NOTHING, last=True)  # what the resampler holds back is not lost
                self._break = chunk
            elif len(chunk.samples):
                self._make_ready(chunk.samples)
            elif not ended:
                self.ring.wanted = max(1, math.ceil(self.recognizer.missing * self._rate / self.recognizer.sample_rate))
                if self.ring.waiting < self.ring.wanted and not self.ring.ended:
                    return None
            elif not self._closing:
                self._closing = True
                self._make_ready(chunk.samples, last=True)
            else:
                window = None if self.ended else self.recognizer.finish()
                self.ended = True
                return window

    def _skip(self, chunk: Chunk) -> Window | None:
        """Go on after what is missing before the samples of the chunk."""
        lost, reason = chunk.lost, OVERFLOW
        if chunk.broken is not None:
            lost, reason, self._rate = chunk.broken.lost, chunk.broken.reason, chunk.broken.rate
            self.ring.limit = min(self.ring.capacity, round(RING_SECONDS * self._rate))
            self._resampler = Resampler(self._rate, self.recognizer.sample_rate)
        else:
            self._resampler.reset()
        missing = round(lost * self.recognizer.sample_rate / self._rate)
        if self._tap is not None:
            self._tap.lost(missing)
        self._make_ready(chunk.samples)
        return self.recognizer.skip(missing, reason)

    def _make_ready(self, samples: Samples, *, last: bool = False) -> None:
        self._ready = self._resampler.push(samples, last=last)
        if self._tap is not None:
            self._tap.heard(self._ready)


class Engine:
    """The streams of one process over one classifier. ``step`` is called by one thread.

    Args:
        classifier: the models.
        hop: seconds between two answers.
        window: seconds of speech that an answer looks back on.
        observer: counts what is done.
    """

    def __init__(
        self, classifier: Classifier, hop: float = 0.1, window: float = 3.0, observer: EngineObserver | None = None
    ) -> None:
        self.classifier = classifier
        self.hop, self.window = hop, window
        self.observer: EngineObserver = observer or NoObserver()
        self.sample_rate = MfccSettings().sample_rate
        self.filled = WakeEvent()
        """Set when any stream has audio for its next hop."""
        self.step_began = time.monotonic()
        """When the last step began, on the clock of ``time.monotonic``."""
        self._streams: list[Stream] = []
        self._changing = threading.Lock()
        """Held while streams come and go; a step works on the list that it began with."""
        self._beside = ThreadPoolExecutor(1, "beside the worker")  # starts its thread when there are many streams

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
        return cls(load_classifier(models, MfccSettings(), provider, window), hop, window, observer)

    def add(self, sample_rate: int, deliver: Deliver, on_end: OnEnd, tap: AudioTap | None = None) -> Stream:
        """Open a stream; its ring takes mono samples at ``sample_rate``."""
        recognizer = Recognizer(MfccSettings(), self.hop, self.window, self.classifier.labels, step=self.classifier.step)
        stream = Stream(sample_rate, recognizer, self.classifier.new_state(), self.filled, deliver, on_end, tap)
        with self._changing:
            self._streams = [*self._streams, stream]
        self.observer.stream_opened()
        self.filled.set()
        return stream

    def step(self) -> bool:
        """Take every stream one hop on, hear all hops and answer all windows at once, deliver; return whether there was any."""
        streams, self.step_began = self._streams, time.monotonic()
        pulled = [(stream, one) for stream in streams if (one := stream.pull()) is not None]
        hops = [(stream, one.samples) for stream, one in pulled if isinstance(one, Hop)]
        asked = [(stream, one) for stream, one in pulled if isinstance(one, Window)]
        samples = [piece for _, piece in hops]
        detectors = [stream.recognizer.detector for stream, _ in hops]
        # Of many hops, arrays are long, and numpy computes without the interpreter's lock; of a few, a thread costs more.
        listening = self._beside.submit(_in_blocks, vad.push_all, detectors, samples) if len(hops) >= MANY else None
        frames = _in_blocks(features.push_all, [stream.recognizer.extractor for stream, _ in hops], samples)
        speech = vad.push_all(detectors, samples) if listening is None else listening.result()
        for (stream, _), new, probabilities in zip(hops, frames, speech, strict=True):
            window = stream.recognizer.hear(new, probabilities)
            if window is not None:
                asked.append((stream, window))
        heard = time.monotonic()
        answers = self.classifier.classify([(window, stream.memory) for stream, window in asked])
        answered = time.monotonic()
        for (stream, _), answer in zip(asked, answers, strict=True):
            stream.recognizer.answer(answer)
        for stream in streams:
            events = stream.recognizer.drain()
            if events:
                stream.deliver(events)
            if stream.ended:
                with self._changing:
                    self._streams = [other for other in self._streams if other is not stream]
                self.observer.stream_closed(failed=False)
                stream.on_end(None)
        if hops:
            self.observer.step_finished(heard - self.step_began, answered - heard, time.monotonic() - answered)
        return bool(pulled)


def _in_blocks(
    push_all: Callable[[Sequence[_Listener], Sequence[Samples]], Sequence[_Found]],
    listeners: Sequence[_Listener],
    pieces: Sequence[Samples],
) -> list[_Found]:
    """What ``push_all`` returns, of :data:`BLOCK` streams at a time."""
    found: list[_Found] = []
    for first in range(0, len(pieces), BLOCK):
        block = slice(first, first + BLOCK)
        found += push_all(listeners[block], pieces[block])
    return found


class Worker:
    """The thread that steps an engine whenever audio comes."""

    def __init__(self, engine: Engine, failed: Callable[[BaseException], None]) -> None:
        self._engine = engine
        self._failed = failed
        self._stop = False
        self.heartbeat = time.monotonic()
        """When it was last seen to go on, on the clock of ``time.monotonic``; every second at least."""
        self._thread = threading.Thread(target=self._work, name="worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish the step in progress and end the thread."""
        self._stop = True
        self._engine.filled.set()
        self._thread.join()

    def _work(self) -> None:
        try:
            while not self._stop:
                self.heartbeat = time.monotonic()
                if not self._engine.step():
                    self._engine.filled.wait(1.0)
        except BaseException as error:  # the thread must not die unseen
            self._failed(error)
