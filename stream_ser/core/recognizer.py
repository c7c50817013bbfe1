"""One stream: samples in, events out. No thread, clock, file or socket.

Work is done in hops at fixed places of the stream, so that the events do not depend on how the samples were cut. A recogniser
crunches no numbers: whoever owns many streams runs the backend for all their hops at once, between ``feed`` and ``resolve``.

    taken, hop = recognizer.feed(samples)
    if hop is not None:
        window = recognizer.process(speech found in the hop)
        events = recognizer.resolve(the models' answer to the window)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stream_ser.core.hop import Hop, HopBuffer
from stream_ser.core.segmenter import LONGEST_HOP_S, SHORTEST_SPEECH_S, Segment, Segmenter
from stream_ser.events import Emotion, Event, Gap, SpeechEnd, SpeechStart
from stream_ser.features import MfccSettings
from stream_ser.models.classifier import ModelFacts
from stream_ser.models.decision import Decision, Probabilities, fuse
from stream_ser.models.window import Window
from stream_ser.speech.detector import VadFrame
from stream_ser.speech.gate import Utterance


class Recognizer:
    """The state of one stream: the hop in progress, utterances, label.

    Args:
        features: what a frame is; fixes the sample rate of ``feed``.
        models: labels, threshold and fusion of the answers.
        hop: seconds between two answers, (0, 0.5].
        window: seconds of frames that a model reads at most, at least ``SHORTEST_SPEECH_S``.

    Raises:
        ValueError: ``hop`` or ``window`` is out of range.
    """

    def __init__(self, features: MfccSettings, models: ModelFacts, hop: float = 0.1, window: float = 3.0) -> None:
        self.sample_rate = features.sample_rate
        self._models = models
        self.buffer = HopBuffer(_hop_length(features, hop, window))
        """The hop in progress, and counts of broken samples."""
        self._segmenter = Segmenter(features, window, models.step)
        self._decision = Decision(models.labels, hop, models.threshold)
        self._hop: Hop | None = None
        """The hop that waits for ``process``."""
        self._segment: Segment | None = None
        """What waits for ``resolve``."""
        self._gaps_before, self._gaps_after = list[Gap](), list[Gap]()
        """To be reported before and after the events of the hop in progress."""
        self._lost = 0
        self._begin(0)

    def _begin(self, origin: int) -> None:
        """Start afresh with ``origin`` samples of stream time behind."""
        self._segmenter.reset()
        self._decision.reset()
        self._origin, self._processed = origin, 0
        self._interrupted = False

    @property
    def time(self) -> float:
        """Seconds of the stream taken so far."""
        return self._seconds(self._processed + self.buffer.filled + self._lost)

    def feed(self, samples: NDArray[np.float32]) -> tuple[int, Hop | None]:
        """Take samples up to the end of the hop; return how many, and the hop if they complete it.

        Args:
            samples: mono, in [-1, 1], at ``sample_rate``. NaN and infinity become 0 and are counted in ``repaired``.

        Raises:
            RuntimeError: the last hop was not resolved.
        """
        self._require_resolved()
        if self._interrupted:
            self._begin(self._origin + self._processed + self._lost)
            self._lost = 0
        taken = self.buffer.feed(samples)
        return taken, None if self.buffer.missing else self._complete(ends=False)

    def finish(self) -> Hop:
        """End the stream: return its last hop, maybe shorter than others or empty.

        Raises:
            RuntimeError: the last hop was not resolved.
        """
        self._require_resolved()
        return self._complete(ends=True)

    def skip(self, samples: int, reason: str) -> Hop | None:
        """Note that the next ``samples`` of the stream, maybe none, are lost; return the hop that ends before them.

        None where nothing is in progress; :meth:`flush` then has the loss at once.

        Raises:
            RuntimeError: the last hop was not resolved.
        """
        self._require_resolved()
        gaps = [Gap(self.time, samples / self.sample_rate, reason)] if samples else []
        hop: Hop | None = None
        if self.buffer.filled or self._segmenter.in_utterance:
            hop, self._gaps_after = self._complete(ends=True), gaps
        else:
            self._gaps_before += gaps
        self._interrupted = True
        self._lost += samples
        return hop

    def process(self, speech: Sequence[VadFrame]) -> Window | None:
        """Take what a detector found in the hop; return the window that the models are asked about, if there is one.

        Raises:
            RuntimeError: no hop waits.
        """
        if self._hop is None:
            raise RuntimeError("no hop waits to be processed")
        hop, self._hop = self._hop, None
        self._segment = self._segmenter.process(speech, len(hop.samples), last=hop.ends)
        return self._segment.window

    def resolve(self, probabilities: NDArray[np.float32] | None) -> list[Event]:
        """Take the models' answer to the window of ``process``; return the events of the hop, in stream order.

        Args:
            probabilities: ``float32[model, emotion]``; None where there was no window.

        Raises:
            RuntimeError: no hop was processed, or an answer is missing or too much.
        """
        if self._segment is None:
            raise RuntimeError("no hop waits for an answer")
        segment, self._segment = self._segment, None
        if (segment.window is None) != (probabilities is None):
            raise RuntimeError("an answer belongs to each window, and to nothing else")
        events = [*self.flush(), *(self._boundary(one) for one in segment.before)]
        if segment.window is not None and probabilities is not None:
            events.append(self._emotion(segment.window, probabilities))
        events += [*(self._boundary(one) for one in segment.after), *self._gaps_after]
        self._gaps_after = []
        return events

    def flush(self) -> list[Event]:
        """The events that wait for no hop."""
        events, self._gaps_before = list[Event](self._gaps_before), []
        return events

    def _require_resolved(self) -> None:
        if self._hop is not None or self._segment is not None:
            raise RuntimeError("the last hop waits to be resolved")

    def _complete(self, *, ends: bool) -> Hop:
        self._hop = Hop(self.buffer.take(), begins=not self._processed, ends=ends)
        self._processed += len(self._hop.samples)
        return self._hop

    def _boundary(self, one: Utterance) -> SpeechStart | SpeechEnd:
        start = self._seconds(one.start)
        return SpeechStart(start) if one.end is None else SpeechEnd(start, self._seconds(one.end))

    def _emotion(self, window: Window, answers: NDArray[np.float32]) -> Emotion:
        decide = self._decision.final if window.is_final else self._decision.interim
        label, fused = decide(fuse(list(answers), self._models.fusion_temperature))
        return Emotion(
            self._seconds(window.start),
            self._seconds(window.end),
            label,
            _by_label(self._models.labels, fused),
            {name: _by_label(self._models.labels, row) for name, row in zip(self._models.names, answers, strict=True)},
            window.is_final,
        )

    def _seconds(self, sample: int) -> float:
        return (self._origin + sample) / self.sample_rate


def _hop_length(features: MfccSettings, hop: float, window: float) -> int:
    """Samples of a hop, with both settings in range."""
    if not 0.0 < hop <= LONGEST_HOP_S:
        raise ValueError(f"hop is {hop} s; it must be above 0 and at most {LONGEST_HOP_S}")
    if (length := round(hop * features.sample_rate)) < 1:
        raise ValueError(f"hop is {hop} s; it must hold a sample")
    if window < SHORTEST_SPEECH_S:
        raise ValueError(f"window is {window} s; it must be at least {SHORTEST_SPEECH_S}")
    return length


def _by_label(labels: tuple[str, ...], probabilities: Probabilities) -> dict[str, float]:
    return dict(zip(labels, probabilities.tolist(), strict=True))
