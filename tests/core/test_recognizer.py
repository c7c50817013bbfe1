from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signals import RATE, LoudnessDetector, Samples, silence, talk_over_background, voice, without_offset

from stream_ser.core.recognizer import LEAD, Recognizer, windows
from stream_ser.events import EMOTIONS, Emotion, Event, Gap, SpeechEnd, SpeechStart
from stream_ser.features import MfccSettings, StreamingMfcc
from stream_ser.models.decision import Probabilities
from stream_ser.models.window import Window

pytestmark = pytest.mark.unit


def new(**changed: float) -> Recognizer:
    return Recognizer(MfccSettings(), detector=LoudnessDetector(), **changed)  # type: ignore[arg-type]


def opinion(window: Window) -> dict[str, Probabilities]:
    """An answer that depends on every frame of the window."""
    scores = window.mfcc.mean(axis=0)[: len(EMOTIONS)]
    soft = np.exp(scores - scores.max())
    return {"lstm": (soft / soft.sum()).astype(np.float32)}


def settle(recognizer: Recognizer, window: Window | None) -> list[Event]:
    if window is not None:
        recognizer.answer(opinion(window))
    return recognizer.drain()


def hear(recognizer: Recognizer, pieces: Iterable[Samples], *, finish: bool = True) -> list[Event]:
    events: list[Event] = []
    for piece in pieces:
        rest = piece
        while len(rest):
            taken, window = recognizer.advance(rest)
            events += settle(recognizer, window)
            rest = rest[taken:]
    if finish:
        events += settle(recognizer, recognizer.finish())
    return events


def outline(events: list[Event]) -> list[str]:
    """Names of the events, a run of interim answers as one."""
    names: list[str] = []
    for event in events:
        name = type(event).__name__
        if isinstance(event, Emotion):
            name = "final" if event.is_final else "interim"
        if names[-1:] != ["interim"] or name != "interim":
            names.append(name)
    return names


def test_each_utterance_is_told_from_start_to_end(conversation: Samples) -> None:
    events = hear(new(), [conversation])
    assert outline(events) == ["SpeechStart", "interim", "final", "SpeechEnd"] * 2
    starts = [event.start for event in events if isinstance(event, SpeechStart)]
    ends = [event.end for event in events if isinstance(event, SpeechEnd)]
    np.testing.assert_allclose(starts, [0.7, 2.9], atol=0.04)
    np.testing.assert_allclose(ends, [1.9, 3.7], atol=0.04)
    finals = [event for event in events if isinstance(event, Emotion) and event.is_final]
    assert [(final.start, final.end) for final in finals] == list(zip(starts, ends, strict=True))


@settings(max_examples=25)
@given(cuts=st.lists(st.integers(0, 73_600), max_size=30), hop=st.sampled_from([0.03, 0.1, 0.5]))
def test_events_do_not_depend_on_the_chunking(cuts: list[int], hop: float) -> None:
    rng = np.random.default_rng(7)
    signal = np.concatenate((silence(0.7), voice(1.2, rng), silence(1.0), voice(0.8, rng), silence(0.9)))
    whole = hear(new(hop=hop), [signal])
    assert len(whole) > 8
    assert hear(new(hop=hop), np.split(signal, sorted(cuts))) == whole


@pytest.mark.parametrize("offset", [-0.4, 0.01, 0.2])
def test_what_a_sound_card_adds_changes_no_window(conversation: Samples, offset: float) -> None:
    room = 1e-4 * np.random.default_rng(0).standard_normal(len(conversation)).astype(np.float32)
    asked = windows(new(), conversation + room)
    with_offset = windows(new(), conversation + room + np.float32(offset))
    assert [(one.start, one.end) for one in with_offset] == [(one.start, one.end) for one in asked]
    for one, other in zip(asked, with_offset, strict=True):
        np.testing.assert_allclose(one.mfcc, other.mfcc, atol=0.1)


def test_the_window_holds_the_reference_frames_of_the_utterance(conversation: Samples) -> None:
    frames = StreamingMfcc(MfccSettings()).push(without_offset(conversation))
    recognizer, rest, seen = new(), conversation, 0
    while len(rest):
        taken, window = recognizer.advance(rest)
        if window is not None:
            last = window.first_frame + len(window.mfcc)
            np.testing.assert_allclose(window.mfcc, frames[window.first_frame : last], atol=1e-5)
            seen += 1
            recognizer.answer(opinion(window))
        rest = rest[taken:]
    assert seen > 15


def test_an_answer_speaks_for_the_voice_and_not_for_the_background_before_and_after_it() -> None:
    signal = talk_over_background()
    events = hear(new(), [signal])
    assert outline(events) == ["SpeechStart", "interim", "final", "SpeechEnd"]
    (final,) = (event for event in events if isinstance(event, Emotion) and event.is_final)
    (end,) = (event for event in events if isinstance(event, SpeechEnd))
    assert final.start == end.start == pytest.approx(1.5, abs=0.1)
    assert final.end == end.end
    assert 2.5 < end.end < 3.1, "others talk until 3.5 s"
    asked = windows(new(), signal)
    assert [one.start < 1.4 for one in asked if one.begins] == [True, False], "the LSTM begins anew with the voice"


@pytest.mark.parametrize("hop", [0.01, 0.03, 0.1, 0.5])
@pytest.mark.parametrize("step", [1, 4])
def test_the_new_frames_are_those_of_the_utterance_each_once(hop: float, step: int) -> None:
    rng = np.random.default_rng(1)
    signal = [silence(0.3), voice(0.8, rng), silence(0.4), voice(0.5, rng), silence(0.9), voice(0.6, rng)]
    recognizer = Recognizer(MfccSettings(), hop, detector=LoudnessDetector(), step=step)
    asked = windows(recognizer, np.concatenate(signal))
    ends = [number + 1 for number, window in enumerate(asked) if window.is_final]
    assert len(ends) == 2
    for first, end in ((0, ends[0]), (ends[0], ends[1])):
        utterance = asked[first:end]
        assert [window.begins for window in utterance] == [True] + [False] * (len(utterance) - 1)
        given, whole = np.concatenate([window.new for window in utterance]), utterance[-1].mfcc
        np.testing.assert_array_equal(given, whole[: len(whole) // step * step])
        assert all(len(window.new) % step == 0 for window in utterance)


def test_a_long_utterance_is_seen_through_the_last_window() -> None:
    signal = np.concatenate((voice(4.0, np.random.default_rng(0)), silence(1.0)))
    lengths = []
    recognizer, rest = new(window=2.0), signal
    while len(rest):
        taken, window = recognizer.advance(rest)
        if window is not None:
            lengths.append(len(window.mfcc))
            assert window.end - window.start <= 2.0 + LEAD
            recognizer.answer(opinion(window))
        rest = rest[taken:]
    assert max(lengths) == 200
    assert lengths[-1] == 200


def test_silence_has_no_events() -> None:
    assert hear(new(), [silence(5.0)]) == []


def test_a_click_of_speech_gets_no_label() -> None:
    events = hear(new(), [silence(0.5), voice(0.15, np.random.default_rng(0)), silence(1.0)])
    assert outline(events) == ["SpeechStart", "SpeechEnd"]


def test_no_label_is_given_while_an_utterance_pauses() -> None:
    rng = np.random.default_rng(0)
    events = hear(new(), [voice(1.0, rng), silence(0.45), voice(0.5, rng), silence(1.0)])
    assert outline(events) == ["SpeechStart", "interim", "final", "SpeechEnd"]
    ends = [event.end for event in events if isinstance(event, Emotion)]
    assert not [end for end in ends if 1.25 < end < 1.45]


def test_the_end_of_the_stream_ends_the_utterance() -> None:
    events = hear(new(), [voice(0.93, np.random.default_rng(0))])
    assert outline(events) == ["SpeechStart", "interim", "final", "SpeechEnd"]


def test_a_hop_that_holds_an_end_and_a_start_tells_them_in_order() -> None:
    rng = np.random.default_rng(0)
    events = hear(new(hop=0.5), [voice(1.45, rng), silence(0.55), voice(1.0, rng), silence(1.0)])
    assert outline(events) == ["SpeechStart", "interim", "final", "SpeechEnd"] * 2


def test_a_stream_that_ends_within_a_hop_closes_what_began_in_it() -> None:
    rng = np.random.default_rng(0)
    events = hear(new(hop=0.5), [silence(0.1), voice(0.55, rng), silence(0.6), voice(0.2, rng)])
    assert outline(events) == ["SpeechStart", "interim", "final", "SpeechEnd", "SpeechStart", "SpeechEnd"]


def test_broken_samples_count_as_silence_and_are_counted(conversation: Samples) -> None:
    spoilt, mended = conversation.copy(), conversation.copy()
    spoilt[20_000:20_050], mended[20_000:20_050] = np.nan, 0.0
    spoilt[21_000], mended[21_000] = np.inf, 0.0
    recognizer = new()
    assert hear(recognizer, [spoilt]) == hear(new(), [mended])
    assert recognizer.repaired == 51


def test_samples_at_full_scale_are_counted(conversation: Samples) -> None:
    loud = np.where(np.abs(conversation) > 0.05, np.sign(conversation), conversation).astype(np.float32)
    recognizer = new()
    hear(recognizer, [loud])
    assert recognizer.clipped == np.count_nonzero(np.abs(loud) == 1.0) > 1_000


def test_lost_audio_ends_the_utterance_is_told_and_keeps_the_time() -> None:
    rng = np.random.default_rng(0)
    recognizer = new()
    events = hear(recognizer, [silence(0.5), voice(1.0, rng)], finish=False)
    events += settle(recognizer, recognizer.skip(2 * RATE, "overflow"))
    assert recognizer.time == pytest.approx(3.5)
    events += hear(recognizer, [silence(0.5), voice(1.0, rng), silence(1.0)])
    utterance = ["SpeechStart", "interim", "final", "SpeechEnd"]
    assert outline(events) == [*utterance, "Gap", *utterance]
    assert [event for event in events if isinstance(event, Gap)] == [Gap(1.5, 2.0, "overflow")]
    starts = [event.start for event in events if isinstance(event, SpeechStart)]
    np.testing.assert_allclose(starts, [0.5, 4.0], atol=0.04)


def test_after_lost_audio_the_answers_are_those_of_a_new_stream() -> None:
    after = [silence(0.5), voice(1.0, np.random.default_rng(1)), silence(1.0)]
    recognizer = new()
    hear(recognizer, [voice(1.03, np.random.default_rng(0))], finish=False)
    settle(recognizer, recognizer.skip(1_234, "overflow"))
    finals = [e for e in hear(recognizer, after) if isinstance(e, Emotion) and e.is_final]
    fresh = [e for e in hear(new(), after) if isinstance(e, Emotion) and e.is_final]
    assert [final.probabilities for final in finals] == [final.probabilities for final in fresh]


def test_reset_gives_the_state_of_a_new_stream(conversation: Samples) -> None:
    used = new()
    hear(used, [voice(0.77, np.random.default_rng(0))], finish=False)
    used.reset()
    assert hear(used, [conversation]) == hear(new(), [conversation])


def test_a_window_must_be_answered_before_more_is_heard() -> None:
    recognizer, rest = new(), voice(2.0, np.random.default_rng(0))
    window = None
    while window is None:
        taken, window = recognizer.advance(rest)
        rest = rest[taken:]
    for call in (lambda: recognizer.advance(rest), recognizer.finish, lambda: recognizer.skip(1, "overflow")):
        with pytest.raises(RuntimeError, match="awaits its answer"):
            call()
    recognizer.answer(opinion(window))
    with pytest.raises(RuntimeError, match="no window"):
        recognizer.answer(opinion(window))


@pytest.mark.parametrize("changed", [{"hop": 0.0}, {"hop": 0.6}, {"window": 0.1}])
def test_settings_out_of_range_are_refused(changed: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(changed))):
        new(**changed)
