"""Windows of the utterances to train on: cut where live windows are cut, padded into batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_ser.models.window import Frames
from stream_ser_train.augmentation.frames import FrameAugmentation
from stream_ser_train.data.utterances import ClipUtterances
from stream_ser_train.networks.architectures import Scale

WINDOW_FRAMES = 300
"""Frames that a model sees at most: the default --window."""

PADDING_FRAMES = 10
"""Granularity of padding: few distinct batch shapes, little waste."""

_POOLED_BATCHES = 8
"""Batches that are sorted by length together: less padding, and still windows of all lengths in a batch now and then."""


@dataclass(frozen=True, slots=True)
class Batch:
    """``mfcc: float32[batch, frames, coef]`` padded at the end, ``length: int32[batch]``, ``emotion: int32[batch]``."""

    mfcc: Frames
    length: NDArray[np.int32]
    emotion: NDArray[np.int32]


def pad(windows: Sequence[Frames], emotions: Sequence[int]) -> Batch:
    """Put windows of different lengths into one batch."""
    length = np.array([len(window) for window in windows], np.int32)
    longest = -(-int(length.max()) // PADDING_FRAMES) * PADDING_FRAMES
    mfcc = np.zeros((len(windows), longest, windows[0].shape[1]), np.float32)
    for row, window in zip(mfcc, windows, strict=True):
        row[: len(window)] = window
    return Batch(mfcc, length, np.array(emotions, np.int32))


def final_window(utterance: Frames) -> Frames:
    """The frames that the final prediction for an utterance is made from."""
    return utterance[-WINDOW_FRAMES:]


def measure(utterances: Sequence[ClipUtterances]) -> Scale:
    """Mean and variance of each coefficient over the unaltered utterances."""
    frames = np.concatenate([part for item in utterances for part in item.copies[0]]).astype(np.float64)
    return Scale(frames.mean(axis=0), frames.var(axis=0))


class TrainingSet:
    """Clips to draw windows from: each epoch takes every clip once, in one of its copies, cut at a random live hop.

    Args:
        utterances: of the clips; one without any is left out.
        window: frames that a model sees at most.
        shortest: frames of the shortest window; live windows are hardly shorter.
        hop: frames between two live windows.
        complete_share: share of windows that reach the end of the utterance, as the final one does.
        unaltered_share: share of windows that are cut from the clip as it is.
        augmentation: alters each other window anew; None leaves them as they are.
    """

    def __init__(
        self,
        utterances: Sequence[ClipUtterances],
        window: int = WINDOW_FRAMES,
        shortest: int = 40,
        hop: int = 10,
        complete_share: float = 0.8,
        unaltered_share: float = 0.0,
        augmentation: FrameAugmentation | None = None,
    ) -> None:
        self._clips = [item for item in utterances if any(item.copies)]
        self._window, self._shortest, self._hop = window, shortest, hop
        self._complete_share, self._unaltered_share = complete_share, unaltered_share
        self._augmentation = augmentation

    def batches(self, size: int, rng: np.random.Generator) -> Iterator[Batch]:
        """One epoch, in random order, windows of like length together."""
        windows = [self._cut(item, rng) for item in self._clips]
        emotions = np.array([item.clip.emotion for item in self._clips])
        lengths = np.array([len(window) for window in windows])
        order = rng.permutation(len(windows))
        pools = [order[i : i + _POOLED_BATCHES * size] for i in range(0, len(order), _POOLED_BATCHES * size)]
        sorted_order = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
        groups = [sorted_order[i : i + size] for i in range(0, len(order), size)]
        for index in rng.permutation(len(groups)):
            group = groups[index]
            yield pad([windows[i] for i in group], emotions[group].tolist())

    def steps(self, size: int) -> int:
        """Batches in an epoch."""
        return -(-len(self._clips) // size)

    def _cut(self, item: ClipUtterances, rng: np.random.Generator) -> Frames:
        unaltered = bool(item.copies[0]) and rng.random() < self._unaltered_share
        copies = [copy for copy in item.copies if copy]
        copy = item.copies[0] if unaltered else copies[rng.integers(len(copies))]
        weights = np.array([len(part) for part in copy], float)
        frames = copy[rng.choice(len(copy), p=weights / weights.sum())]
        end = len(frames)
        if end > self._shortest and rng.random() >= self._complete_share:
            end = int(rng.integers(self._shortest, end))
            end -= (end - self._shortest) % self._hop
        window = frames[max(0, end - self._window) : end]
        return window if unaltered or self._augmentation is None else self._augmentation.alter(window, rng)
