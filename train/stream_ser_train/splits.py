"""Who is trained on and who is tested."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sklearn.model_selection import StratifiedShuffleSplit

from stream_ser_train.corpus import Clip, CorpusError

ACTOR_FOLDS: tuple[frozenset[int], ...] = (
    frozenset({2, 5, 14, 15, 16}),
    frozenset({3, 6, 7, 13, 18}),
    frozenset({10, 11, 12, 19, 20}),
    frozenset({8, 17, 21, 23, 24}),
    frozenset({1, 4, 9, 22}),
)
"""Test actors of each fold (Luna-Jimenez et al. 2021, doi:10.3390/s21227665)."""


@dataclass(frozen=True, slots=True)
class Split:
    """Clips to train on and clips to test on; no clip is in both."""

    name: str
    train: tuple[Clip, ...]
    test: tuple[Clip, ...]


def by_actor(clips: Sequence[Clip]) -> Iterator[Split]:
    """The five speaker-independent folds: no actor stands on both sides of one.

    Raises:
        CorpusError: a fold has no clip to train on or none to test on.
    """
    for number, actors in enumerate(ACTOR_FOLDS):
        train = tuple(clip for clip in clips if clip.actor not in actors)
        test = tuple(clip for clip in clips if clip.actor in actors)
        if not train or not test:
            spoken = ", ".join(str(actor) for actor in sorted({clip.actor for clip in clips}))
            raise CorpusError(
                f"the clips are of actors {spoken} only; fold {number} needs some of {sorted(actors)} and some others"
            )
        yield Split(f"fold {number}", train, test)


def at_random(clips: Sequence[Clip], seeds: Sequence[int]) -> Iterator[Split]:
    """Stratified 80/20 splits by clip. Leaky: the same voices stand on both sides."""
    emotions = [clip.emotion for clip in clips]
    for seed in seeds:
        divide = StratifiedShuffleSplit(n_splits=1, test_size=0.2, random_state=seed)
        train, test = next(divide.split(emotions, emotions))
        yield Split(f"random {seed}", tuple(clips[i] for i in train), tuple(clips[i] for i in test))
