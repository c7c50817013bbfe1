"""What the training commands do, between the command line and the work."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from rich.console import Console

from stream_ser.errors import UserError, choose
from stream_ser_train.data.corpus import (
    Corpus,
    CorpusError,
    cache_folder,
    default_place,
    describe_words,
    open_corpora,
    open_corpus,
)
from stream_ser_train.fitting.workers import import_tensorflow
from stream_ser_train.report.progress import bar


class RecipeChoice(StrEnum):
    """What ``--recipe`` takes."""

    OURS = "ours"
    ORIGINAL = "original"


def train_command(data: Sequence[Path], out: Path, recipe: str, seed: int, quick: bool, console: Console) -> None:
    """``stream-ser train``."""
    import_tensorflow()
    from stream_ser_train.fitting.fit import InterruptedFitError
    from stream_ser_train.fitting.recipe import FULL, QUICK, QUICK_CLIPS
    from stream_ser_train.fitting.train import sample, train, train_original

    choice = choose(RecipeChoice, recipe, "--recipe")
    corpus = open_data(data, console)
    if quick:
        corpus = sample(corpus, QUICK_CLIPS)
    command = f"stream-ser train --recipe {choice.value} --seed {seed}" + (" --quick" if quick else "")
    run = train if choice is RecipeChoice.OURS else train_original
    try:
        result = run(corpus, QUICK if quick else FULL, seed, out, cache_folder(), command, console)
    except InterruptedFitError as stopped:
        if stopped.checkpoint is None:
            raise UserError("stopped before the first checkpoint; nothing was written") from None
        raise UserError(f"stopped; the last checkpoint is in {stopped.checkpoint}; the same command goes on from it") from None
    except KeyboardInterrupt:
        raise UserError("stopped; what was computed is cached, and the same command goes on from it") from None
    console.print("On voices never heard:")
    for name, scores in result.scores.items():
        right = f"UAR {scores.uar:.1%}, accuracy {scores.accuracy:.1%}"
        console.print(f"{name:<14} {right}, calibration error {result.calibration_errors[name]:.3f}", highlight=False)
    console.print(f"Report: {out / 'report.md'}", soft_wrap=True, highlight=False)
    if choice is RecipeChoice.OURS:
        console.print(f"Listen with these models: stream-ser listen --models {out}", soft_wrap=True, highlight=False)


def check_command(place: Path, console: Console) -> None:
    """``stream-ser data check``: exits with an error if the copy lacks something.

    Raises:
        CorpusError: the copy is incomplete or damaged.
    """
    corpus = open_corpus(place)
    damaged: list[str] = []
    with bar(console, "reading every clip") as step:
        for done, clip in enumerate(corpus.clips, start=1):
            try:
                clip.read(16_000)
            except CorpusError as error:
                damaged.append(str(error))
            step(done, len(corpus.clips))
    for title, names in (("doubled (counted once)", corpus.doubled), ("of no known name (passed over)", corpus.foreign)):
        if names:
            shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            console.print(f"{len(names)} {title}: {shown}", soft_wrap=True, highlight=False, markup=False)
    for message in damaged:
        console.print(message, soft_wrap=True, highlight=False, markup=False)
    missing = corpus.missing
    for actor, number in missing.items():
        console.print(f"actor {actor}: {number} of 60 clips missing", highlight=False)
    for line in describe_words(corpus):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    console.print(
        f"{len(corpus.clips) - len(damaged)} of {len(corpus.clips) + sum(missing.values())} clips are usable.", highlight=False
    )
    if damaged or missing:
        raise CorpusError(f"{place} is not whole; fetch the data set with: stream-ser data download")


def open_data(data: Sequence[Path], console: Console) -> Corpus:
    corpus = open_corpora(data or [default_place()])
    for names, what in ((corpus.doubled, "doubled, counted once"), (corpus.foreign, "of no known name, passed over")):
        if names:
            console.print(f"{len(names)} files {what} (stream-ser data check)", highlight=False)
    for line in describe_words(corpus):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    return corpus
