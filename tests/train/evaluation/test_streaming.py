from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from speech_corpus import write_corpus
from stream_ser_train.data.corpus import open_corpus
from stream_ser_train.data.emotions import EMOTIONS
from stream_ser_train.evaluation.predict import CalibratedBundle
from stream_ser_train.evaluation.scores import NO_LABEL, score_labels
from stream_ser_train.evaluation.streaming import SPEECH_SECONDS, WINDOWS_S, StreamTest, labels_in_time
from stream_ser_train.fitting.bundling import stepping_file
from tiny_bundles import metadata, tiny_model, tiny_stepping_model

from stream_ser.events import Emotion, Event, SpeechEnd, SpeechStart
from stream_ser.features import MfccSettings
from stream_ser.models.bundle import STEPPED

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


def test_a_stream_test_labels_every_clip_after_each_time(tmp_path: Path) -> None:
    """With bundles that know nothing, so that only the way from clips to labels is tested."""
    clips = open_corpus(write_corpus(tmp_path / "data", actors=(4,), emotions=(1, 3))).clips
    files = {"mlp": tmp_path / "mlp.onnx", "lstm": tmp_path / "lstm.onnx"}
    files["mlp"].write_bytes(tiny_model(metadata("mlp").encode()).SerializeToString())
    stepping = tiny_stepping_model(metadata(STEPPED, step=4).encode())
    stepping_file(files["lstm"]).write_bytes(stepping.SerializeToString())
    models = tuple(CalibratedBundle(name, file, 1.0, tuple(range(8))) for name, file in files.items())
    test = StreamTest("fold", clips, (models,), FEATURES, tmp_path)
    test.file.parent.mkdir(parents=True, exist_ok=True)
    test.run(1)
    labels = np.load(test.file)["labels"]
    assert labels.shape == (len(WINDOWS_S), 1, len(clips), len(SPEECH_SECONDS) + 1)
    assert (labels[..., -1] >= 0).all(), "never uncertain, and every clip has speech"
    assert (labels[..., 0] == NO_LABEL).any(), "a quarter of a second is too short for some"


def test_recall_is_the_mean_over_the_emotions_that_occur() -> None:
    labels = np.array([0, 0, 1, NO_LABEL])
    assert score_labels([0, 0, 1, 1], labels).uar == pytest.approx(0.75)
