"""Utterances as the live recogniser hears them, computed once per clip and copy, and cached.

A clip goes through the very recogniser that listens to microphones: its voice activity detector finds the utterances,
its extractor computes the frames. Altered copies replay the detector's findings on the clean clip at their own speed, which
saves the network and leaves the rest of the path as it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from stream_ser_export.atomic_write import atomic_write

from stream_ser.core.recognizer import Recognizer, windows
from stream_ser.features import MfccSettings
from stream_ser.models.window import Frames, Window
from stream_ser.speech.detector import CHUNK, VadFrame, VoiceActivity
from stream_ser_train.augmentation.clips import CopySettings, augment
from stream_ser_train.data.corpus import Clip
from stream_ser_train.data.fingerprint import HEARING, fingerprint
from stream_ser_train.fitting.workers import start_worker
from stream_ser_train.report.progress import Step


@dataclass(frozen=True, slots=True)
class Heard:
    """The utterances of one clip: of the clip as it is, and of its altered copies."""

    clip: Clip
    copies: tuple[tuple[Frames, ...], ...]
    """Utterances by copy; copy 0 is the clip as it is."""


class Recording:
    """A detector that remembers what it said."""

    def __init__(self) -> None:
        self._detector = VoiceActivity()
        self.said: list[VadFrame] = []

    def push(self, samples: NDArray[np.float32]) -> list[VadFrame]:
        said = self._detector.push(samples)
        self.said += said
        return said

    def reset(self) -> None:
        self._detector.reset()
        self.said.clear()


class Replay:
    """Says what a detector said of the same speech before it was sped up by ``speed``."""

    def __init__(self, said: Sequence[VadFrame], speed: float) -> None:
        self._said, self._speed = said, speed
        self._samples = 0

    def push(self, samples: NDArray[np.float32]) -> list[VadFrame]:
        before, self._samples = self._samples // CHUNK, self._samples + len(samples)
        last = len(self._said) - 1
        return [self._said[min(last, round(i * self._speed))] for i in range(before, self._samples // CHUNK)]

    def reset(self) -> None:
        self._samples = 0


def utterances(asked: Sequence[Window]) -> tuple[Frames, ...]:
    """The frames of each utterance whose windows these are, however many windows it takes to cover it.

    An utterance whose start moved on begins with the first window after that.
    """
    whole: list[Frames] = []
    parts: list[Frames] = []
    first = end = 0
    for window in asked:
        if window.begins:
            parts, first, end = [], window.first_frame, window.first_frame
        new = window.mfcc[end - window.first_frame :]
        parts.append(new)
        end += len(new)
        if window.is_final:
            last = window.first_frame + len(window.mfcc)
            whole.append(np.concatenate(parts)[: last - first])
            parts = []
    return tuple(whole)


def hear(clips: Sequence[Clip], copies: CopySettings, features: MfccSettings, cache: Path, progress: Step) -> list[Heard]:
    """The utterances of every clip and of its altered copies, from the cache or computed now.

    Raises:
        CorpusError: a clip is unreadable.
    """
    cache.mkdir(parents=True, exist_ok=True)
    recipe = f"{fingerprint(HEARING)} {features.fingerprint()} {json.dumps(asdict(copies))}"
    files = [cache / f"{_key(recipe, clip)}.npz" for clip in clips]
    new = [(clip, copies, features, file) for clip, file in zip(clips, files, strict=True) if not file.exists()]
    if new:
        cached = len(clips) - len(new)
        with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=start_worker) as pool:
            for done, _ in enumerate(pool.map(_listen_to_clip, new, chunksize=4), start=cached + 1):
                progress(done, len(clips))
    progress(len(clips), len(clips))
    return [_load(clip, copies.count, file) for clip, file in zip(clips, files, strict=True)]


def _key(recipe: str, clip: Clip) -> str:
    return hashlib.sha256(f"{recipe} {clip.name} {clip.checksum}".encode()).hexdigest()[:24]


def _listen_to_clip(task: tuple[Clip, CopySettings, MfccSettings, Path]) -> None:
    clip, copies, features, file = task
    _save(file, _listen(clip, copies, features))


def _load(clip: Clip, copies: int, file: Path) -> Heard:
    with np.load(file) as saved:
        flat, lengths, owners = saved["frames"], saved["lengths"], saved["owners"]
    parts = np.split(flat, np.cumsum(lengths)[:-1]) if len(lengths) else []
    by_copy = tuple(
        tuple(part for part, owner in zip(parts, owners, strict=True) if owner == copy) for copy in range(copies + 1)
    )
    return Heard(clip, by_copy)


def _listen(clip: Clip, copies: CopySettings, features: MfccSettings) -> list[tuple[Frames, ...]]:
    samples = clip.read(features.sample_rate)
    detector = Recording()
    found = [utterances(windows(Recognizer(features, detector=detector), samples))]
    for copy in range(1, copies.count + 1):
        altered, speed = augment(samples, features.sample_rate, f"{clip.name} {copy}", copies)
        replay = Replay(detector.said, speed)
        found.append(utterances(windows(Recognizer(features, detector=replay), altered)))
    return found


def _save(file: Path, found: list[tuple[Frames, ...]]) -> None:
    parts = [part for copy in found for part in copy]
    coefficients = parts[0].shape[1] if parts else 0
    with atomic_write(file) as partial:
        np.savez(
            partial,
            frames=np.concatenate(parts) if parts else np.empty((0, coefficients), np.float32),
            lengths=np.array([len(part) for part in parts], np.int64),
            owners=np.array([owner for owner, copy in enumerate(found) for _ in copy], np.int64),
        )
