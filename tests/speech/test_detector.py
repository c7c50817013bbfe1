from __future__ import annotations

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_ser.audio.sources.file import DEMO
from stream_ser.speech.detector import VadFrame, VoiceActivity, detect
from stream_ser.speech.gate import SpeechGate, Utterance
from stream_ser.speech.silero import CHUNK

pytestmark = pytest.mark.unit


ROW = np.array([1])


def run(gate: SpeechGate, frames: list[VadFrame]) -> list[Utterance]:
    return [change for frame in frames if (change := gate.update(frame)) is not None]


@settings(max_examples=10)
@given(cuts=st.lists(st.integers(0, 16_000), max_size=8), seed=st.integers(0, 99))
def test_probabilities_do_not_depend_on_the_chunking(cuts: list[int], seed: int) -> None:
    signal = np.random.default_rng(seed).uniform(-0.5, 0.5, 16_000).astype(np.float32)
    whole = detect(VoiceActivity(), signal)
    detector = VoiceActivity()
    state = detector.new_state(3)
    cut = [frame for piece in np.split(signal, sorted(cuts)) for frame in detector.process(state, ROW, piece[None])[0]]
    np.testing.assert_allclose(cut, whole, atol=1e-4)
    assert len(whole) == 16_000 // CHUNK


@pytest.mark.parametrize("level", [0.001, 0.03, 0.9])
def test_noise_and_hum_are_not_speech(level: float) -> None:
    rng = np.random.default_rng(3)
    time = np.arange(10 * 16_000) / 16_000
    for signal in (rng.uniform(-1, 1, len(time)), np.sin(2 * np.pi * 50 * time), np.zeros(len(time))):
        gate = SpeechGate()
        assert run(gate, detect(VoiceActivity(), (level * signal).astype(np.float32))) == []


@pytest.mark.parametrize("decibels", [-40, -30, -20, 20])
def test_a_voice_is_detected_however_far_the_microphone_is_turned(decibels: int) -> None:
    samples, _ = soundfile.read(DEMO, dtype="float32")

    def speech(gain: float) -> int:
        changes = run(SpeechGate(), detect(VoiceActivity(), np.clip(samples * np.float32(gain), -1.0, 1.0)))
        return sum(change.end - change.start for change in changes if change.end is not None)

    assert speech(10 ** (decibels / 20)) == pytest.approx(speech(1.0), rel=0.15)


def test_a_stream_may_begin_in_the_midst_of_speech() -> None:
    samples, rate = soundfile.read(DEMO, dtype="float32")
    whole = run(SpeechGate(), detect(VoiceActivity(), samples))
    loudest = max(
        (change for change in whole if change.end is not None), key=lambda one: np.abs(samples[one.start : one.end]).max()
    )
    assert loudest.end is not None
    within = samples[loudest.start + rate // 4 : loudest.end]
    gate = SpeechGate()
    run(gate, detect(VoiceActivity(), within))
    assert gate.utterance is not None
    assert gate.utterance.start < rate // 2


def test_a_loud_moment_is_remembered_for_a_while() -> None:
    detector, second = VoiceActivity(), np.zeros((1, 16_000), np.float32)
    state = detector.new_state(2)
    detector.process(state, ROW, np.full((1, CHUNK), 0.8, np.float32))
    assert state.peak == pytest.approx([0.0, 0.8])
    detector.process(state, ROW, second)
    assert 0.4 < state.peak[1] < 0.5
    detector.process(state, ROW, np.tile(second, (1, 10)))
    assert state.peak[1] < 0.01


def test_streams_together_get_what_they_get_alone() -> None:
    """With tails of different lengths, so that they complete different numbers of chunks."""
    demo, _ = soundfile.read(DEMO, dtype="float32")
    signals = [demo[start : start + 8_000] for start in (20_000, 60_000, 100_000)]
    detector, rows = VoiceActivity(), np.array([3, 0, 2])
    state = detector.new_state(4)
    places = [0, 100, 511]
    found = [
        list(detector.process(state, rows[number : number + 1], signal[None, :place])[0])
        for number, (signal, place) in enumerate(zip(signals, places, strict=True))
    ]
    for piece in (400, 1_600, 1_600, 33):
        new = np.stack([signal[place : place + piece] for signal, place in zip(signals, places, strict=True)])
        places = [place + piece for place in places]
        for frames, more in zip(found, detector.process(state, rows, new), strict=True):
            frames += more
    for signal, place, frames in zip(signals, places, found, strict=True):
        np.testing.assert_allclose(frames, detect(detector, signal[:place]), atol=1e-4)


def test_a_cleared_row_is_a_new_stream() -> None:
    rng = np.random.default_rng(4)
    first, second = (rng.uniform(-0.9, 0.9, (1, 5_000)).astype(np.float32) for _ in range(2))
    detector = VoiceActivity()
    state = detector.new_state(2)
    detector.process(state, ROW, first)
    state.clear(1)
    assert detector.process(state, ROW, second) == [detect(detector, second[0])]
