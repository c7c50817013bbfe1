"""Clips processed as live streams: voice activity, windows, smoothing and fusion as in the daemon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from stream_ser_export.atomic_write import atomic_write

from stream_ser.core.backend import NumpyBackend
from stream_ser.core.offline import recognize
from stream_ser.events import Emotion, Event, SpeechStart
from stream_ser.features import MfccSettings
from stream_ser.speech.detector import VoiceActivity, detect
from stream_ser_train.data.corpus import Clip
from stream_ser_train.data.emotions import EMOTIONS
from stream_ser_train.data.utterances import ReplayDetector
from stream_ser_train.evaluation.cache import result_file
from stream_ser_train.evaluation.evaluate import Outcome
from stream_ser_train.evaluation.predict import CalibratedBundle, StreamModels
from stream_ser_train.evaluation.protocols import FUSED
from stream_ser_train.evaluation.scores import NO_LABEL, score_labels

SPEECH_SECONDS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
"""Of speech, after which the label is scored."""

WINDOWS_S = (1.0, 1.5, 2.0, 3.0, 5.0)
"""Lengths of the window that a label is based on, of which one is the default."""

DEFAULT_WINDOW_S = 3.0


@dataclass(frozen=True, slots=True)
class StreamTest:
    """Clips to stream through models that were not trained on them; for each seed, both models.

    ``file`` holds ``labels: int64[len(WINDOWS_S), seed, clip, len(SPEECH_SECONDS) + 1]``: the label after each number of
    seconds, then the final one; :data:`NO_LABEL` where there was none.
    """

    name: str
    clips: tuple[Clip, ...]
    models: tuple[tuple[CalibratedBundle, ...], ...]
    """By seed."""
    features: MfccSettings
    cache: Path

    @property
    def file(self) -> Path:
        return result_file(self.cache, f"streaming {self.name}", self.models, self.clips, (WINDOWS_S, SPEECH_SECONDS))

    def run(self, threads: int) -> None:
        """Stream every clip."""
        del threads
        models = [[StreamModels(by_seed, self.features, window) for by_seed in self.models] for window in WINDOWS_S]
        labels = np.full((len(WINDOWS_S), len(self.models), len(self.clips), len(SPEECH_SECONDS) + 1), NO_LABEL, np.int64)
        for column, clip in enumerate(self.clips):
            samples = clip.read(self.features.sample_rate)
            speech = ReplayDetector(detect(VoiceActivity(), samples), 1.0)
            for number, (window, by_seed) in enumerate(zip(WINDOWS_S, models, strict=True)):
                for row, one in enumerate(by_seed):
                    events = recognize(NumpyBackend(self.features, one, window, speech), samples)
                    labels[number, row, column] = labels_in_time(events)
        with atomic_write(self.file) as partial:
            np.savez(partial, labels=labels)


def labels_in_time(events: Sequence[Event]) -> list[int]:
    """The label after each of :data:`SPEECH_SECONDS`, then that of the longest utterance; :data:`NO_LABEL` where none."""
    starts = [event.start for event in events if isinstance(event, SpeechStart)]
    emotions = [event for event in events if isinstance(event, Emotion)]
    labels = []
    for seconds in SPEECH_SECONDS:
        so_far = [event for event in emotions if event.end <= starts[0] + seconds + 1e-6] if starts else []
        labels.append(EMOTIONS.index(so_far[-1].label) if so_far else NO_LABEL)
    finals = [event for event in emotions if event.is_final]
    longest = max(finals, key=lambda event: event.end - event.start, default=None)
    return [*labels, NO_LABEL if longest is None else EMOTIONS.index(longest.label)]


def streaming_summary(outcome: Outcome, tests: Sequence[StreamTest]) -> dict[str, Any]:
    """The result of finished tests, one a fold: fused, fractions of 1, mean over folds and seeds."""
    scored = []
    for test in tests:
        truth, labels = [clip.emotion for clip in test.clips], np.load(test.file)["labels"]
        scored.append(
            [[[score_labels(truth, moment).uar for moment in by_clip.T] for by_clip in by_seed] for by_seed in labels]
        )
    by_window = np.mean(scored, axis=(0, 2)).round(4).tolist()
    *curve, last = by_window[WINDOWS_S.index(DEFAULT_WINDOW_S)]
    return {
        "offline_uar": round(outcome.uar(FUSED), 4),
        "streaming_uar": last,
        "curve": [{"seconds": seconds, "uar": uar} for seconds, uar in zip(SPEECH_SECONDS, curve, strict=True)],
        "windows": [{"seconds": window, "uar": uar[-1]} for window, uar in zip(WINDOWS_S, by_window, strict=True)],
    }


def stream_tests(outcome: Outcome) -> list[StreamTest]:
    """The test clips of each fold, to be streamed through the models that were not trained on them."""
    plan = outcome.plan
    return [
        StreamTest(split.name, split.test, outcome.calibrated(number), plan.recipe.features, plan.cache)
        for number, split in enumerate(plan.splits)
    ]
