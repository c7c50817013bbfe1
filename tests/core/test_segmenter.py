from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signals import LoudnessDetector, Samples, mfcc_frames, silence, talk_over_background, vad_frame, voice, without_offset

from stream_ser.core.offline import WindowFrames, collect_windows
from stream_ser.core.segmenter import LEAD_S, Segmenter
from stream_ser.features import MfccSettings
from stream_ser.speech.detector import VadFrame, detect
from stream_ser.speech.silero import CHUNK

pytestmark = pytest.mark.unit

FEATURES = MfccSettings()


def collect(signal: Samples, hop: float = 0.1, window: float = 3.0, step: int = 1) -> list[WindowFrames]:
    return collect_windows(signal, FEATURES, LoudnessDetector(), hop=hop, window=window, step=step)


def test_the_window_holds_the_reference_frames_of_the_utterance(conversation: Samples) -> None:
    frames = mfcc_frames(without_offset(conversation), FEATURES)
    collected = collect(conversation)
    assert len(collected) > 15
    for one in collected:
        np.testing.assert_allclose(one.frames, frames[one.window.first_frame : one.window.last_frame], atol=1e-5)


@pytest.mark.parametrize("offset", [-0.4, 0.01, 0.2])
def test_what_a_sound_card_adds_changes_no_window(conversation: Samples, offset: float) -> None:
    room = 1e-4 * np.random.default_rng(0).standard_normal(len(conversation)).astype(np.float32)
    plain, with_offset = collect(conversation + room), collect(conversation + room + np.float32(offset))
    assert [one.window for one in with_offset] == [one.window for one in plain]
    for one, other in zip(plain, with_offset, strict=True):
        np.testing.assert_allclose(one.frames, other.frames, atol=0.1)


def test_windows_are_of_the_voice_and_not_of_the_background_before_and_after_it() -> None:
    collected = collect(talk_over_background())
    starts = [one.window.start / FEATURES.sample_rate for one in collected if one.window.begins]
    assert [start < 1.4 for start in starts] == [True, False], "the LSTM begins anew with the voice"
    (final,) = (one.window for one in collected if one.window.is_final)
    assert final.start / FEATURES.sample_rate == pytest.approx(1.5, abs=0.1)
    assert 2.5 < final.end / FEATURES.sample_rate < 3.1, "others talk until 3.5 s"


@pytest.mark.parametrize("hop", [0.01, 0.03, 0.1, 0.5])
@pytest.mark.parametrize("step", [1, 4])
def test_the_new_frames_are_those_of_the_utterance_each_once(hop: float, step: int) -> None:
    rng = np.random.default_rng(1)
    signal = [silence(0.3), voice(0.8, rng), silence(0.4), voice(0.5, rng), silence(0.9), voice(0.6, rng)]
    collected = collect(np.concatenate(signal), hop, step=step)
    ends = [number + 1 for number, one in enumerate(collected) if one.window.is_final]
    assert len(ends) == 2
    for first, end in ((0, ends[0]), (ends[0], ends[1])):
        utterance = collected[first:end]
        assert [one.window.begins for one in utterance] == [True] + [False] * (len(utterance) - 1)
        given, read = np.concatenate([one.new for one in utterance]), utterance[-1].frames
        np.testing.assert_array_equal(given, read[: len(read) // step * step])
        assert all(len(one.new) % step == 0 for one in utterance)


def test_of_a_long_utterance_the_window_is_the_last_part() -> None:
    collected = collect(np.concatenate((voice(4.0, np.random.default_rng(0)), silence(1.0))), window=2.0)
    lengths = [len(one.frames) for one in collected]
    assert max(lengths) == lengths[-1] == 200
    for one in collected:
        assert one.window.end - one.window.start <= (2.0 + LEAD_S) * FEATURES.sample_rate


@pytest.mark.parametrize("hop", [0.1, 0.5])
def test_a_final_window_is_whole_though_the_silence_that_ends_it_came_after_it(hop: float) -> None:
    """Of a long utterance: the frames of the last second are still retained when its end is known."""
    collected = collect(np.concatenate((voice(4.0, np.random.default_rng(0)), silence(1.0))), hop, window=1.0)
    (final,) = (one for one in collected if one.window.is_final)
    assert len(final.frames) == 100
    assert final.window.end / FEATURES.sample_rate == pytest.approx(4.0, abs=0.04)
    newest = max(one.window.last_frame for one in collected)
    assert newest == final.window.last_frame


@settings(max_examples=25)
@given(
    loudness=st.lists(st.booleans(), min_size=1, max_size=60),
    hops=st.lists(st.integers(1, 15), min_size=1, max_size=60),
    step=st.integers(1, 4),
)
def test_windows_stay_within_the_frames_that_there_are(loudness: list[bool], hops: list[int], step: int) -> None:
    """However long the hops are: frames are never read before they exist, and the LSTM gets each once."""
    segmenter = Segmenter(FEATURES, window=1.0, step=step)
    chunks = iter([vad_frame(float(loud), -20.0 if loud else -90.0) for loud in loudness for _ in range(6)])
    samples, ended_at, next_new = 0, 0, 0
    for hop in hops:
        frames: list[VadFrame] = [frame for _, frame in zip(range(hop), chunks, strict=False)]
        samples += len(frames) * CHUNK
        segment = segmenter.process(frames, len(frames) * CHUNK, last=False)
        window = segment.window
        for one in (*segment.before, *segment.after):
            assert ended_at <= one.start < (one.end or samples)
            ended_at = one.end or ended_at
        if window is None:
            continue
        assert 0 <= window.first_frame <= window.last_frame <= samples // FEATURES.frame_step
        assert window.last_frame - window.first_frame <= 100
        assert window.begins or window.first_new == next_new
        assert window.first_new <= window.last_new <= window.last_frame
        assert (window.last_new - window.first_new) % step == 0
        next_new = window.last_new


def test_a_detector_finds_the_same_in_a_hop_and_in_a_whole_signal(conversation: Samples) -> None:
    """So that windows collected offline are those of a live stream."""
    detector = LoudnessDetector()
    state, row = detector.new_state(1), np.zeros(1, np.intp)
    pieces = np.split(conversation, range(1_600, len(conversation), 1_600))
    hops = [detector.process(state, row, piece[None])[0] for piece in pieces]
    assert [frame for hop in hops for frame in hop] == detect(detector, conversation)
