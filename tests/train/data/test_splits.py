from __future__ import annotations

from collections import Counter

import pytest
from speech_corpus import clip
from stream_ser_train.data.corpus import Clip, CorpusError
from stream_ser_train.data.splits import ACTOR_FOLDS, across, at_random, by_speaker, fold_of

pytestmark = pytest.mark.unit


def clips(actors: range) -> list[Clip]:
    return [
        clip(emotion, actor, repetition, statement)
        for actor in actors
        for emotion in range(1, 9)
        for repetition in (1, 2)
        for statement in (1, 2)
    ]


ALL = clips(range(1, 25))


def test_the_folds_test_every_actor_once() -> None:
    assert sorted(actor for fold in ACTOR_FOLDS for actor in fold) == list(range(1, 25))
    assert Counter(clip for split in by_speaker(ALL) for clip in split.test) == Counter(ALL)


def test_no_actor_is_on_both_sides() -> None:
    for split in by_speaker(ALL):
        assert not {clip.speaker for clip in split.train} & {clip.speaker for clip in split.test}
        assert len(split.train) + len(split.test) == len(ALL)


def test_too_few_actors_are_refused() -> None:
    with pytest.raises(CorpusError, match="ravdess 01, ravdess 02 only"):
        list(by_speaker(clips(range(1, 3))))


def test_random_splits_share_no_clip_and_differ_by_seed() -> None:
    first, second = at_random(ALL, [0, 1])
    for split in (first, second):
        assert not set(split.train) & set(split.test)
        assert set(split.train) | set(split.test) == set(ALL)
        assert max(Counter(clip.emotion for clip in split.test).values()) <= len(ALL) / 8 * 0.2 + 1
    assert first.test != second.test
    assert next(at_random(ALL, [0])) == first


def test_the_folds_are_the_published_ones_and_other_speakers_are_assigned_in_turn() -> None:
    speakers = [f"ravdess {actor:02}" for actor in range(1, 25)] + [f"emo-db {number:02}" for number in range(3, 13)]
    folds = fold_of(speakers)
    assert [folds[f"ravdess {actor:02}"] for actor in (2, 3, 10, 8, 1)] == [0, 1, 2, 3, 4]
    assert Counter(folds[speaker] for speaker in speakers[24:]) == dict.fromkeys(range(5), 2)


def test_a_speaker_on_both_sides_of_two_corpora_is_refused() -> None:
    with pytest.raises(CorpusError, match="ravdess 03 stand in both"):
        across(clips(range(1, 4)), clips(range(3, 6)))
    split = across(clips(range(1, 3)), clips(range(3, 6)))
    assert len(split.train) == 2 * 32
    assert len(split.test) == 3 * 32


def test_two_corpora_are_compared_on_the_emotions_that_both_have() -> None:
    train = [one for one in clips(range(1, 4)) if one.emotion in (0, 2, 3)]
    test = [one for one in clips(range(4, 6)) if one.emotion in (2, 3, 4)]
    split = across(train, test)
    assert split.choices == (2, 3)
    assert {clip.emotion for clip in split.test} == {2, 3}
    assert len(split.train) == len(train)
    with pytest.raises(CorpusError, match="share too few emotions to tell apart: happy"):
        across(train, [one for one in test if one.emotion == 2])
