"""``stream-ser bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def bench(
    provider: Annotated[str, typer.Option(help="cpu, cuda, or auto: each that runs here.")] = "auto",
    hop: Annotated[float, typer.Option(min=0.01, max=0.5, help="Seconds between two answers.")] = 0.1,
    window: Annotated[float, typer.Option(min=0.5, max=10.0, help="Seconds of speech that the models see at most.")] = 3.0,
    json: Annotated[Path | None, typer.Option(help="File for the results.")] = None,
    soak: Annotated[
        float | None, typer.Option(min=0.01, help="Run the daemon for so many hours of audio instead, sixty times as fast.")
    ] = None,
) -> None:
    """Measure what a hop costs on this machine: each stage, one stream and many, start-up and memory."""
    from rich.console import Console

    from stream_ser.bench import report
    from stream_ser.errors import choose
    from stream_ser.models.providers import ProviderChoice

    if soak is not None:
        report.soak(soak, json, Console())
        return
    report.bench(choose(ProviderChoice, provider, "--provider"), hop, window, json, Console())
