"""A corpus that looks like RAVDESS and sounds like speech, cut from our own synthetic demo."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile
from stream_ser_train.data.corpus import Clip

from stream_ser.audio.resample import resample
from stream_ser.audio.sources.file import DEMO

_SENTENCES = (1.0, 7.4, 12.6, 15.8)
"""Seconds at which the demo's first four sentences begin."""


def clip_name(emotion: int, actor: int, repetition: int = 1, statement: int = 1) -> str:
    return f"03-01-{emotion:02}-01-{statement:02}-{repetition:02}-{actor:02}.wav"


def clip(emotion: int, actor: int, repetition: int = 1, statement: int = 1) -> Clip:
    """A clip without a file; ``emotion`` counts from 1, as in the file name."""
    return Clip(clip_name(emotion, actor, repetition, statement), emotion - 1, f"ravdess {actor:02}", Path())


def write_corpus(folder: Path, actors: Iterable[int], emotions: Iterable[int] = range(1, 9), rate: int = 16_000) -> Path:
    """One clip of each actor and emotion: a sentence at a pitch of the actor's own, calm or agitated by emotion."""
    demo, demo_rate = soundfile.read(DEMO, dtype="float32")
    for actor in actors:
        place = folder / f"Actor_{actor:02}"
        place.mkdir(parents=True, exist_ok=True)
        for emotion in emotions:
            begin = _SENTENCES[(emotion - 1) % len(_SENTENCES)]
            sentence = demo[round(begin * demo_rate) : round((begin + 2.0) * demo_rate)]
            sentence = sentence / np.abs(sentence).max()
            pitched = resample(sentence, round(demo_rate * (0.9 + 0.01 * actor)), rate)
            still = np.zeros(round(0.7 * rate), np.float32)
            samples = np.concatenate((still, pitched * (0.1 + 0.05 * emotion), still))
            soundfile.write(place / clip_name(emotion, actor), samples, rate, subtype="PCM_16")
    return folder
