from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from signals import LoudnessDetector, silence, talk_over_background, vad_frame, voice, without_offset
from speech_corpus import clip_name, write_corpus
from stream_ser_train.augmentation.clips import CopySettings
from stream_ser_train.data.corpus import open_corpus
from stream_ser_train.data.utterances import Replay, hear, utterances
from stream_ser_train.report.progress import silent

from stream_ser.core.recognizer import Recognizer, windows
from stream_ser.features import MfccSettings, StreamingMfcc
from stream_ser.models.window import Window

pytestmark = pytest.mark.training

FEATURES = MfccSettings()


def listened(signal: np.ndarray, window: float = 3.0) -> list[Window]:
    return windows(Recognizer(FEATURES, window=window, detector=LoudnessDetector()), signal)


@pytest.mark.parametrize("window", [1.0, 3.0])
def test_an_utterance_is_put_together_from_its_windows(window: float) -> None:
    rng = np.random.default_rng(0)
    signal = np.concatenate((silence(0.5), voice(2.3, rng), silence(0.9), voice(0.6, rng), silence(0.9)))
    asked = listened(signal, window)
    frames = StreamingMfcc(FEATURES).push(without_offset(signal))
    whole = utterances(asked)
    assert len(whole) == 2
    finals = [one for one in asked if one.is_final]
    firsts = [asked[0].first_frame, next(one.first_frame for one in asked if one.start > finals[0].end)]
    for part, final, first in zip(whole, finals, firsts, strict=True):
        np.testing.assert_allclose(part, frames[first : final.first_frame + len(final.mfcc)], atol=1e-5)
    assert len(whole[0]) == pytest.approx(230 + 20, abs=8)


def test_an_utterance_that_began_with_the_background_is_that_of_the_voice() -> None:
    signal = talk_over_background()
    (frames,) = utterances(listened(signal))
    first = round(1.4 * FEATURES.frames_per_second)
    whole = StreamingMfcc(FEATURES).push(without_offset(signal))
    starts = [np.abs(whole[first + shift : first + shift + len(frames)] - frames).max() for shift in range(-10, 11)]
    assert min(starts) < 1e-4
    assert 110 < len(frames) < 180


def test_windows_are_those_that_the_live_recogniser_asks_about() -> None:
    signal = np.concatenate((silence(0.3), voice(1.0, np.random.default_rng(0)), silence(1.0)))
    asked = listened(signal)
    live, rest, ends = Recognizer(FEATURES, detector=LoudnessDetector()), signal, []
    while len(rest):
        taken, window = live.advance(rest[:320])
        rest = rest[taken:]
        if window is not None:
            ends.append((window.first_frame, len(window.mfcc), window.is_final))
            live.answer({"any": np.full(8, 0.125, np.float32)})
    assert [(one.first_frame, len(one.mfcc), one.is_final) for one in asked] == ends


def test_a_replay_says_at_its_own_speed_what_was_said() -> None:
    sounds = [vad_frame(0.0)] * 10 + [vad_frame(1.0)] * 20 + [vad_frame(0.0)] * 10
    slow, fast = Replay(sounds, 0.5), Replay(sounds, 2.0)
    assert sum(sound.speech for sound in slow.push(np.zeros(80 * 512, np.float32))) == pytest.approx(40, abs=2)
    assert sum(sound.speech for sound in fast.push(np.zeros(20 * 512, np.float32))) == pytest.approx(10, abs=1)
    assert len(fast.push(np.zeros(5_000, np.float32))) == 9


def test_clips_are_heard_once_and_then_come_from_the_cache(tmp_path: Path) -> None:
    clips = open_corpus(write_corpus(tmp_path / "data", actors=(4,), emotions=(1, 3, 5))).clips
    first = hear(clips, CopySettings(count=2), FEATURES, tmp_path / "cache", silent)
    assert [one.clip for one in first] == list(clips)
    for one in first:
        assert len(one.copies) == 3
        assert all(len(copy) >= 1 and copy[0].shape[1] == FEATURES.coefficients for copy in one.copies)
    for clip in clips:
        clip.path.unlink()
    second = hear(clips, CopySettings(count=2), FEATURES, tmp_path / "cache", silent)
    for one, other in zip(first, second, strict=True):
        for copy, again in zip(one.copies, other.copies, strict=True):
            for part, same in zip(copy, again, strict=True):
                np.testing.assert_array_equal(part, same)


def test_another_recording_of_the_same_name_is_heard_anew(tmp_path: Path) -> None:
    folder = write_corpus(tmp_path / "data", actors=(4,), emotions=(1,))
    (before,) = hear(open_corpus(folder).clips, CopySettings(count=0), FEATURES, tmp_path / "cache", silent)
    soundfile.write(folder / "Actor_04" / clip_name(1, 4), silence(2.0), 16_000)
    (after,) = hear(open_corpus(folder).clips, CopySettings(count=0), FEATURES, tmp_path / "cache", silent)
    assert before.copies != ((),)
    assert after.copies == ((),)


def test_a_clip_in_which_nobody_speaks_has_no_utterance(tmp_path: Path) -> None:
    folder = write_corpus(tmp_path / "data", actors=(4,), emotions=(1,))
    soundfile.write(folder / "Actor_04" / clip_name(1, 4), silence(2.0), 16_000)
    (clip,) = open_corpus(folder).clips
    (heard,) = hear((clip,), CopySettings(count=1), FEATURES, tmp_path / "cache", silent)
    assert heard.copies == ((), ())
