"""Utterances and windows of one stream, from what a detector finds in its chunks: samples and frames as integers only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stream_ser.features import MfccSettings
from stream_ser.models.window import Window
from stream_ser.speech.detector import VadFrame
from stream_ser.speech.gate import SpeechGate, Utterance
from stream_ser.speech.silero import CHUNK

LEAD_S = 0.1
"""Time before the detected start, and after the detected end, that belongs to the utterance's window."""

SHORTEST_SPEECH_S = 0.25
"""Speech below which there is no answer."""

PAUSE_S = 0.2
"""Time without speech after which there is no interim answer."""

LONGEST_HOP_S = 0.5
"""A longer hop could hold the ends of two utterances."""


def retained_frames(features: MfccSettings, window: float) -> int:
    """Frames that must be retained to read windows of ``window`` seconds.

    A final one ends before the silence that revealed it, which is less than a second, and up to a hop before the newest frame.
    """
    return round(window * features.frames_per_second) + round((1.0 + LONGEST_HOP_S) * features.frames_per_second)


@dataclass(frozen=True, slots=True)
class Segment:
    """What one hop changes. Utterances that began have no end."""

    before: tuple[Utterance, ...]
    """Changes to be reported before the answer to ``window``."""
    window: Window | None
    """What the models are asked."""
    after: tuple[Utterance, ...]
    """Changes to be reported after it."""


class Segmenter:
    """Finds the utterances of one stream and the window of each hop.

    Args:
        features: what a frame is.
        window: seconds of frames that a model reads at most.
        step: frames that the LSTM takes at a time.
    """

    def __init__(self, features: MfccSettings, window: float, step: int) -> None:
        self._features, self._step = features, step
        self._window_frames = round(window * features.frames_per_second)
        self._retained_frames = retained_frames(features, window)
        self._lead, self._shortest, self._pause = (
            round(seconds * features.sample_rate) for seconds in (LEAD_S, SHORTEST_SPEECH_S, PAUSE_S)
        )
        self.reset()

    def reset(self) -> None:
        """Return to the state of a new stream."""
        self._gate = SpeechGate()
        self._samples = 0
        self._stepped_utterance: int | None = None
        """Start of the utterance whose frames the LSTM takes."""
        self._stepped = 0
        """Index of the next of them."""

    @property
    def in_utterance(self) -> bool:
        """Whether somebody speaks."""
        return self._gate.utterance is not None

    def process(self, speech: Sequence[VadFrame], samples: int, *, last: bool) -> Segment:
        """Take the detector's frames of the next hop.

        Args:
            speech: of the chunks that the hop completes.
            samples: length of the hop, at most :data:`LONGEST_HOP_S`.
            last: whether the stream, or a part of it, ends with this hop; the utterance in progress then ends too.
        """
        self._samples += samples
        before: list[Utterance] = []
        after: list[Utterance] = []
        ended: Utterance | None = None
        for frame in speech:
            change = self._gate.update(frame)
            if change is None:
                continue
            if change.end is None:
                (before if ended is None else after).append(change)
            else:
                ended = change
        window: Window | None = None
        for one in (ended, self._gate.close() if last else None):
            if one is None:
                continue
            assert one.end is not None
            if window is not None:  # the second that ends in this hop, of a part of it: it gets no label
                after.append(one)
            elif one.end - one.start >= self._shortest:
                window = self._window(one.start, one.end, one.end, is_final=True)
                after.insert(0, one)
            else:
                before += [one, *after]
                after = []
        if ended is None and not last:
            window = self._interim_window()
        return Segment(tuple(before), window, tuple(after))

    def _interim_window(self) -> Window | None:
        utterance = self._gate.utterance
        if utterance is None:
            return None
        speech_end = self._gate.speech_end
        if speech_end - utterance.start < self._shortest or self._gate.chunks * CHUNK - speech_end >= self._pause:
            return None
        return self._window(utterance.start, speech_end, self._samples, is_final=False)

    def _window(self, start: int, speech_end: int, end: int, *, is_final: bool) -> Window:
        """The frames of the utterance from sample ``start`` up to the lead after its speech, as many as a model reads."""
        step = self._features.frame_step
        newest = max(0, (self._samples - self._features.frame_length) // step + 1)
        oldest = max(0, newest - self._retained_frames)
        first, last = (start - self._lead) // step, min(newest, (speech_end + self._lead) // step)
        begins = self._stepped_utterance != start
        if begins:
            self._stepped_utterance, self._stepped = start, max(first, oldest)
        first_new = self._stepped
        self._stepped += (last - first_new) // self._step * self._step
        first = max(first, last - self._window_frames, oldest)
        return Window(first, last, first_new, self._stepped, max(start, first * step), end, begins, is_final)
