"""What ``stream-ser bench`` prints while it measures, and the file that it writes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from stream_ser.bench import soak as soak_run
from stream_ser.bench import timing
from stream_ser.bench.latency import latency
from stream_ser.bench.load import Load, load, load_curve
from stream_ser.bench.process import process
from stream_ser.bench.soak import Sample
from stream_ser.bench.stages import stages
from stream_ser.bench.timing import Spread
from stream_ser.core.engine import Engine
from stream_ser.features import MfccSettings
from stream_ser.models.classifier import load_classifier
from stream_ser.models.providers import ProviderChoice, ProviderError
from stream_ser.provenance import origin


def bench(choice: ProviderChoice, hop: float, window: float, file: Path | None, console: Console) -> None:
    """Measure a provider, or with ``auto`` each that runs here; write JSON to ``file``, the second under ``others``.

    Raises:
        ProviderError: ``choice`` does not run.
    """
    if choice is ProviderChoice.AUTO:
        results = [measure(ProviderChoice.CPU, hop, window, console)]
        try:
            results.append(measure(ProviderChoice.CUDA, hop, window, console))
        except ProviderError as error:
            console.print(f"[bold]CUDA[/] is not measured: {error.reason}", highlight=False)
    else:
        results = [measure(choice, hop, window, console)]
    first, *others = results
    result = {**first, **origin("stream-ser bench"), "hop_s": hop, "window_s": window, "others": others}
    _write(result, file, console)


def measure(choice: ProviderChoice, hop: float, window: float, console: Console) -> dict[str, Any]:
    """Measure everything on one provider, and print each figure as it is known.

    Raises:
        ProviderError: the provider does not run.
    """
    classifier = load_classifier(None, MfccSettings(), choice, window)
    engine = Engine.over(classifier, hop)
    console.print(f"[bold]{classifier.provider}[/], a hop of {1e3 * hop:g} ms, a window of {window:g} s")

    def show(name: str, spread: Spread, suffix: str = "") -> None:
        console.print(f"  {name:<28}{spread.p50:>9.2f} ms, p99 {spread.p99:>8.2f} ms{suffix}", highlight=False)

    def show_point(point: Load) -> None:
        show(f"{point.n} streams", point.time, f", {point.cpu_percent:.0f} % of a core")

    by_stage = stages(classifier, hop)
    for name, spread in by_stage.items():
        show(name, spread)
    alone = load(engine, 1, timing.HOPS).time
    show("all of a hop", alone)
    end_to_end = latency(engine)
    show("from ring to client", end_to_end)
    curve = load_curve(engine, show_point)
    in_time = max((point.n for point in curve if point.time.p99 < 1e3 * hop), default=0)
    listen = process(choice)
    console.print(
        f"  {in_time} streams in real time; ready in {listen.ready_s:g} s, {listen.rss_mb:g} MB,"
        f" {listen.idle_cpu_percent:g} % of a core in silence",
        highlight=False,
    )
    return {
        "provider": classifier.provider,
        "hop_ms": {**asdict(alone), "stages": {name: asdict(spread) for name, spread in by_stage.items()}},
        "end_to_end_ms": asdict(end_to_end),
        "streams": [
            {"n": point.n, "p50_ms": point.time.p50, "p99_ms": point.time.p99, "cpu_percent": point.cpu_percent}
            for point in curve
        ],
        "max_streams_realtime": in_time,
        **asdict(listen),
    }


def soak(hours: float, file: Path | None, console: Console) -> None:
    """Run the daemon for ``hours`` of audio, print how it goes, write JSON to ``file``.

    Raises:
        UserError: the models cannot be used.
    """

    def show(sample: Sample) -> None:
        console.print(
            f"  {sample.audio_h:6.2f} h   {sample.rss_mb:6.1f} MB   {sample.threads} threads"
            f"   {sample.descriptors} descriptors   {sample.drift_s:5.2f} s of audio behind",
            highlight=False,
        )

    console.print(f"{hours:g} hours of audio at {soak_run.PACE:g} times the pace of speech:", highlight=False)
    result = {**soak_run.soak(hours, show), **origin(f"stream-ser bench --soak {hours:g}")}
    console.print(
        f"  {result['messages']:.0f} messages to one client, {result['visits']:.0f} visits of another,"
        f" {result['lost_to_overload_s']:g} s of audio lost to overload",
        highlight=False,
    )
    _write(result, file, console)


def _write(result: dict[str, Any], file: Path | None, console: Console) -> None:
    if file is not None:
        file.write_text(json.dumps(result, indent=2) + "\n")
        console.print(f"Results: {file}", soft_wrap=True, highlight=False)
