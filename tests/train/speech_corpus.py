"""A corpus that looks like RAVDESS and sounds like speech, cut from our own synthetic demo."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile

from stream_ser.audio.file import DEMO
from stream_ser.audio.resample import resample

_SENTENCES = ((1.0, 4.9), (6.1, 9.7), (11.3, 13.5), (14.6, 16.9))
"""Seconds of the demo's first four sentences."""


def clip_name(emotion: int, actor: int, repetition: int = 1, statement: int = 1) -> str:
    return f"03-01-{emotion:02}-01-{statement:02}-{repetition:02}-{actor:02}.wav"


def write_corpus(folder: Path, actors: Iterable[int], emotions: Iterable[int] = range(1, 9), rate: int = 16_000) -> Path:
    """One clip of each actor and emotion: a sentence at a pitch of the actor's own, calm or agitated by emotion."""
    demo, demo_rate = soundfile.read(DEMO, dtype="float32")
    for actor in actors:
        place = folder / f"Actor_{actor:02}"
        place.mkdir(parents=True, exist_ok=True)
        for emotion in emotions:
            begin, end = _SENTENCES[(emotion - 1) % len(_SENTENCES)]
            sentence = demo[round(begin * demo_rate) : round(min(end, begin + 2.0) * demo_rate)]
            pitched = resample(sentence, round(demo_rate * (0.9 + 0.01 * actor)), rate)
            still = np.zeros(round(0.7 * rate), np.float32)
            samples = np.concatenate((still, pitched * (0.3 + 0.08 * emotion), still))
            soundfile.write(place / clip_name(emotion, actor), samples, rate, subtype="PCM_16")
    return folder
