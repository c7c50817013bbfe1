from __future__ import annotations

import pytest

from stream_ser.bench.speech import speech
from stream_ser.speech.detector import VoiceActivity, detect
from stream_ser.speech.gate import SpeechGate

pytestmark = pytest.mark.unit


def test_the_signal_is_speech_throughout() -> None:
    gate, silent = SpeechGate(), 0
    for frame in detect(VoiceActivity(), speech(12.0, 16_000)):
        gate.update(frame)
        silent += gate.utterance is None
    assert silent < 0.05 * gate.chunks, (silent, gate.chunks)


def test_the_signal_has_the_length_that_is_wanted() -> None:
    assert len(speech(0.5, 16_000)) == 8_000
