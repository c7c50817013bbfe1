"""Commands of training: ``train``, ``evaluate``, ``search`` and ``data``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from stream_ser.errors import UserError, install_hint

data_app = typer.Typer(help="Download the RAVDESS data set, or check a copy of it.", no_args_is_help=True)

Data = Annotated[
    list[Path] | None,
    typer.Option(
        "--data",
        help="Data set: a folder or a zip; again for another. Default: $STREAM_SER_DATA, else what `data download` fetched.",
    ),
]


def train(
    out: Annotated[Path, typer.Option(help="Folder for the bundles and the report.")],
    data: Data = None,
    recipe: Annotated[str, typer.Option(help="ours, or original: the recipe that this project began with.")] = "ours",
    seed: Annotated[int, typer.Option(help="Makes a run repeatable.")] = 0,
    quick: Annotated[
        bool, typer.Option("--quick", help="A smoke run of a minute: everything happens, little is learned.")
    ] = False,
) -> None:
    """Train both models, measure them, and export them to ONNX."""
    with _training():
        from rich.console import Console
        from stream_ser_train.cli.train import train_command

        train_command(data or [], out, recipe, seed, quick, Console())


def evaluate(
    protocol: Annotated[
        str, typer.Option(help="speaker-independent, streaming, robustness, random (leaky), cross-corpus, or non-speech.")
    ] = "speaker-independent",
    data: Data = None,
    train_data: Annotated[
        list[Path] | None, typer.Option(help="cross-corpus: data set to train on; again for another.")
    ] = None,
    test_data: Annotated[list[Path] | None, typer.Option(help="cross-corpus: data set to test on; again for another.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("docs/results"),
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds to train with.")] = 1,
    jobs: Annotated[int | None, typer.Option(min=1, help="Trainings at a time (default: one a core).")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A smoke run: everything happens, little is learned.")] = False,
) -> None:
    """Retrain per split and measure how often the label is right on held-out clips."""
    with _training():
        from rich.console import Console
        from stream_ser_train.cli.evaluate import evaluate_command

        places = (data or [], train_data or [], test_data or [])
        evaluate_command(protocol, *places, out, seeds, jobs or os.cpu_count() or 1, quick, Console())


def search(
    data: Data = None,
    out: Annotated[Path, typer.Option(help="Folder for the log.")] = Path("docs/results"),
    jobs: Annotated[int | None, typer.Option(min=1, help="Trainings at a time (default: one a core).")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A smoke run: everything happens, little is learned.")] = False,
) -> None:
    """Measure variants of the recipe on speakers that no test fold holds, and write the log."""
    with _training():
        from rich.console import Console
        from stream_ser_train.cli.search import search_command

        search_command(data or [], out, jobs or os.cpu_count() or 1, quick, Console())


@data_app.command("download")
def data_download() -> None:
    """Fetch the published zip (208 MB) into the cache folder; a broken-off download goes on."""
    with _training():
        from rich.console import Console
        from stream_ser_train.cli.data import download_command

        download_command(Console())


@data_app.command("check")
def data_check(place: Annotated[Path, typer.Argument(metavar="DIR", help="RAVDESS folder or zip.")]) -> None:
    """Report what is missing, doubled or unreadable in a copy of the data set."""
    with _training():
        from rich.console import Console
        from stream_ser_train.cli.data import check_command

        check_command(place, Console())


@contextmanager
def _training() -> Iterator[None]:
    """Report missing training packages in one line."""
    missing = [module for module in ("stream_ser_train", "tensorflow", "tf2onnx", "sklearn") if find_spec(module) is None]
    if missing:
        raise UserError(f"training needs {', '.join(missing)}; {install_hint('train')}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    yield
