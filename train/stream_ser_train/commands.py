"""What the training commands do, between the command line and the work."""

from __future__ import annotations

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from stream_ser.errors import UserError
from stream_ser_train import provenance
from stream_ser_train.corpus import Corpus, CorpusError, cache_folder, default_place, open_corpus
from stream_ser_train.non_speech import LEVELS_DB, count_all
from stream_ser_train.progress import bar
from stream_ser_train.protocols import Protocol
from stream_ser_train.workers import import_tensorflow

_Choice = TypeVar("_Choice", bound=StrEnum)


class RecipeChoice(StrEnum):
    """What ``--recipe`` takes."""

    OURS = "ours"
    ORIGINAL = "original"


def train_command(data: Path | None, out: Path, recipe: str, seed: int, quick: bool, console: Console) -> None:
    """``stream-ser train``."""
    import_tensorflow()
    from stream_ser_train.fit import InterruptedFitError
    from stream_ser_train.recipe import FULL, QUICK, QUICK_CLIPS
    from stream_ser_train.train import sample, train, train_original

    choice = _choose(RecipeChoice, recipe, "--recipe")
    corpus = _open(data, console)
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
    for name, scores in result.scores.items():
        console.print(f"{name:<14} UAR {scores.uar:.1%}, accuracy {scores.accuracy:.1%} on voices never heard", highlight=False)
    console.print(f"Report: {out / 'report.md'}", soft_wrap=True, highlight=False)
    if choice is RecipeChoice.OURS:
        console.print(f"Listen with these models: stream-ser listen --models {out}", soft_wrap=True, highlight=False)


def evaluate_command(
    protocol: str, data: Path | None, out: Path, seeds: int, jobs: int | None, quick: bool, console: Console
) -> None:
    """``stream-ser evaluate``."""
    choice = _choose(Protocol, protocol, "--protocol")
    if choice is Protocol.NON_SPEECH:
        _evaluate_non_speech(out, jobs or os.cpu_count() or 1, quick, console)
        return
    import_tensorflow()
    from stream_ser_train.evaluate import confusion, evaluate, prepare, summary
    from stream_ser_train.plots import plot_confusion
    from stream_ser_train.recipe import FULL, QUICK, QUICK_CLIPS
    from stream_ser_train.report import score_table, write_evaluation
    from stream_ser_train.train import sample

    corpus = _open(data, console)
    recipe = FULL
    if quick:
        corpus, recipe = sample(corpus, QUICK_CLIPS), QUICK
    cache = cache_folder()
    try:
        with bar(console, "hearing the clips") as step:
            prepare(corpus, recipe, cache, step)
        with bar(console, "training and testing") as step:
            outcome = evaluate(corpus, choice, range(seeds), recipe, cache, jobs or os.cpu_count() or 1, step)
    except KeyboardInterrupt:
        raise UserError("stopped; finished trainings are kept, and the same command goes on from them") from None
    command = f"stream-ser evaluate --protocol {choice.value} --seeds {seeds}" + (" --quick" if quick else "")
    result = summary(outcome, command)
    out.mkdir(parents=True, exist_ok=True)
    pictures = []
    for model in outcome.scores:
        pictures.append(f"{choice.value}-{model}.png")
        plot_confusion(confusion(outcome, model), f"{model}, {choice.value}", out / pictures[-1])
    (out / f"{choice.value}.json").write_text(json.dumps(result, indent=2) + "\n")
    write_evaluation(result, pictures, out / f"{choice.value}.md")
    table = {name: (m["uar"]["mean"], m["accuracy"]["mean"], m["recall"]) for name, m in result["models"].items()}
    console.print("\n".join(score_table(table)), soft_wrap=True, highlight=False, markup=False)
    console.print(f"Results: {out / f'{choice.value}.json'} and .md", soft_wrap=True, highlight=False)


def _evaluate_non_speech(out: Path, jobs: int, quick: bool, console: Console) -> None:
    minutes = 0.5 if quick else 10.0
    try:
        with bar(console, "hearing what nobody says") as step:
            counts = count_all(minutes, 0, jobs, step)
    except KeyboardInterrupt:
        raise UserError("stopped; nothing was written") from None
    result = {
        "command": "stream-ser evaluate --protocol non-speech" + (" --quick" if quick else ""),
        "commit": provenance.commit(),
        "machine": provenance.machine(),
        "levels_db": list(LEVELS_DB),
        "signals": {name: {"minutes": minutes, "emotion_messages": count} for name, count in counts.items()},
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "non-speech.json").write_text(json.dumps(result, indent=2) + "\n")
    for name, count in counts.items():
        console.print(f"{name:<12} {minutes:g} minutes, {count} emotion messages", highlight=False)
    console.print(f"Results: {out / 'non-speech.json'}", soft_wrap=True, highlight=False)


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
    for title, names in (("doubled (counted once)", corpus.doubled), ("not RAVDESS speech (passed over)", corpus.foreign)):
        if names:
            shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            console.print(f"{len(names)} {title}: {shown}", soft_wrap=True, highlight=False, markup=False)
    for message in damaged:
        console.print(message, soft_wrap=True, highlight=False, markup=False)
    for actor, number in corpus.missing.items():
        console.print(f"actor {actor}: {number} of 60 clips missing", highlight=False)
    console.print(f"{len(corpus.clips) - len(damaged)} of 1440 clips are usable.", highlight=False)
    if damaged or corpus.missing:
        raise CorpusError(f"{place} is not whole; fetch the data set with: stream-ser data download")


def _open(data: Path | None, console: Console) -> Corpus:
    corpus = open_corpus(default_place() if data is None else data)
    for names, what in ((corpus.doubled, "doubled, counted once"), (corpus.foreign, "not RAVDESS speech, passed over")):
        if names:
            console.print(f"{len(names)} files {what} (stream-ser data check)", highlight=False)
    return corpus


def _choose(choices: type[_Choice], value: str, option: str) -> _Choice:
    try:
        return choices(value)
    except ValueError:
        allowed = " or ".join(choice.value for choice in choices)
        raise UserError(f"{option} is {value!r}; it must be {allowed}") from None
