from __future__ import annotations

import numpy as np
import pytest
from signals import silence, voice
from stream_ser_train.data.emotions import EMOTIONS
from stream_ser_train.data.utterances import ReplayDetector
from stream_ser_train.evaluation.scores import NO_LABEL, score_labels
from stream_ser_train.evaluation.streaming import SPEECH_SECONDS, labels_in_time, stream

from stream_ser.events import Emotion, Event, SpeechEnd, SpeechStart
from stream_ser.features import MfccSettings
from stream_ser.models.decision import Probabilities
from stream_ser.models.window import Window
from stream_ser.speech.detector import VadFrame

pytestmark = pytest.mark.training

FEATURES = MfccSettings()


def emotion(end: float, label: str, *, start: float = 1.0, final: bool = False) -> Emotion:
    return Emotion(start, end, label, {}, {}, final)


def index(label: str) -> int:
    return EMOTIONS.index(label)


def test_the_label_after_some_seconds_is_the_last_one_by_then() -> None:
    events: list[Event] = [
        SpeechStart(1.0),
        emotion(1.5, "calm"),
        emotion(1.9, "sad"),
        emotion(2.4, "angry"),
        emotion(2.5, "happy", final=True),
        SpeechEnd(1.0, 2.5),
    ]
    *in_time, last = labels_in_time(events)
    assert dict(zip(SPEECH_SECONDS, in_time, strict=True)) == {
        0.25: NO_LABEL,
        0.5: index("calm"),
        0.75: index("calm"),
        1.0: index("sad"),
        1.5: index("happy"),
        2.0: index("happy"),
        3.0: index("happy"),
    }
    assert last == index("happy")


def test_the_longest_utterance_names_the_clip_and_silence_has_no_label() -> None:
    finals: list[Event] = [
        SpeechStart(0.0),
        emotion(2.0, "sad", start=0.0, final=True),
        SpeechStart(3.0),
        emotion(3.5, "angry", start=3.0, final=True),
    ]
    assert labels_in_time(finals)[-1] == index("sad")
    assert labels_in_time([]) == [NO_LABEL] * (len(SPEECH_SECONDS) + 1)


def test_every_window_of_a_stream_is_predicted() -> None:
    lengths: list[int] = []
    new: list[int] = []

    def predict(window: Window) -> dict[str, Probabilities]:
        lengths.append(len(window.mfcc))
        new.append(len(window.new))
        return {"lstm": np.eye(8, dtype=np.float32)[index("fearful")]}

    samples = np.concatenate((silence(0.5), voice(1.5, np.random.default_rng(0)), silence(1.0)))
    speech = [VadFrame(float(500 <= 32 * chunk < 2_000), -30.0) for chunk in range(len(samples) // 512)]
    events = stream(samples, predict, FEATURES, speech, 4)
    assert ReplayDetector(speech, 1.0).push(samples) == speech
    emotions = [event for event in events if isinstance(event, Emotion)]
    assert len(emotions) == len(lengths) > 10
    assert [event.is_final for event in emotions] == [False] * (len(emotions) - 1) + [True]
    assert labels_in_time(events)[-1] == index("fearful")
    assert lengths == sorted(lengths)
    assert sum(new) == lengths[-1] // 4 * 4, "every frame of the utterance once"


def test_recall_is_the_mean_over_the_emotions_that_occur() -> None:
    labels = np.array([0, 0, 1, NO_LABEL])
    assert score_labels([0, 0, 1, 1], labels).uar == pytest.approx(0.75)
