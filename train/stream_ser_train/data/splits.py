"""Splits into clips to train on and clips to test on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sklearn.model_selection import StratifiedShuffleSplit

from stream_ser_train.data.corpus import Clip, Corpus, CorpusError
from stream_ser_train.data.emotions import EMOTIONS

ACTOR_FOLDS: tuple[tuple[int, ...], ...] = (
    (2, 5, 14, 15, 16),
    (3, 6, 7, 13, 18),
    (10, 11, 12, 19, 20),
    (8, 17, 21, 23, 24),
    (1, 4, 9, 22),
)
"""RAVDESS test actors of each fold (Luna-Jimenez et al. 2021, doi:10.3390/s21227665)."""

FOLDS = len(ACTOR_FOLDS)


@dataclass(frozen=True, slots=True)
class Split:
    """Clips to train on and clips to test on; no clip is in both."""

    name: str
    train: tuple[Clip, ...]
    test: tuple[Clip, ...]
    choices: tuple[int, ...] = tuple(range(len(EMOTIONS)))
    """Emotions that a prediction may be."""


def fold_of(speakers: Sequence[str]) -> dict[str, int]:
    """The fold that tests each speaker: the published one for RAVDESS actors; others are assigned in turn, in order of name."""
    folds = {f"ravdess {actor:02}": number for number, actors in enumerate(ACTOR_FOLDS) for actor in actors}
    others = sorted(set(speakers) - set(folds))
    folds |= {speaker: number % FOLDS for number, speaker in enumerate(others)}
    return {speaker: folds[speaker] for speaker in speakers}


def by_speaker(clips: Sequence[Clip]) -> Iterator[Split]:
    """The five speaker-independent folds: no speaker is on both sides of one.

    Raises:
        CorpusError: a fold has no clip to train on or none to test on.
    """
    folds = fold_of(sorted({clip.speaker for clip in clips}))
    for number in range(FOLDS):
        train = tuple(clip for clip in clips if folds[clip.speaker] != number)
        test = tuple(clip for clip in clips if folds[clip.speaker] == number)
        if not train or not test:
            raise CorpusError(
                f"the clips are of {', '.join(folds)} only; each of the five folds needs speakers of its own, and fold {number}"
                f" has none to {'test' if train else 'train'} on"
            )
        yield Split(f"fold {number}", train, test)


def across(train: Sequence[Clip], test: Sequence[Clip]) -> Split:
    """Train on some corpora and test on others, on the emotions that both have.

    A model may predict those only; test clips of others are left out, training clips are not.

    Raises:
        CorpusError: a speaker is on both sides, or they share fewer than two emotions.
    """
    both = sorted({clip.speaker for clip in train} & {clip.speaker for clip in test})
    if both:
        raise CorpusError(f"{', '.join(both[:3])}{', ...' if len(both) > 3 else ''} stand in both --train-data and --test-data")
    shared = sorted({clip.emotion for clip in train} & {clip.emotion for clip in test})
    if len(shared) < 2:
        names = ", ".join(EMOTIONS[emotion] for emotion in shared) or "none"
        raise CorpusError(f"--train-data and --test-data share too few emotions to tell apart: {names}; two or more are needed")
    return Split("across", tuple(train), tuple(clip for clip in test if clip.emotion in shared), tuple(shared))


def at_random(clips: Sequence[Clip], seeds: Sequence[int]) -> Iterator[Split]:
    """Stratified 80/20 splits by clip. Leaky: the same voices are on both sides."""
    emotions = [clip.emotion for clip in clips]
    for seed in seeds:
        divide = StratifiedShuffleSplit(n_splits=1, test_size=0.2, random_state=seed)
        train, test = next(divide.split(emotions, emotions))
        yield Split(f"random {seed}", tuple(clips[i] for i in train), tuple(clips[i] for i in test))


def sample(corpus: Corpus, clips_per_speaker: int) -> Corpus:
    """A smaller corpus: some clips of each speaker, spread over the emotions."""
    chosen: list[Clip] = []
    for speaker in corpus.speakers:
        own = sorted(corpus.of_speakers(frozenset({speaker})), key=lambda clip: (clip.emotion, clip.name))
        chosen += own[:: max(1, len(own) // clips_per_speaker)][:clips_per_speaker]
    return Corpus(tuple(sorted(chosen)))
