"""The signal that is measured with: speech without a pause."""

from __future__ import annotations

import numpy as np
import soundfile
from numpy.typing import NDArray

from stream_ser.audio.sources.file import DEMO
from stream_ser.speech.detector import VoiceActivity, detect
from stream_ser.speech.gate import SpeechGate

Samples = NDArray[np.float32]


def speech(seconds: float, sample_rate: int) -> Samples:
    """The longest utterance of the demo recording, repeated; ``float32[seconds * sample_rate]`` in [-1, 1]."""
    samples, _ = soundfile.read(DEMO, dtype="float32")
    start, end = max(_utterances(samples), key=lambda span: span[1] - span[0])
    return np.asarray(np.resize(samples[start:end], round(seconds * sample_rate)), np.float32)


def _utterances(samples: Samples) -> list[tuple[int, int]]:
    """First and last sample of each utterance."""
    gate = SpeechGate()
    changes = [change for frame in detect(VoiceActivity(), samples) if (change := gate.update(frame))]
    return [(change.start, change.end) for change in changes if change.end is not None]
