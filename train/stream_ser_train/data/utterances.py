"""Utterances as the live recogniser finds them, computed once per clip and copy, and cached.

A clip goes through the recogniser that processes microphones: its voice activity detector finds the utterances, its
extractor computes the frames. Altered copies replay the detector's output for the clean clip at their own speed, which
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

from stream_ser.core.offline import WindowFrames, collect_windows
from stream_ser.features import MfccSettings
from stream_ser.models.window import Frames
from stream_ser.speech.detector import RowIndices, SpeechDetector, VadFrame, VadState, VoiceActivity
from stream_ser.speech.silero import CHUNK
from stream_ser.state_rows import StateRows
from stream_ser_train.augmentation.clips import CopySettings, augment
from stream_ser_train.data.corpus import Clip
from stream_ser_train.progress import Step
from stream_ser_train.versions import FRONTEND_VERSION
from stream_ser_train.workers import start_worker


@dataclass(frozen=True, slots=True)
class ClipUtterances:
    """The utterances of one clip: of the clip as it is, and of its altered copies."""

    clip: Clip
    copies: tuple[tuple[Frames, ...], ...]
    """Utterances by copy; copy 0 is the clip as it is."""


class RecordingDetector:
    """The voice activity detector over one stream, with a record of its output."""

    def __init__(self) -> None:
        self._detector = VoiceActivity()
        self.recorded: list[VadFrame] = []

    def new_state(self, rows: int) -> VadState:
        return self._detector.new_state(rows)

    def process(self, state: VadState, rows: RowIndices, samples: NDArray[np.float32]) -> list[list[VadFrame]]:
        (frames,) = self._detector.process(state, rows, samples)
        self.recorded += frames
        return [frames]


@dataclass(slots=True)
class ReplayState(StateRows):
    """Samples of each stream so far."""

    samples: NDArray[np.int64]


class ReplayDetector:
    """Returns what a detector returned for the same speech before it was sped up by ``speed``."""

    def __init__(self, recorded: Sequence[VadFrame], speed: float) -> None:
        self._recorded, self._speed = recorded, speed

    def new_state(self, rows: int) -> ReplayState:
        return ReplayState(np.zeros(rows, np.int64))

    def process(self, state: ReplayState, rows: RowIndices, samples: NDArray[np.float32]) -> list[list[VadFrame]]:
        before = state.samples[rows] // CHUNK
        state.samples[rows] += samples.shape[1]
        last, after = len(self._recorded) - 1, state.samples[rows] // CHUNK
        return [
            [self._recorded[min(last, round(chunk * self._speed))] for chunk in range(first, end)]
            for first, end in zip(before.tolist(), after.tolist(), strict=True)
        ]


def segment(samples: NDArray[np.float32], features: MfccSettings, detector: SpeechDetector | None = None) -> tuple[Frames, ...]:
    """The utterances in a signal.

    Args:
        samples: mono, in [-1, 1], at the rate of ``features``.
        features: what a frame is.
        detector: finds the speech; the voice activity detector when None.

    Returns:
        The frames of each utterance, ``float32[frames, coef]``.
    """
    return join_windows(collect_windows(samples, features, detector))


def join_windows(windows: Sequence[WindowFrames]) -> tuple[Frames, ...]:
    """The frames of each utterance that these windows cover, however many windows it takes.

    An utterance whose start moved on begins with the first window after that.
    """
    utterances: list[Frames] = []
    parts: list[Frames] = []
    first = end = 0
    for one in windows:
        window = one.window
        if window.begins:
            parts, first, end = [], window.first_frame, window.first_frame
        new = one.frames[end - window.first_frame :]
        parts.append(new)
        end += len(new)
        if window.is_final:
            utterances.append(np.concatenate(parts)[: window.last_frame - first])
            parts = []
    return tuple(utterances)


def extract_utterances(
    clips: Sequence[Clip], copies: CopySettings, features: MfccSettings, cache: Path, progress: Step
) -> list[ClipUtterances]:
    """The utterances of every clip and of its altered copies, from the cache or computed now.

    Raises:
        CorpusError: a clip is unreadable.
    """
    cache.mkdir(parents=True, exist_ok=True)
    frontend = f"frontend {FRONTEND_VERSION} {features.fingerprint()} {json.dumps(asdict(copies))}"
    files = [cache / f"{_key(frontend, clip)}.npz" for clip in clips]
    missing = [(clip, copies, features, file) for clip, file in zip(clips, files, strict=True) if not file.exists()]
    if missing:
        cached = len(clips) - len(missing)
        with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=start_worker) as pool:
            for done, _ in enumerate(pool.map(_extract_to_file, missing, chunksize=4), start=cached + 1):
                progress(done, len(clips))
    progress(len(clips), len(clips))
    return [_load(clip, copies.count, file) for clip, file in zip(clips, files, strict=True)]


def extract_copies(clip: Clip, copies: CopySettings, features: MfccSettings) -> list[tuple[Frames, ...]]:
    """The utterances of a clip as it is, then those of each altered copy.

    Raises:
        CorpusError: the clip is unreadable.
    """
    samples = clip.read(features.sample_rate)
    detector = RecordingDetector()
    utterances = [segment(samples, features, detector)]
    for copy in range(1, copies.count + 1):
        altered, speed = augment(samples, features.sample_rate, f"{clip.name} {copy}", copies)
        utterances.append(segment(altered, features, ReplayDetector(detector.recorded, speed)))
    return utterances


def _key(frontend: str, clip: Clip) -> str:
    return hashlib.sha256(f"{frontend} {clip.name} {clip.checksum}".encode()).hexdigest()[:24]


def _extract_to_file(task: tuple[Clip, CopySettings, MfccSettings, Path]) -> None:
    clip, copies, features, file = task
    _save(file, extract_copies(clip, copies, features))


def _load(clip: Clip, copies: int, file: Path) -> ClipUtterances:
    with np.load(file) as saved:
        flat, lengths, owners = saved["frames"], saved["lengths"], saved["owners"]
    parts = np.split(flat, np.cumsum(lengths)[:-1]) if len(lengths) else []
    by_copy = tuple(
        tuple(part for part, owner in zip(parts, owners, strict=True) if owner == copy) for copy in range(copies + 1)
    )
    return ClipUtterances(clip, by_copy)


def _save(file: Path, by_copy: list[tuple[Frames, ...]]) -> None:
    parts = [part for copy in by_copy for part in copy]
    coefficients = parts[0].shape[1] if parts else 0
    with atomic_write(file) as partial:
        np.savez(
            partial,
            frames=np.concatenate(parts) if parts else np.empty((0, coefficients), np.float32),
            lengths=np.array([len(part) for part in parts], np.int64),
            owners=np.array([owner for owner, copy in enumerate(by_copy) for _ in copy], np.int64),
        )
