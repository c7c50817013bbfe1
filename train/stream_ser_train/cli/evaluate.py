"""``stream-ser evaluate``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from stream_ser import provenance
from stream_ser.errors import UserError, choose
from stream_ser.models.bundle import MODELS
from stream_ser_train.cli.data import open_data
from stream_ser_train.data.corpus import Corpus, cache_folder
from stream_ser_train.data.splits import Split, across, at_random, by_speaker, sample
from stream_ser_train.data.utterances import extract_utterances
from stream_ser_train.evaluation.non_speech import LEVELS_DB, count_all
from stream_ser_train.evaluation.protocols import FUSED, RANDOM_SPLITS, Protocol
from stream_ser_train.progress import bar
from stream_ser_train.workers import import_tensorflow

if TYPE_CHECKING:
    from stream_ser_train.evaluation.evaluate import Outcome

BY_SPEAKER = (Protocol.SPEAKER_INDEPENDENT, Protocol.STREAMING, Protocol.ROBUSTNESS)
"""Protocols that share the five folds by speaker and the models trained on them."""


def evaluate_command(
    protocol: str,
    data: Sequence[Path],
    train_data: Sequence[Path],
    test_data: Sequence[Path],
    out: Path,
    seeds: int,
    jobs: int,
    quick: bool,
    console: Console,
) -> None:
    """Run one protocol and write its results into ``out``.

    Raises:
        UserError: options contradict each other, or the user pressed Ctrl-C.
        CorpusError: the data cannot be divided so.
    """
    choice = choose(Protocol, protocol, "--protocol")
    crossing = choice is Protocol.CROSS_CORPUS
    if crossing and not (train_data and test_data):
        raise UserError("--protocol cross-corpus needs --train-data and --test-data, a data set or several each")
    if not crossing and (train_data or test_data):
        raise UserError(f"--train-data and --test-data are for --protocol cross-corpus; {choice.value} takes --data")
    command = f"stream-ser evaluate --protocol {choice.value}"
    if choice is not Protocol.NON_SPEECH:
        command += f" --seeds {seeds}"
    command += " --quick" if quick else ""
    try:
        if choice is Protocol.NON_SPEECH:
            _non_speech(out, jobs, quick, command, console)
            return
        outcome = _train_and_test(choice, data, train_data, test_data, seeds, jobs, quick, console)
        if choice is Protocol.STREAMING:
            _streaming(outcome, out, jobs, command, console)
        elif choice is Protocol.ROBUSTNESS:
            _robustness(outcome, out, jobs, command, console)
        else:
            _write_scores(outcome, choice, out, command, console)
    except KeyboardInterrupt:
        raise UserError("stopped; what was finished is cached, and the same command resumes from it") from None


def _train_and_test(
    choice: Protocol,
    data: Sequence[Path],
    train_data: Sequence[Path],
    test_data: Sequence[Path],
    seeds: int,
    jobs: int,
    quick: bool,
    console: Console,
) -> Outcome:
    import_tensorflow()
    from stream_ser_train.evaluation.evaluate import evaluate
    from stream_ser_train.evaluation.plan import Plan
    from stream_ser_train.fitting.baseline import clip_means
    from stream_ser_train.fitting.recipe import FULL, QUICK, QUICK_CLIPS

    recipe, cache = (QUICK if quick else FULL), cache_folder()

    def open_places(places: Sequence[Path]) -> Corpus:
        corpus = open_data(places, console)
        return sample(corpus, QUICK_CLIPS) if quick else corpus

    splits: tuple[Split, ...]
    if choice is Protocol.CROSS_CORPUS:
        splits = (across(open_places(train_data).clips, open_places(test_data).clips),)
    elif choice is Protocol.RANDOM:
        splits = tuple(at_random(open_places(data).clips, range(RANDOM_SPLITS)))
    else:
        splits = tuple(by_speaker(open_places(data).clips))
    clips = sorted({clip for split in splits for clip in (*split.train, *split.test)})
    plan = Plan(splits, tuple(range(seeds)), recipe, cache, calibrated=choice in BY_SPEAKER)
    with bar(console, "extracting utterances") as step:
        utterances = extract_utterances(clips, recipe.copies, recipe.features, cache, step)
        clip_means(clips, cache, step)
    with bar(console, "training and testing") as step:
        return evaluate(plan, utterances, jobs, step)


def _write_scores(outcome: Outcome, choice: Protocol, out: Path, command: str, console: Console) -> None:
    from stream_ser_train.evaluation.evaluate import summary
    from stream_ser_train.report.markdown import evaluation_table, write_evaluation
    from stream_ser_train.report.plots import plot_confusion, plot_reliability, plot_risk

    result = summary(outcome, choice, command)
    out.mkdir(parents=True, exist_ok=True)
    pictures = []
    for model in outcome.predictions:
        pictures.append(f"{choice.value}-{model}.png")
        plot_confusion(outcome.confusion(model), f"{model}, {choice.value}", out / pictures[-1])
    if outcome.plan.calibrated:
        pictures += [f"{choice.value}-reliability.png", f"{choice.value}-risk.png"]
        plot_reliability({model: outcome.reliability(model) for model in (*MODELS, FUSED)}, out / pictures[-2])
        plot_risk(*outcome.held_out(), outcome.withheld(), out / pictures[-1])
    write_evaluation(result, pictures, out / f"{choice.value}.md")
    console.print("\n".join(evaluation_table(result)), soft_wrap=True, highlight=False, markup=False)
    _write(result, out / f"{choice.value}.json", console)


def _streaming(outcome: Outcome, out: Path, jobs: int, command: str, console: Console) -> None:
    from stream_ser_train.evaluation.streaming import stream_tests, streaming_summary
    from stream_ser_train.fitting.jobs import run_missing
    from stream_ser_train.report.plots import plot_curve

    tests = stream_tests(outcome)
    with bar(console, "streaming the clips") as step:
        run_missing(tests, jobs, step)
    result = {**provenance.origin(command), "seeds": list(outcome.plan.seeds), **streaming_summary(outcome, tests)}
    out.mkdir(parents=True, exist_ok=True)
    plot_curve(result["curve"], result["streaming_uar"], out / "streaming.png")
    for point in result["curve"]:
        console.print(f"UAR {point['uar']:.1%} after {point['seconds']:g} s of speech", highlight=False)
    console.print(f"UAR {result['streaming_uar']:.1%} at the end, {result['offline_uar']:.1%} offline", highlight=False)
    _write(result, out / "streaming.json", console)


def _robustness(outcome: Outcome, out: Path, jobs: int, command: str, console: Console) -> None:
    from stream_ser_train.evaluation.robustness import condition_tests, robustness_summary
    from stream_ser_train.fitting.jobs import run_missing

    tests = condition_tests(outcome)
    with bar(console, "testing rooms and channels") as step:
        run_missing(tests, jobs, step)
    conditions = {
        name: {"uar": scores[FUSED], **{model: scores[model] for model in MODELS}}
        for name, scores in robustness_summary(tests, outcome.plan.recipe.fusion_temperature).items()
    }
    for name, scores in conditions.items():
        console.print(f"{name:<20} UAR {scores['uar']:.1%}", highlight=False)
    out.mkdir(parents=True, exist_ok=True)
    result = {**provenance.origin(command), "seeds": list(outcome.plan.seeds), "conditions": conditions}
    _write(result, out / "robustness.json", console)


def _non_speech(out: Path, jobs: int, quick: bool, command: str, console: Console) -> None:
    minutes = 0.5 if quick else 10.0
    with bar(console, "processing sounds without speech") as step:
        counts = count_all(minutes, 0, jobs, step)
    signals = {name: {"minutes": minutes, "emotion_messages": count} for name, count in counts.items()}
    out.mkdir(parents=True, exist_ok=True)
    for name, count in counts.items():
        console.print(f"{name:<12} {minutes:g} minutes, {count} emotion messages", highlight=False)
    _write({**provenance.origin(command), "levels_db": list(LEVELS_DB), "signals": signals}, out / "non-speech.json", console)


def _write(result: dict[str, Any], file: Path, console: Console) -> None:
    file.write_text(json.dumps(result, indent=2) + "\n")
    console.print(f"Results: {file}", soft_wrap=True, highlight=False)
