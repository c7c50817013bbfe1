"""THE CORE: samples of one stream go in, events come out. No thread, clock, file or socket.

Work is done in hops at fixed places of the stream, so that the events do not depend on how the samples were cut. A
recogniser never runs a model: it asks for the answer to a :class:`Window`, so that whoever owns many streams can
answer all their windows in one call.

    while samples:
        taken, window = recognizer.advance(samples)
        if window is not None:
            recognizer.answer(classify(window))
        events = recognizer.drain()

``advance`` is ``take`` and ``hear``, between which whoever owns many streams can detect speech and compute frames for all
their hops at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stream_ser.events import EMOTIONS, Emotion, Event, Gap, SpeechEnd, SpeechStart
from stream_ser.features import FrameHistory, MfccSettings, OffsetRemoval, StreamingMfcc
from stream_ser.models.decision import Decision, DecisionSettings, Probabilities, fuse
from stream_ser.models.window import Window
from stream_ser.speech.detector import CHUNK, SpeechDetector, VadFrame, VoiceActivity
from stream_ser.speech.gate import SpeechGate, Utterance

LEAD = 0.1
"""Seconds before the detected start, and after the detected end, that belong to the utterance's window."""

SHORTEST = 0.25
"""Seconds of speech below which no answer is given."""

PAUSE = 0.2
"""Seconds without speech after which no interim answer is given."""

LONGEST_HOP = 0.5
"""Seconds; a longer hop could hold the ends of two utterances."""

FULL_SCALE = 0.999
"""Size of a sample from which on it is taken to be cut off."""

_NO_OPINION: Probabilities = np.full(len(EMOTIONS), 1.0 / len(EMOTIONS), np.float32)


@dataclass(frozen=True, slots=True)
class Hop:
    """Samples of one hop, finite and without offset, that await being heard: a view, valid until then."""

    samples: NDArray[np.float32]


class Recognizer:
    """The state of one stream: detector, features, window, decision; and the events not yet drained.

    Args:
        features: what a frame is; fixes the sample rate of ``advance``.
        hop: seconds between two answers, (0, 0.5].
        window: seconds of frames that a model sees at most, at least ``SHORTEST``.
        labels: what the probabilities stand for, in order.
        decision: how labels are smoothed.
        detector: voice activity detector of this stream.
        step: frames that a model which steps takes at a time.

    Raises:
        ValueError: ``hop`` or ``window`` is out of range.
    """

    def __init__(
        self,
        features: MfccSettings,
        hop: float = 0.1,
        window: float = 3.0,
        labels: tuple[str, ...] = EMOTIONS,
        decision: DecisionSettings | None = None,
        detector: SpeechDetector | None = None,
        step: int = 1,
    ) -> None:
        if not 0.0 < hop <= LONGEST_HOP:
            raise ValueError(f"hop is {hop} s; it must be above 0 and at most {LONGEST_HOP}")
        if window < SHORTEST:
            raise ValueError(f"window is {window} s; it must be at least {SHORTEST}")
        self.sample_rate = features.sample_rate
        self._frame_step = features.frame_step
        self._model_step = step
        self._lead = round(LEAD * self.sample_rate)
        self._hop_length = round(hop * self.sample_rate)
        self._window_frames = round(window * features.frames_per_second)
        self._offset = OffsetRemoval(self.sample_rate, self._hop_length)
        self.extractor = StreamingMfcc(features)
        self.detector: SpeechDetector = VoiceActivity() if detector is None else detector
        self._gate = SpeechGate()
        self._labels = labels
        self._decision = Decision(labels, hop, decision or DecisionSettings())
        # A final window ends before the silence that revealed it; keep the frames of that silence and one hop as well.
        trailing = round((1.0 + LONGEST_HOP) * features.frames_per_second)
        self._history = FrameHistory(self._window_frames + trailing, features.coefficients)
        self._hop = np.zeros(self._hop_length, np.float32)
        self.reset()

    def reset(self) -> None:
        """Return to the state of a new stream."""
        self._pending: Window | None = None
        self._events: list[Event] = []
        self._after: list[Event] = []
        self._begin_at(0)
        self.repaired = 0
        """Samples that were not finite numbers, since the start of the stream."""
        self.clipped = 0
        """Samples at full scale, since the start of the stream."""

    def _begin_at(self, origin: int) -> None:
        """Start afresh with ``origin`` samples of stream time behind."""
        self._offset.reset()
        self.extractor.reset()
        self.detector.reset()
        self._gate.reset()
        self._decision.reset()
        self._history.clear()
        self._origin = origin
        self._filled = 0
        self._unheard = False
        self._heard = 0
        self._skipped: int | None = None
        self._stepping: int | None = None
        """Start of the utterance whose frames are given in steps."""
        self._stepped = 0
        """Index of the next of them."""

    @property
    def time(self) -> float:
        """Seconds of the stream taken so far."""
        return self._seconds(self._heard + self._filled + (self._skipped or 0))

    @property
    def missing(self) -> int:
        """Samples that complete the hop in progress."""
        return self._hop_length - self._filled

    def advance(self, samples: NDArray[np.float32]) -> tuple[int, Window | None]:
        """Take samples up to the end of the hop; return how many, and the window to answer if the hop asks for one.

        Args:
            samples: mono, in [-1, 1], at ``sample_rate``. NaN and infinity become 0 and are counted in ``repaired``.

        Raises:
            RuntimeError: the last window was not answered.
        """
        taken, hop = self.take(samples)
        if hop is None:
            return taken, None
        return taken, self.hear(self.extractor.push(hop.samples), self.detector.push(hop.samples))

    def take(self, samples: NDArray[np.float32]) -> tuple[int, Hop | None]:
        """Take samples as ``advance`` does; return how many, and the hop to hear if they complete one.

        Raises:
            RuntimeError: the last hop was not heard, or the last window not answered.
        """
        self._refuse_pending()
        if self._skipped is not None:
            self._begin_at(self._origin + self._heard + self._skipped)
        taken = min(len(samples), self._hop_length - self._filled)
        self._hop[self._filled : self._filled + taken] = samples[:taken]
        self._filled += taken
        return taken, self._complete() if self._filled == self._hop_length else None

    def hear(self, frames: NDArray[np.float32], speech: Sequence[VadFrame]) -> Window | None:
        """Learn what the hop that ``take`` returned holds; return the window to answer if it asks for one.

        Args:
            frames: what ``extractor`` makes of it.
            speech: what ``detector`` says of it.

        Raises:
            RuntimeError: no hop awaits being heard.
        """
        if not self._unheard:
            raise RuntimeError("no hop awaits being heard")
        ended = self._heed(frames, speech)
        if ended is not None:
            self._end_utterance(ended)
        else:
            self._ask_interim()
        return self._pending

    def finish(self) -> Window | None:
        """End the stream, or a part of it: close the utterance in progress and return its window, if it has one.

        Raises:
            RuntimeError: the last window was not answered.
        """
        self._refuse_pending()
        rest = self._complete().samples
        for ended in (self._heed(self.extractor.push(rest), self.detector.push(rest)), self._gate.close()):
            if ended is not None:
                self._end_utterance(ended)
        return self._pending

    def skip(self, samples: int, reason: str) -> Window | None:
        """Note that the next ``samples`` of the stream, maybe none, are lost; what was in progress ends before them.

        Raises:
            RuntimeError: the last window was not answered.
        """
        window = self.finish()
        if samples:
            gap = Gap(self.time, samples / self.sample_rate, reason)
            (self._events if window is None else self._after).append(gap)
        self._skipped = (self._skipped or 0) + samples
        return window

    def answer(self, models: Mapping[str, Probabilities]) -> None:
        """Give each model's probabilities for the window that ``advance`` or ``finish`` returned.

        Raises:
            RuntimeError: no window awaits an answer.
        """
        if self._pending is None:
            raise RuntimeError("no window awaits an answer")
        window, self._pending = self._pending, None
        decide = self._decision.final if window.is_final else self._decision.interim
        label, fused = decide(fuse(list(models.values())))
        self._events.append(
            Emotion(
                window.start,
                window.end,
                label,
                self._by_label(fused),
                {name: self._by_label(probabilities) for name, probabilities in models.items()},
                window.is_final,
            )
        )
        self._events += self._after
        self._after = []

    def drain(self) -> list[Event]:
        """The events since the last drain, in stream order."""
        events, self._events = self._events, []
        return events

    def _refuse_pending(self) -> None:
        if self._unheard:
            raise RuntimeError("the last hop awaits being heard")
        if self._pending is not None:
            raise RuntimeError("the last window awaits its answer")

    def _complete(self) -> Hop:
        """What was filled, mended, as a hop."""
        samples = self._hop[: self._filled]
        finite = np.isfinite(samples)
        if not finite.all():
            self.repaired += int(len(samples) - finite.sum())
            samples[~finite] = 0.0
        self.clipped += int(np.count_nonzero(np.abs(samples) >= FULL_SCALE))
        self._offset.remove(samples)
        self._heard += self._filled
        self._filled = 0
        self._unheard = True
        return Hop(samples)

    def _heed(self, frames: NDArray[np.float32], speech: Sequence[VadFrame]) -> Utterance | None:
        """Learn what the hop holds; return the utterance that ended in it. One that begins is told as an event."""
        self._unheard = False
        self._history.append(frames)
        ended: Utterance | None = None
        for sound in speech:
            change = self._gate.update(sound)
            if change is None:
                continue
            if change.end is None:
                (self._events if ended is None else self._after).append(SpeechStart(self._seconds(change.start)))
            else:
                ended = change
        return ended

    def _ask_interim(self) -> None:
        utterance = self._gate.utterance
        if utterance is None:
            return
        spoken = self._gate.speech_end - utterance.start
        silent = self._gate.chunks * CHUNK - self._gate.speech_end
        if spoken >= SHORTEST * self.sample_rate and silent < PAUSE * self.sample_rate:
            self._pending = self._window(utterance.start, self._gate.speech_end, self._heard, is_final=False)

    def _end_utterance(self, ended: Utterance) -> None:
        assert ended.end is not None
        end = SpeechEnd(self._seconds(ended.start), self._seconds(ended.end))
        if self._pending is not None:  # another ended in the same hop: this one, of a part of it, gets no label
            self._after.append(end)
        elif ended.end - ended.start >= SHORTEST * self.sample_rate:
            self._pending = self._window(ended.start, ended.end, ended.end, is_final=True)
            self._after.insert(0, end)
        else:
            self._events += [end, *self._after]
            self._after = []

    def _window(self, start: int, speech_end: int, end: int, *, is_final: bool) -> Window:
        """The frames of the utterance from sample ``start`` up to ``LEAD`` after its speech, as many as a model sees."""
        first_frame = self._frame(start - self._lead)
        last_frame = min(self._history.end, self._frame(speech_end + self._lead))
        begins = self._stepping != start
        if begins:
            self._stepping, self._stepped = start, max(first_frame, self._history.start)
        first_new = self._stepped
        self._stepped += (last_frame - first_new) // self._model_step * self._model_step
        first_frame = max(first_frame, last_frame - self._window_frames, self._history.start)
        begin = max(start, first_frame * self._frame_step)
        return Window(
            self._history.view(first_frame, last_frame),
            self._history.view(first_new, self._stepped),
            first_frame,
            self._seconds(begin),
            self._seconds(end),
            begins,
            is_final,
        )

    def _frame(self, sample: int) -> int:
        return sample // self._frame_step

    def _seconds(self, sample: int) -> float:
        return (self._origin + sample) / self.sample_rate

    def _by_label(self, probabilities: Probabilities) -> dict[str, float]:
        return dict(zip(self._labels, probabilities.tolist(), strict=True))


def windows(recognizer: Recognizer, samples: NDArray[np.float32]) -> list[Window]:
    """Every window that the recogniser asks about in a whole signal, each with its own copy of the frames.

    What the answers would be changes nothing of what is asked; events are dropped.
    """
    asked: list[Window] = []

    def keep(window: Window | None) -> None:
        if window is not None:
            asked.append(replace(window, mfcc=window.mfcc.copy(), new=window.new.copy()))
            recognizer.answer({"none": _NO_OPINION})

    while len(samples):
        taken, window = recognizer.advance(samples)
        keep(window)
        samples = samples[taken:]
    keep(recognizer.finish())
    recognizer.drain()
    return asked
