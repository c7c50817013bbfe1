from __future__ import annotations

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from signals import vad_frame

from stream_ser.audio.sources.file import DEMO
from stream_ser.speech.detector import CHUNK, VadFrame, VoiceActivity
from stream_ser.speech.gate import SpeechGate, Utterance

pytestmark = pytest.mark.unit

SPEECH, SILENCE, UNDECIDED = vad_frame(0.9), vad_frame(0.1, -60.0), vad_frame(0.45)


def run(gate: SpeechGate, sounds: list[VadFrame]) -> list[Utterance]:
    return [change for sound in sounds if (change := gate.update(sound)) is not None]


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


def test_a_gate_that_was_reset_knows_no_foreground() -> None:
    gate = SpeechGate()
    run(gate, talk(-10.0, 60))
    gate.reset()
    assert run(gate, talk(-45.0, 10)) == [Utterance(0)]


@given(st.lists(st.builds(VadFrame, st.floats(0, 1), st.floats(-90, 0)), max_size=300))
def test_utterances_are_ordered_and_apart(sounds: list[VadFrame]) -> None:
    gate, time = SpeechGate(), 0
    begun: int | None = None
    for sound in sounds:
        change = gate.update(sound)
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


@settings(max_examples=10)
@given(cuts=st.lists(st.integers(0, 16_000), max_size=8), seed=st.integers(0, 99))
def test_probabilities_do_not_depend_on_the_chunking(cuts: list[int], seed: int) -> None:
    signal = np.random.default_rng(seed).uniform(-0.5, 0.5, 16_000).astype(np.float32)
    whole = VoiceActivity().push(signal)
    detector = VoiceActivity()
    cut = [sound for piece in np.split(signal, sorted(cuts)) for sound in detector.push(piece)]
    np.testing.assert_allclose(cut, whole, atol=1e-4)
    assert len(whole) == 16_000 // CHUNK


@pytest.mark.parametrize("level", [0.001, 0.03, 0.9])
def test_noise_and_hum_are_not_speech(level: float) -> None:
    rng = np.random.default_rng(3)
    time = np.arange(10 * 16_000) / 16_000
    for signal in (rng.uniform(-1, 1, len(time)), np.sin(2 * np.pi * 50 * time), np.zeros(len(time))):
        gate = SpeechGate()
        assert run(gate, VoiceActivity().push((level * signal).astype(np.float32))) == []


@pytest.mark.parametrize("decibels", [-40, -30, -20, 20])
def test_a_voice_is_heard_however_far_the_microphone_is_turned(decibels: int) -> None:
    samples, _ = soundfile.read(DEMO, dtype="float32")

    def speech(gain: float) -> int:
        changes = run(SpeechGate(), VoiceActivity().push(np.clip(samples * np.float32(gain), -1.0, 1.0)))
        return sum(change.end - change.start for change in changes if change.end is not None)

    assert speech(10 ** (decibels / 20)) == pytest.approx(speech(1.0), rel=0.15)


def test_a_stream_may_begin_in_the_midst_of_speech() -> None:
    samples, rate = soundfile.read(DEMO, dtype="float32")
    whole = run(SpeechGate(), VoiceActivity().push(samples))
    loudest = max(
        (change for change in whole if change.end is not None), key=lambda one: np.abs(samples[one.start : one.end]).max()
    )
    assert loudest.end is not None
    within = samples[loudest.start + rate // 4 : loudest.end]
    gate = SpeechGate()
    run(gate, VoiceActivity().push(within))
    assert gate.utterance is not None
    assert gate.utterance.start < rate // 2


def test_a_loud_moment_is_remembered_for_a_while() -> None:
    detector, second = VoiceActivity(), np.zeros(16_000, np.float32)
    detector.push(np.full(CHUNK, 0.8, np.float32))
    assert detector.peak == pytest.approx(0.8)
    detector.push(second)
    assert 0.4 < detector.peak < 0.5
    detector.push(np.tile(second, 10))
    assert detector.peak < 0.01


def test_reset_gives_the_state_of_a_new_detector() -> None:
    rng = np.random.default_rng(4)
    first, second = (rng.uniform(-0.9, 0.9, 5_000).astype(np.float32) for _ in range(2))
    used = VoiceActivity()
    used.push(first)
    used.reset()
    assert used.push(second) == VoiceActivity().push(second)
