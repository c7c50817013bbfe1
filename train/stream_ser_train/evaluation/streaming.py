"""Clips heard as live streams: voice activity, windows, smoothing and fusion as in the daemon, in chunks of 20 ms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stream_ser_export.atomic_write import atomic_write

from stream_ser.core.recognizer import Recognizer
from stream_ser.events import EMOTIONS, Emotion, Event, SpeechStart
from stream_ser.features import MfccSettings
from stream_ser.models.decision import DecisionSettings, Probabilities
from stream_ser.models.window import Window
from stream_ser.speech.detector import VadFrame
from stream_ser_train.data.corpus import Clip
from stream_ser_train.data.utterances import Recording, Replay
from stream_ser_train.evaluation.cache import kept
from stream_ser_train.evaluation.evaluate import Outcome
from stream_ser_train.evaluation.predict import Calibrated, Live
from stream_ser_train.evaluation.protocols import FUSED
from stream_ser_train.evaluation.scores import NO_ANSWER, score_labels

SECONDS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
"""Of speech, after which the label is looked at."""

WINDOWS = (1.0, 1.5, 2.0, 3.0, 5.0)
"""Seconds that an answer may look back on, of which one is the default."""

DEFAULT_WINDOW = 3.0

_CHUNK = 0.02
_FORCED = DecisionSettings(threshold=0.0)
"""Never uncertain, so that recall is counted over all clips."""


@dataclass(frozen=True, slots=True)
class StreamTest:
    """Clips to stream through models that never heard them; for each seed, both models.

    ``file`` holds ``labels: int64[len(WINDOWS), seed, clip, len(SECONDS) + 1]``: the label after each number of seconds, then
    the final one; :data:`NO_ANSWER` where there was none.
    """

    name: str
    clips: tuple[Clip, ...]
    models: tuple[tuple[Calibrated, ...], ...]
    """By seed."""
    features: MfccSettings
    cache: Path

    @property
    def file(self) -> Path:
        return kept(self.cache, f"streaming {self.name}", self.models, self.clips)

    def run(self, threads: int) -> None:
        """Stream every clip."""
        del threads
        opened = [[Live(by_seed, self.features, window) for by_seed in self.models] for window in WINDOWS]
        labels = np.full((len(WINDOWS), len(self.models), len(self.clips), len(SECONDS) + 1), NO_ANSWER, np.int64)
        for column, clip in enumerate(self.clips):
            samples = clip.read(self.features.sample_rate)
            heard = Recording()
            heard.push(samples)
            for number, (window, by_seed) in enumerate(zip(WINDOWS, opened, strict=True)):
                for row, classify in enumerate(by_seed):
                    events = stream(samples, classify, self.features, heard.said, classify.step, window)
                    labels[number, row, column] = labels_in_time(events)
        with atomic_write(self.file) as partial:
            np.savez(partial, labels=labels)


def stream(
    samples: NDArray[np.float32],
    classify: Callable[[Window], Mapping[str, Probabilities]],
    features: MfccSettings,
    speech: Sequence[VadFrame],
    step: int,
    window: float = DEFAULT_WINDOW,
) -> list[Event]:
    """What the recogniser says of a signal, given in chunks.

    Args:
        samples: at the rate of ``features``.
        classify: answers its windows.
        features: what a frame is.
        speech: what the detector says of the signal.
        step: frames that the model which steps takes at a time.
        window: seconds that an answer looks back on.
    """
    recognizer = Recognizer(features, window=window, decision=_FORCED, detector=Replay(speech, 1.0), step=step)
    events: list[Event] = []
    chunk = round(_CHUNK * features.sample_rate)

    def answer(asked: Window | None) -> None:
        if asked is not None:
            recognizer.answer(classify(asked))

    for start in range(0, len(samples), chunk):
        rest = samples[start : start + chunk]
        while len(rest):
            taken, asked = recognizer.advance(rest)
            rest = rest[taken:]
            answer(asked)
        events += recognizer.drain()
    answer(recognizer.finish())
    return events + recognizer.drain()


def labels_in_time(events: Sequence[Event]) -> list[int]:
    """The label after each of :data:`SECONDS` of speech, then that of the longest utterance; :data:`NO_ANSWER` where none."""
    starts = [event.start for event in events if isinstance(event, SpeechStart)]
    emotions = [event for event in events if isinstance(event, Emotion)]
    labels = []
    for seconds in SECONDS:
        so_far = [event for event in emotions if event.end <= starts[0] + seconds + 1e-6] if starts else []
        labels.append(EMOTIONS.index(so_far[-1].label) if so_far else NO_ANSWER)
    finals = [event for event in emotions if event.is_final]
    longest = max(finals, key=lambda event: event.end - event.start, default=None)
    return [*labels, NO_ANSWER if longest is None else EMOTIONS.index(longest.label)]


def streaming_summary(outcome: Outcome, tests: Sequence[StreamTest]) -> dict[str, Any]:
    """The result of finished tests, one a fold: fused, fractions of 1, mean over folds and seeds."""
    scored = []
    for test in tests:
        truth, labels = [clip.emotion for clip in test.clips], np.load(test.file)["labels"]
        scored.append(
            [[[score_labels(truth, moment).uar for moment in by_clip.T] for by_clip in by_seed] for by_seed in labels]
        )
    by_window = np.mean(scored, axis=(0, 2)).round(4).tolist()
    *curve, last = by_window[WINDOWS.index(DEFAULT_WINDOW)]
    return {
        "offline_uar": round(outcome.uar(FUSED), 4),
        "streaming_uar": last,
        "curve": [{"seconds": seconds, "uar": uar} for seconds, uar in zip(SECONDS, curve, strict=True)],
        "windows": [{"seconds": window, "uar": uar[-1]} for window, uar in zip(WINDOWS, by_window, strict=True)],
    }


def stream_tests(outcome: Outcome) -> list[StreamTest]:
    """What is to be streamed: the test clips of each fold through the models that never heard them."""
    plan = outcome.plan
    return [
        StreamTest(split.name, split.test, outcome.calibrated(number), plan.recipe.features, plan.cache)
        for number, split in enumerate(plan.splits)
    ]
