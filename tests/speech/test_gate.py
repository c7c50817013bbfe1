from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from signals import vad_frame

from stream_ser.speech.detector import VadFrame
from stream_ser.speech.gate import SpeechGate, Utterance
from stream_ser.speech.silero import CHUNK

pytestmark = pytest.mark.unit

SPEECH, SILENCE, UNDECIDED = vad_frame(0.9), vad_frame(0.1, -60.0), vad_frame(0.45)


def run(gate: SpeechGate, frames: list[VadFrame]) -> list[Utterance]:
    return [change for frame in frames if (change := gate.update(frame)) is not None]


def talk(level: float, chunks: int) -> list[VadFrame]:
    """Speech whose level flutters by a few decibels, as that of syllables does."""
    return [vad_frame(0.9, level + 3.0 * np.sin(number)) for number in range(chunks)]


def test_an_utterance_starts_where_its_first_chunk_began_and_ends_after_its_last() -> None:
    changes = run(SpeechGate(), [SILENCE] * 10 + [SPEECH] * 20 + [SILENCE] * 30)
    assert changes == [Utterance(10 * CHUNK), Utterance(10 * CHUNK, 30 * CHUNK)]


def test_a_click_is_no_utterance() -> None:
    assert run(SpeechGate(), [SILENCE, SPEECH, SPEECH, SPEECH, SILENCE] * 10) == []


def test_a_pause_within_an_utterance_does_not_end_it() -> None:
    changes = run(SpeechGate(), [SPEECH] * 10 + [SILENCE] * 15 + [SPEECH] * 10 + [SILENCE] * 16)
    assert changes == [Utterance(0), Utterance(0, 35 * CHUNK)]


def test_between_the_thresholds_nothing_changes() -> None:
    gate = SpeechGate()
    assert run(gate, [UNDECIDED] * 50) == []
    run(gate, [SPEECH] * 4)
    assert run(gate, [UNDECIDED] * 50) == []
    assert gate.utterance == Utterance(50 * CHUNK)


def test_close_ends_the_utterance_where_speech_ended() -> None:
    gate = SpeechGate()
    run(gate, [SPEECH] * 8 + [SILENCE] * 3)
    assert gate.close() == Utterance(0, 8 * CHUNK)
    assert gate.close() is None


def test_talk_in_the_background_neither_prolongs_an_utterance_nor_begins_one() -> None:
    voice, others = talk(-20.0, 60), talk(-38.0, 40)
    start, end = run(SpeechGate(), voice + others)
    assert (start, end.start) == (Utterance(0), 0)
    assert end.end is not None
    assert 60 * CHUNK <= end.end <= 76 * CHUNK


def test_an_utterance_that_began_with_the_background_begins_where_the_voice_stands_out() -> None:
    gate = SpeechGate()
    (start,) = run(gate, talk(-38.0, 40) + talk(-20.0, 60))
    assert start == Utterance(0)
    assert gate.utterance is not None
    assert gate.utterance.start == pytest.approx(40 * CHUNK, abs=3 * CHUNK)


def test_a_voice_that_swells_keeps_its_beginning() -> None:
    gate = SpeechGate()
    run(gate, [vad_frame(0.9, -35.0 + number / 8) for number in range(80)])
    assert gate.utterance == Utterance(0)


def test_a_voice_that_begins_softly_keeps_its_beginning() -> None:
    gate = SpeechGate()
    run(gate, talk(-36.0, 5) + talk(-20.0, 40))
    assert gate.utterance == Utterance(0)


def test_after_a_shout_a_soft_voice_is_heard_again() -> None:
    gate = SpeechGate()
    run(gate, talk(-10.0, 60) + [SILENCE] * 20 + talk(-32.0, 60))
    assert gate.utterance is not None
    assert gate.utterance.start < (60 + 20 + 50) * CHUNK


@given(st.lists(st.builds(VadFrame, st.floats(0, 1), st.floats(-90, 0)), max_size=300))
def test_utterances_are_ordered_and_apart(frames: list[VadFrame]) -> None:
    gate, time = SpeechGate(), 0
    begun: int | None = None
    for frame in frames:
        change = gate.update(frame)
        if gate.utterance is not None:
            assert time <= gate.utterance.start < gate.speech_end
        if change is None:
            continue
        if change.end is None:
            assert begun is None
            begun = change.start
        else:
            assert begun is not None
            assert begun <= change.start < change.end
            time, begun = change.end, None
