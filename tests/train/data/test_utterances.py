from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from signals import Syllables, silence, talk_over_background, voice, without_offset
from speech_corpus import clip_name, write_corpus
from stream_ser_train.augmentation.clips import CopySettings
from stream_ser_train.data.corpus import open_corpus
from stream_ser_train.data.utterances import ReplayDetector, extract_utterances, join_windows
from stream_ser_train.progress import silent

from stream_ser.core.recognizer import Recognizer, windows
from stream_ser.features import MfccSettings, StreamingMfcc
from stream_ser.models.window import Window
from stream_ser.speech.detector import VadFrame

pytestmark = pytest.mark.training

FEATURES = MfccSettings()


def live_windows(signal: np.ndarray, window: float = 3.0) -> list[Window]:
    return windows(Recognizer(FEATURES, window=window, detector=Syllables()), signal)


@pytest.mark.parametrize("window", [1.0, 3.0])
def test_an_utterance_is_put_together_from_its_windows(window: float) -> None:
    rng = np.random.default_rng(0)
    signal = np.concatenate((silence(0.5), voice(2.3, rng), silence(0.9), voice(0.6, rng), silence(0.9)))
    requested = live_windows(signal, window)
    frames = StreamingMfcc(FEATURES).push(without_offset(signal))
    parts = join_windows(requested)
    assert len(parts) == 2
    finals = [one for one in requested if one.is_final]
    firsts = [requested[0].first_frame, next(one.first_frame for one in requested if one.start > finals[0].end)]
    for part, final, first in zip(parts, finals, firsts, strict=True):
        np.testing.assert_allclose(part, frames[first : final.first_frame + len(final.mfcc)], atol=1e-5)
    assert len(parts[0]) == pytest.approx(230 + 20, abs=8)


def test_an_utterance_that_began_with_the_background_is_that_of_the_voice() -> None:
    signal = talk_over_background()
    (frames,) = join_windows(live_windows(signal))
    first = round(1.4 * FEATURES.frames_per_second)
    all_frames = StreamingMfcc(FEATURES).push(without_offset(signal))
    starts = [np.abs(all_frames[first + shift : first + shift + len(frames)] - frames).max() for shift in range(-10, 11)]
    assert min(starts) < 1e-4
    assert 110 < len(frames) < 180


def test_windows_are_those_of_the_live_recogniser() -> None:
    signal = np.concatenate((silence(0.3), voice(1.0, np.random.default_rng(0)), silence(1.0)))
    requested = live_windows(signal)
    live, rest, ends = Recognizer(FEATURES, detector=Syllables()), signal, []
    while len(rest):
        taken, window = live.advance(rest[:320])
        rest = rest[taken:]
        if window is not None:
            ends.append((window.first_frame, len(window.mfcc), window.is_final))
            live.answer({"any": np.full(8, 0.125, np.float32)})
    assert [(one.first_frame, len(one.mfcc), one.is_final) for one in requested] == ends


def test_a_replay_returns_the_recorded_frames_at_its_own_speed() -> None:
    frames = [VadFrame(0.0, -30.0)] * 10 + [VadFrame(1.0, -30.0)] * 20 + [VadFrame(0.0, -30.0)] * 10
    slow, fast = ReplayDetector(frames, 0.5), ReplayDetector(frames, 2.0)
    assert sum(frame.speech for frame in slow.push(np.zeros(80 * 512, np.float32))) == pytest.approx(40, abs=2)
    assert sum(frame.speech for frame in fast.push(np.zeros(20 * 512, np.float32))) == pytest.approx(10, abs=1)
    assert len(fast.push(np.zeros(5_000, np.float32))) == 9


def test_clips_are_processed_once_and_then_come_from_the_cache(tmp_path: Path) -> None:
    clips = open_corpus(write_corpus(tmp_path / "data", actors=(4,), emotions=(1, 3, 5))).clips
    first = extract_utterances(clips, CopySettings(count=2), FEATURES, tmp_path / "cache", silent)
    assert [one.clip for one in first] == list(clips)
    for one in first:
        assert len(one.copies) == 3
        assert all(len(copy) >= 1 and copy[0].shape[1] == FEATURES.coefficients for copy in one.copies)
    for clip in clips:
        clip.path.unlink()
    second = extract_utterances(clips, CopySettings(count=2), FEATURES, tmp_path / "cache", silent)
    for one, other in zip(first, second, strict=True):
        for copy, again in zip(one.copies, other.copies, strict=True):
            for part, same in zip(copy, again, strict=True):
                np.testing.assert_array_equal(part, same)


def test_another_recording_of_the_same_name_is_processed_anew(tmp_path: Path) -> None:
    folder = write_corpus(tmp_path / "data", actors=(4,), emotions=(1,))
    (before,) = extract_utterances(open_corpus(folder).clips, CopySettings(count=0), FEATURES, tmp_path / "cache", silent)
    soundfile.write(folder / "Actor_04" / clip_name(1, 4), silence(2.0), 16_000)
    (after,) = extract_utterances(open_corpus(folder).clips, CopySettings(count=0), FEATURES, tmp_path / "cache", silent)
    assert before.copies != ((),)
    assert after.copies == ((),)


def test_a_clip_without_speech_has_no_utterance(tmp_path: Path) -> None:
    folder = write_corpus(tmp_path / "data", actors=(4,), emotions=(1,))
    soundfile.write(folder / "Actor_04" / clip_name(1, 4), silence(2.0), 16_000)
    (clip,) = open_corpus(folder).clips
    (extracted,) = extract_utterances((clip,), CopySettings(count=1), FEATURES, tmp_path / "cache", silent)
    assert extracted.copies == ((), ())
