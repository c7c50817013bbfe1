from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from speech_corpus import clip_name
from stream_ser_train.corpus import Clip, CorpusError
from stream_ser_train.splits import ACTOR_FOLDS, at_random, by_actor


def clips(actors: range) -> list[Clip]:
    return [
        Clip(clip_name(emotion, actor, repetition, statement), Path())
        for actor in actors
        for emotion in range(1, 9)
        for repetition in (1, 2)
        for statement in (1, 2)
    ]


ALL = clips(range(1, 25))


def test_the_folds_test_every_actor_once() -> None:
    assert sorted(actor for fold in ACTOR_FOLDS for actor in fold) == list(range(1, 25))
    assert Counter(clip for split in by_actor(ALL) for clip in split.test) == Counter(ALL)


def test_no_actor_stands_on_both_sides() -> None:
    for split in by_actor(ALL):
        assert not {clip.actor for clip in split.train} & {clip.actor for clip in split.test}
        assert len(split.train) + len(split.test) == len(ALL)


def test_too_few_actors_are_refused() -> None:
    with pytest.raises(CorpusError, match="actors 1, 2 only"):
        list(by_actor(clips(range(1, 3))))


def test_random_splits_share_no_clip_and_differ_by_seed() -> None:
    first, second = at_random(ALL, [0, 1])
    for split in (first, second):
        assert not set(split.train) & set(split.test)
        assert set(split.train) | set(split.test) == set(ALL)
        assert max(Counter(clip.emotion for clip in split.test).values()) <= len(ALL) / 8 * 0.2 + 1
    assert first.test != second.test
    assert next(at_random(ALL, [0])) == first
