"""``stream-ser train``: from a corpus to bundles and a report."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from stream_ser_export.convert import TOLERANCE, export_bundle

from stream_ser import __version__
from stream_ser.events import EMOTIONS
from stream_ser.features import MfccSettings
from stream_ser.models.bundle import Metadata
from stream_ser_train import provenance
from stream_ser_train.batches import pad
from stream_ser_train.corpus import Clip, Corpus, CorpusError
from stream_ser_train.examples import Heard, hear
from stream_ser_train.fit import History, clip_probabilities, final_window, fit
from stream_ser_train.networks import NETWORKS
from stream_ser_train.original import ORIGINAL, clip_means
from stream_ser_train.plots import plot_confusion, plot_learning
from stream_ser_train.progress import bar
from stream_ser_train.recipe import Recipe
from stream_ser_train.report import write_report
from stream_ser_train.scores import Scores, score
from stream_ser_train.splits import ACTOR_FOLDS

LICENCE = "CC BY-NC-SA 4.0 (trained on RAVDESS, Livingstone and Russo 2018)"
PARITY_WINDOWS = 64


@dataclass(frozen=True, slots=True)
class Result:
    """What a training run learnt about itself."""

    corpus: dict[str, Any]
    held_out_actors: tuple[int, ...]
    scores: dict[str, Scores]
    """On the held-out actors, by models that never heard them."""
    histories: dict[str, History]
    parity: dict[str, float]
    """Largest difference between Keras and ONNX, by model."""
    wall_seconds: float
    command: str
    recipe: dict[str, Any]

    def encode(self) -> dict[str, Any]:
        """The content of metrics.json; fractions of 1."""
        return {
            "command": self.command,
            "commit": provenance.commit(),
            "machine": provenance.machine(),
            "wall_s": round(self.wall_seconds, 1),
            "corpus": self.corpus,
            "recipe": self.recipe,
            "held_out_actors": list(self.held_out_actors),
            "models": {
                name: {
                    "uar": round(scores.uar, 4),
                    "accuracy": round(scores.accuracy, 4),
                    "recall": {emotion: round(recall, 4) for emotion, recall in scores.recall_by_emotion().items()},
                }
                for name, scores in self.scores.items()
            },
            "parity": self.parity,
        }


def hold_out(corpus: Corpus) -> tuple[int, ...]:
    """Actors to measure on: the first published fold of those present, else the last fifth of the actors.

    Raises:
        CorpusError: one actor cannot be on both sides.
    """
    actors = corpus.actors
    if len(actors) < 2:
        raise CorpusError(
            f"the data set has one actor only ({actors[0]}); training needs two or more, to measure on a voice it never heard"
        )
    fold = tuple(actor for actor in actors if actor in ACTOR_FOLDS[0])
    return fold if 0 < len(fold) < len(actors) else actors[-max(1, len(actors) // 5) :]


def train(corpus: Corpus, recipe: Recipe, seed: int, out: Path, cache: Path, command: str, console: Console) -> Result:
    """Measure the recipe on held-out actors, train it on all clips, and write bundles and report into ``out``.

    Raises:
        CorpusError: the corpus cannot be trained on.
        InterruptedFitError: the user pressed Ctrl-C.
        ParityError: Keras and ONNX disagree.
    """
    began = time.monotonic()
    actors = hold_out(corpus)
    features = MfccSettings()
    out.mkdir(parents=True, exist_ok=True)
    with bar(console, "hearing the clips") as step:
        heard = hear(corpus.clips, recipe.copies, features, cache, step)
    rest = [one for one in heard if one.clip.actor not in actors]
    held = [one for one in heard if one.clip.actor in actors]
    if not any(one.copies[0] for one in rest) or not any(one.copies[0] for one in held):
        raise CorpusError("no speech was heard in the clips; look them over with: stream-ser data check DIR")
    histories: dict[str, History] = {}
    answers = {}
    for name in NETWORKS:
        checkpoint = _checkpoint(out, name, "held-out", rest, recipe, seed)
        with bar(console, f"{name}, held-out actors") as step:
            model, histories[name] = fit(
                name, rest, recipe.fits[name], seed, held_out=held, checkpoint=checkpoint, epoch_done=step
            )
        answers[name] = clip_probabilities(model, held)
    answers["fused"] = np.mean(list(answers.values()), axis=0)
    emotions = [one.clip.emotion for one in held]
    scores = {name: score(emotions, answer) for name, answer in answers.items()}
    parity = {}
    probe = _probe(heard)
    for name in NETWORKS:
        checkpoint = _checkpoint(out, name, "all", heard, recipe, seed)
        with bar(console, f"{name}, all actors") as step:
            model, _ = fit(name, heard, recipe.fits[name], seed, checkpoint=checkpoint, epoch_done=step)
        metadata = Metadata(
            name=name,
            version=__version__,
            labels=EMOTIONS,
            features=features,
            training={"corpus": _describe(corpus), "recipe": asdict(recipe.fits[name]), "copies": recipe.copies, "seed": seed},
            metrics={
                "protocol": f"the same recipe without actors {', '.join(map(str, actors))}, tested on them",
                "uar": round(scores[name].uar, 4),
                "accuracy": round(scores[name].accuracy, 4),
            },
            licence=LICENCE,
        )
        parity[name] = export_bundle(model, metadata, probe.mfcc, probe.length, out / f"{name}.onnx")
    console.print(f"Keras and ONNX agree to {max(parity.values()):.1e} (limit {TOLERANCE:.0e}).", highlight=False)
    result = Result(_describe(corpus), actors, scores, histories, parity, time.monotonic() - began, command, asdict(recipe))
    plot_learning(histories, out / "learning-curves.png")
    for name, one in scores.items():
        plot_confusion(one, f"{name}, actors {', '.join(map(str, actors))} held out", out / f"confusion-{name}.png")
    _write(result, out)
    return result


def train_original(corpus: Corpus, recipe: Recipe, seed: int, out: Path, cache: Path, command: str, console: Console) -> Result:
    """Measure the original project's recipe on the same held-out actors; nothing is exported.

    Raises:
        CorpusError: the corpus cannot be trained on.
    """
    began = time.monotonic()
    actors = hold_out(corpus)
    out.mkdir(parents=True, exist_ok=True)
    rest = [clip for clip in corpus.clips if clip.actor not in actors]
    held = [clip for clip in corpus.clips if clip.actor in actors]
    with bar(console, "MFCC means of the clips") as step:
        means = dict(zip(corpus.clips, clip_means(corpus.clips, cache, step), strict=True))
    train_means = np.stack([means[clip] for clip in rest])
    test_means = np.stack([means[clip] for clip in held])
    scores = {}
    with bar(console, "fitting") as step:
        for number, (name, fit_original) in enumerate(ORIGINAL.items(), start=1):
            answers = fit_original(train_means, [clip.emotion for clip in rest], test_means, seed, recipe.original_epochs)
            scores[name] = score([clip.emotion for clip in held], answers)
            plot_confusion(
                scores[name], f"{name}, actors {', '.join(map(str, actors))} held out", out / f"confusion-{name}.png"
            )
            step(number, len(ORIGINAL))
    result = Result(_describe(corpus), actors, scores, {}, {}, time.monotonic() - began, command, {"original": True})
    _write(result, out)
    return result


def sample(corpus: Corpus, clips_per_actor: int) -> Corpus:
    """A smaller corpus: some clips of each actor, spread over the emotions."""
    chosen: list[Clip] = []
    for actor in corpus.actors:
        own = corpus.of_actors(frozenset({actor}))
        chosen += own[:: max(1, len(own) // clips_per_actor)][:clips_per_actor]
    return Corpus(tuple(sorted(chosen)), (), ())


def _probe(heard: Sequence[Heard]) -> Any:
    """Real windows of many lengths to compare Keras and ONNX on."""
    frames = [final_window(part) for one in heard for part in one.copies[0]]
    return pad(frames[:: max(1, len(frames) // PARITY_WINDOWS)][:PARITY_WINDOWS], [0] * min(len(frames), PARITY_WINDOWS))


def _checkpoint(out: Path, name: str, part: str, heard: Sequence[Heard], recipe: Recipe, seed: int) -> Path:
    """A folder of its own for each model, data and settings, so that no run goes on from another's."""
    text = f"{seed} {recipe.fits[name]} {recipe.copies} {' '.join(one.clip.name for one in heard)}"
    return out / "checkpoints" / f"{name}-{part}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _describe(corpus: Corpus) -> dict[str, Any]:
    return {"clips": len(corpus.clips), "actors": len(corpus.actors), "doubled": len(corpus.doubled)}


def _write(result: Result, out: Path) -> None:
    (out / "metrics.json").write_text(json.dumps(result.encode(), indent=2) + "\n")
    write_report(result.encode(), sorted(file.name for file in out.glob("*.png")), out / "report.md")
