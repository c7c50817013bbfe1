from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from signals import LoudnessDetector, mfcc_frames, silence, talk_over_background, vad_frame, voice, without_offset
from speech_corpus import clip_name, write_corpus
from stream_ser_train.augmentation.clips import CopySettings
from stream_ser_train.data.corpus import open_corpus
from stream_ser_train.data.utterances import RecordingDetector, ReplayDetector, extract_utterances, join_windows
from stream_ser_train.progress import silent

from stream_ser.core.offline import WindowFrames, collect_windows
from stream_ser.features import MfccSettings
from stream_ser.speech.detector import VoiceActivity, detect
from stream_ser.speech.silero import CHUNK

pytestmark = pytest.mark.training

FEATURES = MfccSettings()


def live_windows(signal: np.ndarray, window: float = 3.0) -> list[WindowFrames]:
    return collect_windows(signal, FEATURES, LoudnessDetector(), window=window)


@pytest.mark.parametrize("window", [1.0, 3.0])
def test_an_utterance_is_put_together_from_its_windows(window: float) -> None:
    rng = np.random.default_rng(0)
    signal = np.concatenate((silence(0.5), voice(2.3, rng), silence(0.9), voice(0.6, rng), silence(0.9)))
    collected = live_windows(signal, window)
    parts, windows = join_windows(collected), [one.window for one in collected]
    assert len(parts) == 2
    finals = [one for one in windows if one.is_final]
    firsts = [windows[0].first_frame, next(one.first_frame for one in windows if one.start > finals[0].end)]
    for part, final, first in zip(parts, finals, firsts, strict=True):
        np.testing.assert_allclose(part, mfcc_frames(without_offset(signal), FEATURES)[first : final.last_frame], atol=1e-5)
    assert len(parts[0]) == pytest.approx(230 + 20, abs=8)


def test_an_utterance_that_began_with_the_background_is_that_of_the_voice() -> None:
    signal = talk_over_background()
    (frames,) = join_windows(live_windows(signal))
    first, whole = round(1.4 * FEATURES.frames_per_second), mfcc_frames(without_offset(signal), FEATURES)
    starts = [np.abs(whole[first + shift : first + shift + len(frames)] - frames).max() for shift in range(-10, 11)]
    assert min(starts) < 1e-4
    assert 110 < len(frames) < 180


def test_a_replay_returns_the_recorded_frames_at_its_own_speed() -> None:
    frames = [vad_frame(0.0)] * 10 + [vad_frame(1.0)] * 20 + [vad_frame(0.0)] * 10
    slow, fast = ReplayDetector(frames, 0.5), ReplayDetector(frames, 2.0)
    assert sum(frame.speech for frame in detect(slow, silence(80 * CHUNK / 16_000))) == pytest.approx(40, abs=2)
    assert sum(frame.speech for frame in detect(fast, silence(20 * CHUNK / 16_000))) == pytest.approx(10, abs=1)
    state, row = fast.new_state(1), np.zeros(1, np.intp)
    counts = [len(fast.process(state, row, np.zeros((1, length), np.float32))[0]) for length in (5_000, 120, 1)]
    assert counts == [9, 1, 0]


def test_a_recording_has_what_the_detector_returned() -> None:
    signal, detector = voice(1.0, np.random.default_rng(0)), RecordingDetector()
    collect_windows(signal, FEATURES, detector)
    np.testing.assert_allclose(detector.recorded, detect(VoiceActivity(), without_offset(signal)), atol=1e-4)


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
