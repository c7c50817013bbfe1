"""A gate with hysteresis that turns what a detector finds in chunks into utterances.

Others who talk in the background are speech to the network too. The gate follows the voice that is loudest lately, see
:class:`Foreground`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from stream_ser.speech.detector import VadFrame
from stream_ser.speech.silero import CHUNK

ONSET_THRESHOLD, OFFSET_THRESHOLD = 0.5, 0.35
"""Probabilities from which a chunk begins an utterance, and below which it may end one."""

_NO_LEVEL = -1_000.0
"""Decibels, below all there are."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """Speech between two silences, in samples; ``end`` is None while it lasts."""

    start: int
    end: int | None = None


@dataclass(slots=True)
class Foreground:
    """How loud the one who speaks here is: talk well below that is somebody else's, farther away.

    It rises at once with what is speech and sinks slowly, so that after a loud voice a soft one counts again. A stream
    begins without one: whoever speaks first counts. Under the babble of six voices 10 dB below them, 240 RAVDESS clips gave
    utterances with 14 % of their length too much, 66 % without it; the clips by themselves lost 3 %, at soft ends.
    """

    depth_db: float = 10.0
    """Decibels below the foreground at which the background begins."""
    decay_db: float = 0.1
    """Decibels per chunk within an utterance: 3 a second."""
    decay_between_db: float = 0.3
    hold_db: float = 0.7
    """Decibels per chunk by which the level that a loud chunk lends to softer ones after it falls."""

    _level: float = _NO_LEVEL
    _held: float = _NO_LEVEL

    @property
    def background_level(self) -> float:
        """Level below which a chunk is of the background."""
        return self._level - self.depth_db

    def speech(self, frame: VadFrame, *, speaking: bool) -> float:
        """The probability that the next chunk is speech of the foreground; ``speaking`` within an utterance."""
        self._level -= self.decay_db if speaking else self.decay_between_db
        self._held = max(frame.level, self._held - self.hold_db)
        if self._held < self.background_level:
            return 0.0
        if frame.speech >= ONSET_THRESHOLD:
            self._level = max(self._level, frame.level)
        return frame.speech


@dataclass(slots=True)
class SpeechGate:
    """Turns what a detector finds in chunks into utterances.

    Speech begins with ``onset_chunks`` chunks in a row at or above :data:`ONSET_THRESHOLD`; it ends after ``hang_chunks`` in
    a row below :data:`OFFSET_THRESHOLD`. The gap between the two thresholds keeps a wavering probability from chopping an
    utterance. Where a voice turns out to stand far above what the utterance began with, it began with the background: its
    start moves on.
    """

    onset_chunks: int = 4
    hang_chunks: int = 16
    soft_chunks: int = 6
    """A voice may begin softly for so long."""

    chunks: int = 0
    """Chunks since the start of the stream."""
    utterance: Utterance | None = None
    """The utterance in progress."""
    _run: int = 0
    _foreground: Foreground = field(default_factory=Foreground)
    _rises: list[tuple[int, float]] = field(default_factory=list)
    """Where the utterance may begin: its first chunk, then each that is 1 dB louder than all before, with its level."""

    def update(self, frame: VadFrame) -> Utterance | None:
        """Take what was found in the next chunk; return the utterance that it begins or ends, if it does."""
        probability = self._foreground.speech(frame, speaking=self.utterance is not None)
        if self.utterance is None:
            return self._wait_for_onset(probability, frame.level)
        self._track_rise(frame.level)
        self.chunks += 1
        while len(self._rises) > 1 and self._rises[0][1] < self._foreground.background_level:
            del self._rises[0]
        first = self._rises[0][0] * CHUNK
        if first > self.utterance.start + self.soft_chunks * CHUNK:
            self.utterance = Utterance(first)
        self._run = self._run + 1 if probability < OFFSET_THRESHOLD else 0
        return self.close() if self._run == self.hang_chunks else None

    @property
    def speech_end(self) -> int:
        """Sample after the last chunk that counted as speech, while an utterance lasts."""
        return (self.chunks - self._run) * CHUNK

    def close(self) -> Utterance | None:
        """End the utterance in progress where its speech ended, and return it."""
        if self.utterance is None:
            return None
        ended = Utterance(self.utterance.start, self.speech_end)
        self.utterance, self._run = None, 0
        return ended

    def _wait_for_onset(self, probability: float, level: float) -> Utterance | None:
        self._run = self._run + 1 if probability >= ONSET_THRESHOLD else 0
        if self._run <= 1:
            self._rises.clear()
        self._track_rise(level)
        self.chunks += 1
        if self._run < self.onset_chunks:
            return None
        self.utterance = Utterance((self.chunks - self._run) * CHUNK)
        self._run = 0
        return self.utterance

    def _track_rise(self, level: float) -> None:
        if not self._rises or level >= self._rises[-1][1] + 1.0:
            self._rises.append((self.chunks, level))
