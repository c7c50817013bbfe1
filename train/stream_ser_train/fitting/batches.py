"""What a network sees of the utterances: windows cut where live windows are cut, padded into batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_ser.models.window import Frames
from stream_ser_train.augmentation.frames import FrameAugmentation
from stream_ser_train.data.utterances import Heard
from stream_ser_train.networks.architectures import Scale

WINDOW = 300
"""Frames that a model sees at most: the default --window."""

PADDING = 10
"""Frames of padding granularity: few distinct batch shapes, little waste."""

_POOL = 8
"""Batches that are sorted by length together: less padding, and still windows of all lengths in a batch now and then."""


@dataclass(frozen=True, slots=True)
class Batch:
    """``mfcc: float32[batch, frames, coef]`` padded at the end, ``length: int32[batch]``, ``emotion: int32[batch]``."""

    mfcc: Frames
    length: NDArray[np.int32]
    emotion: NDArray[np.int32]


def pad(cuts: Sequence[Frames], emotions: Sequence[int]) -> Batch:
    """Put windows of different lengths into one batch."""
    length = np.array([len(cut) for cut in cuts], np.int32)
    longest = -(-int(length.max()) // PADDING) * PADDING
    mfcc = np.zeros((len(cuts), longest, cuts[0].shape[1]), np.float32)
    for row, cut in zip(mfcc, cuts, strict=True):
        row[: len(cut)] = cut
    return Batch(mfcc, length, np.array(emotions, np.int32))


def measure(heard: Sequence[Heard]) -> Scale:
    """Mean and variance of each coefficient over the unaltered utterances."""
    frames = np.concatenate([part for one in heard for part in one.copies[0]]).astype(np.float64)
    return Scale(frames.mean(axis=0), frames.var(axis=0))


class TrainingSet:
    """Clips to draw windows from: each epoch takes every clip once, in one of its copies, cut at a random live hop.

    Args:
        window: frames that a model sees at most.
        shortest: frames of the shortest window; the recogniser asks about little less.
        hop: frames between two live windows.
        whole: share of windows that take the utterance to its end, as a final answer does.
        unaltered: share of windows that are cut from the clip as it is.
        augmentation: alters each other window anew; None leaves them as they are.
    """

    def __init__(
        self,
        heard: Sequence[Heard],
        window: int = WINDOW,
        shortest: int = 40,
        hop: int = 10,
        whole: float = 0.8,
        unaltered: float = 0.0,
        augmentation: FrameAugmentation | None = None,
    ) -> None:
        self._heard = [one for one in heard if any(one.copies)]
        self._window, self._shortest, self._hop, self._whole = window, shortest, hop, whole
        self._unaltered, self._augmentation = unaltered, augmentation

    def batches(self, size: int, rng: np.random.Generator) -> Iterator[Batch]:
        """One epoch, in random order, windows of like length together."""
        cuts = [self._cut(one, rng) for one in self._heard]
        emotions = np.array([one.clip.emotion for one in self._heard])
        lengths = np.array([len(cut) for cut in cuts])
        order = rng.permutation(len(cuts))
        pools = [order[i : i + _POOL * size] for i in range(0, len(order), _POOL * size)]
        sorted_order = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
        groups = [sorted_order[i : i + size] for i in range(0, len(order), size)]
        for index in rng.permutation(len(groups)):
            group = groups[index]
            yield pad([cuts[i] for i in group], emotions[group].tolist())

    def steps(self, size: int) -> int:
        """Batches in an epoch."""
        return -(-len(self._heard) // size)

    def _cut(self, one: Heard, rng: np.random.Generator) -> Frames:
        unaltered = bool(one.copies[0]) and rng.random() < self._unaltered
        copies = [copy for copy in one.copies if copy]
        copy = one.copies[0] if unaltered else copies[rng.integers(len(copies))]
        weights = np.array([len(part) for part in copy], float)
        frames = copy[rng.choice(len(copy), p=weights / weights.sum())]
        end = len(frames)
        if end > self._shortest and rng.random() >= self._whole:
            end = int(rng.integers(self._shortest, end))
            end -= (end - self._shortest) % self._hop
        cut = frames[max(0, end - self._window) : end]
        return cut if unaltered or self._augmentation is None else self._augmentation.alter(cut, rng)
