"""``stream-ser listen``: runs the daemon."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_ser.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from stream_ser.audio.sources.source import Source
    from stream_ser.daemon.app import Daemon
    from stream_ser.daemon.settings import Settings


def listen(
    device: Annotated[str | None, typer.Option(help="Input device: number or part of its name (stream-ser devices).")] = None,
    channel: Annotated[int | None, typer.Option(help="Channel of the device, from 1 (default: mean of the first two).")] = None,
    input: Annotated[str | None, typer.Option(help="Sound file instead of a device, or: demo.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to serve on (default: 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to serve on; 0 for a free one (default: 8765).")] = None,
    token_file: Annotated[Path | None, typer.Option(help="File with the token that clients must send.")] = None,
    allow_origin: Annotated[
        list[str] | None, typer.Option(help="Origin of pages that may connect, as https://example.org; again for another.")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain (PEM) to serve TLS with.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key (PEM).")] = None,
    models: Annotated[
        Path | None, typer.Option(help="Folder that stream-ser train wrote (default: the bundled models).")
    ] = None,
    provider: Annotated[str | None, typer.Option(help="Runs the models: auto, cuda or cpu (default: auto).")] = None,
    hop: Annotated[float | None, typer.Option(help="Seconds between two answers (default: 0.1).")] = None,
    window: Annotated[float | None, typer.Option(help="Seconds of speech that the models see at most (default: 3.0).")] = None,
    realtime: Annotated[bool | None, typer.Option("--realtime/--fast", help="Pace of a sound file.")] = None,
    record: Annotated[
        Path | None, typer.Option(help="Folder to write audio and labels to (default: nothing is written).")
    ] = None,
    log_format: Annotated[str | None, typer.Option(help="Log to stderr in text or json, instead of labels.")] = None,
) -> None:
    """Listen to a microphone or a sound file and stream its emotions to WebSocket clients."""
    flags = dict(locals())  # first: every parameter is a setting

    from stream_ser.audio.devices import separate_stderr
    from stream_ser.daemon.settings import load_settings

    settings = load_settings(flags)
    separate_stderr()
    if "JOURNAL_STREAM" in os.environ or settings.log_format is not None:
        _run_with_logs(settings, flags)
    else:
        _run_with_labels(settings, flags)


def _run_with_logs(settings: Settings, flags: dict[str, object]) -> None:
    """Log events instead of labels: a journal is a file, and a speaker's emotions are not written there."""
    import asyncio

    from stream_ser import logs
    from stream_ser.daemon.app import Daemon, open_source
    from stream_ser.daemon.logs import LogFormat, write_to
    from stream_ser.daemon.settings import load_settings

    write_to(sys.stderr, settings.log_format or LogFormat.TEXT, journal="JOURNAL_STREAM" in os.environ)
    try:
        source = open_source(settings)
        asyncio.run(Daemon(settings, source, lambda: load_settings(flags), lambda *_: None, lambda _: None).run())
    except UserError as error:
        logs.error("failed", reason=str(error))
        raise typer.Exit(1) from None


def _run_with_labels(settings: Settings, flags: dict[str, object]) -> None:
    """Show labels on the terminal."""
    import asyncio

    from rich.console import Console

    from stream_ser.daemon.app import Daemon, open_source
    from stream_ser.daemon.settings import load_settings
    from stream_ser.outputs.console import LabelView

    console = Console(emoji=False)  # a colon in a name is a colon

    def on_started(address: str, daemon: Daemon) -> None:
        _print_start(console, address, daemon, settings)

    with LabelView(console) as view:
        source = open_source(settings)
        asyncio.run(Daemon(settings, source, lambda: load_settings(flags), on_started, view.show).run())
    if settings.input is not None:
        console.print("That was a recording. To listen to the microphone: stream-ser listen")


def _print_start(console: Console, address: str, daemon: Daemon, settings: Settings) -> None:
    classifier = daemon.classifier
    token = "" if settings.token_file is None else f" --token-file {settings.token_file}"
    for line in (
        _describe(daemon.source),
        f"Models run on {classifier.provider} ({classifier.reason}).",
        f"Connect to {address}, for example: stream-ser watch {address}{token}",
    ):
        console.print(line, soft_wrap=True, highlight=False)
    if daemon.state.recording is not None:
        console.print(f"RECORDING audio and labels to {daemon.state.recording}.", style="red", soft_wrap=True)
    if settings.input is None:
        console.print("Speak; Ctrl-C ends.")


def _describe(source: Source) -> str:
    if not source.sample_rate:
        return f"Waiting for {source.name}."
    return f"Listening to {source.name}{f' ({source.host_api})' if source.host_api else ''} at {source.sample_rate} Hz."
