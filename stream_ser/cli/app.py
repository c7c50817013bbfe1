"""The commands. Every heavy import is inside the command that needs it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_ser import __version__
from stream_ser.errors import UserError, install_hint

if TYPE_CHECKING:
    from stream_ser.audio.sources.source import Source
    from stream_ser.protocol import ServerMessage

# Before numpy is imported: its matrices are small here, and threads that wait for work spin.
for _variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

app = typer.Typer(
    name="stream-ser",
    help="Listens to a microphone and streams the speaker's emotion, live, to anyone who connects.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="The RAVDESS data set: fetch it, look it over.", no_args_is_help=True)
app.add_typer(data_app, name="data")
config_app = typer.Typer(help="The settings in effect.", no_args_is_help=True)
app.add_typer(config_app, name="config")
service_app = typer.Typer(help="Listen as a service of this user, from login on.", no_args_is_help=True)
app.add_typer(service_app, name="service")

bridge_app = typer.Typer(help="What a running stream-ser says, in other languages.", no_args_is_help=True)
app.add_typer(bridge_app, name="bridge")

Url = Annotated[str, typer.Option(help="Address of a running stream-ser; it may come later.")]
TokenFile = Annotated[Path | None, typer.Option(help="File with the token that it wants.")]

Data = Annotated[
    list[Path] | None,
    typer.Option(
        "--data",
        help="Data set: a folder or a zip; again for another. Default: $STREAM_SER_DATA, else what `data download` fetched.",
    ),
]


def main() -> None:
    """Run the command line; an error that the user can mend is one line and exit code 1."""
    try:
        app()
    except UserError as error:
        print(f"stream-ser: {error}", file=sys.stderr)
        sys.exit(1)


def _version(asked: bool) -> None:
    if asked:
        print(f"stream-ser {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Take the options that stand before a command."""


@app.command()
def listen(
    device: Annotated[str | None, typer.Option(help="Input device: number or part of its name (stream-ser devices).")] = None,
    channel: Annotated[int | None, typer.Option(help="Channel of the device, from 1 (default: mean of the first two).")] = None,
    input: Annotated[str | None, typer.Option(help="Sound file to hear instead of a device, or: demo.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to serve on (default: 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to serve on; 0 takes a free one (default: 8765).")] = None,
    token_file: Annotated[Path | None, typer.Option(help="File with the token that clients must show.")] = None,
    allow_origin: Annotated[
        list[str] | None, typer.Option(help="Origin of pages that may connect, as https://example.org; again for another.")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain (PEM) to serve TLS with.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key (PEM).")] = None,
    models: Annotated[
        Path | None, typer.Option(help="Folder that stream-ser train wrote (default: the bundled models).")
    ] = None,
    provider: Annotated[str | None, typer.Option(help="What runs the models: auto, cuda or cpu (default: auto).")] = None,
    hop: Annotated[float | None, typer.Option(help="Seconds between two answers (default: 0.1).")] = None,
    window: Annotated[float | None, typer.Option(help="Seconds of speech an answer looks back on (default: 3.0).")] = None,
    realtime: Annotated[bool | None, typer.Option("--realtime/--fast", help="Pace of a sound file.")] = None,
    record: Annotated[
        Path | None, typer.Option(help="Folder to write audio and labels to (default: nothing is written).")
    ] = None,
    log_format: Annotated[str | None, typer.Option(help="Log to stderr in text or json, instead of labels.")] = None,
) -> None:
    """Hear a microphone or a sound file and stream its emotions to WebSocket clients."""
    import asyncio

    from rich.console import Console

    from stream_ser import logs
    from stream_ser.audio.devices import own_stderr
    from stream_ser.daemon.app import Daemon, open_source
    from stream_ser.daemon.settings import load_settings
    from stream_ser.outputs.console import LabelView

    flags = {name: value for name, value in locals().items() if name in LISTEN_SETTINGS}
    settings = load_settings(flags)
    own_stderr()
    journal = "JOURNAL_STREAM" in os.environ
    if journal or settings.log_format is not None:
        # A journal is a file: what somebody felt at a microphone is not written there.
        logs.write_to(sys.stderr, settings.log_format or logs.LogFormat.TEXT, journal=journal)
        try:
            source = open_source(settings)
            asyncio.run(Daemon(settings, source, lambda: load_settings(flags), lambda *_: None, lambda _: None).run())
        except UserError as error:
            logs.error("failed", reason=str(error))
            raise typer.Exit(1) from None
        return
    console = Console()

    with_token = "" if settings.token_file is None else f" --token-file {settings.token_file}"

    def started(address: str, daemon: Daemon) -> None:
        for line in (
            _listening(daemon.source),
            f"Models run on {daemon.classifier.provider} ({daemon.classifier.reason}).",
            f"Connect to {address}, for example: stream-ser watch {address}{with_token}",
        ):
            console.print(line, soft_wrap=True, highlight=False)
        if daemon.recording is not None:
            console.print(f"RECORDING audio and labels to {daemon.recording.folder}.", style="red", soft_wrap=True)
        if settings.input is None:
            console.print("Speak; Ctrl-C ends.")

    with LabelView(console) as view:
        asyncio.run(Daemon(settings, open_source(settings), lambda: load_settings(flags), started, view.show).run())
    if settings.input is not None:
        console.print("That was a recording. To hear the microphone: stream-ser listen")


def _listening(source: Source) -> str:
    if not source.sample_rate:
        return f"Waiting for {source.name}."
    return f"Listening to {source.name}{f' ({source.host_api})' if source.host_api else ''} at {source.sample_rate} Hz."


LISTEN_SETTINGS = (
    "device", "channel", "input", "host", "port", "token_file", "allow_origin", "tls_cert", "tls_key", "models", "provider",
    "hop", "window", "realtime", "record", "log_format",
)  # fmt: skip


@config_app.command()
def show() -> None:
    """Print each setting, its value without flags, and where that comes from."""
    from stream_ser.daemon.settings import explain

    for name, value, origin in explain():
        print(f"{name:<14}{value:<24}{origin}")


@service_app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def install(context: typer.Context) -> None:
    """Install, enable and start it, with the options of `listen` that are given: install --device yeti."""
    from stream_ser.daemon import service
    from stream_ser.daemon.settings import load_settings

    given = typer.main.get_command(app).commands["listen"].make_context("listen", list(context.args)).params  # type: ignore[attr-defined]
    load_settings(given)
    print(f"Installed {service.install(service.options(given))}; it runs: stream-ser service status")


@service_app.command()
def uninstall() -> None:
    """Stop it and take it away."""
    from stream_ser.daemon import service

    print(f"Removed {service.uninstall()}.")


@service_app.command()
def status() -> None:
    """Say how it is doing; exit code 3 if it does not run."""
    from stream_ser.daemon import service

    found = service.status()
    runs = found["ActiveState"] == "active"
    if found["LoadState"] == "not-found":
        print("not installed; install it with: stream-ser service install")
    else:
        print(f"{found['ActiveState']} ({found['SubState']}), restarted {found['NRestarts']} times")
        print(found["StatusText"] or "Its log: journalctl --user -u stream-ser")
    raise typer.Exit(0 if runs else 3)


@bridge_app.command()
def osc(
    to: Annotated[str, typer.Option(help="HOST or HOST:PORT that listens for OSC.")] = "127.0.0.1:9000",
    url: Url = "ws://127.0.0.1:8765/",
    token_file: TokenFile = None,
) -> None:
    """Send OSC, to avatars and lights: /stream_ser/emotion, /stream_ser/probability/..., /stream_ser/speech."""
    from stream_ser.bridges import osc

    _bridge(lambda messages: osc.bridge(messages, to), url, token_file)


@bridge_app.command()
def mqtt(
    to: Annotated[str, typer.Option(help="HOST or HOST:PORT of the broker.")] = "127.0.0.1:1883",
    topic: Annotated[str, typer.Option(help="Before /state, /emotion and /availability.")] = "stream-ser",
    user: Annotated[str | None, typer.Option(help="Where the broker wants one.")] = None,
    password_file: Annotated[Path | None, typer.Option(help="File with the password of the user.")] = None,
    url: Url = "ws://127.0.0.1:8765/",
    token_file: TokenFile = None,
) -> None:
    """Publish to an MQTT broker, for home automation: the state is retained, and a last will says when this is gone."""
    from stream_ser.bridges import mqtt

    try:
        password = None if password_file is None else password_file.read_text().strip()
    except OSError as error:
        raise UserError(f"cannot read {password_file}: {error.strerror}; name another --password-file") from error
    _bridge(lambda messages: mqtt.bridge(messages, to, topic, user, password), url, token_file)


@bridge_app.command()
def lsl(
    name: Annotated[str, typer.Option(help="Of the stream; its markers are NAME-markers.")] = "stream-ser",
    url: Url = "ws://127.0.0.1:8765/",
    token_file: TokenFile = None,
) -> None:
    """Offer Lab Streaming Layer outlets, for researchers who record it beside other sensors."""
    from stream_ser.bridges import lsl

    _bridge(lambda messages: lsl.bridge(messages, name), url, token_file)


def _bridge(bridge: Callable[[Iterable[ServerMessage]], None], url: str, token_file: Path | None) -> None:
    """Follow a daemon until Ctrl-C."""
    import contextlib
    import signal

    from stream_ser.client import Client
    from stream_ser.server.auth import read_token

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    with contextlib.suppress(KeyboardInterrupt):
        bridge(Client(url, token=read_token(token_file, "localhost")))


@app.command()
def devices() -> None:
    """List the input devices."""
    from rich.console import Console
    from rich.table import Table

    from stream_ser.audio.devices import find_device, input_devices

    found = input_devices()
    find_device(None, found)
    table = Table("", "Name", "Host", "Channels", "Rate", box=None)
    for device in found:
        number = f"{device.number}{'*' if device.is_default else ''}"
        table.add_row(number, device.name, device.host_api, str(device.channels), f"{device.sample_rate} Hz")
    Console().print(table)


@app.command()
def watch(
    url: Annotated[str, typer.Argument(help="Address of a running stream-ser.")] = "ws://127.0.0.1:8765/",
    token_file: TokenFile = None,
) -> None:
    """Show the live labels of a running stream-ser."""
    from rich.console import Console

    from stream_ser.client import Client, Hello
    from stream_ser.outputs.console import LabelView
    from stream_ser.server.auth import read_token

    console = Console()
    with LabelView(console) as view:
        try:
            for message in Client(url, token=read_token(token_file, "localhost"), reconnect=False):
                if isinstance(message, Hello):
                    console.print(f"Watching {message.source} at {url}; Ctrl-C ends.", soft_wrap=True, highlight=False)
                view.show(message)
        except KeyboardInterrupt:
            return
    console.print("The other side has ended.")


@app.command()
def doctor(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Look at everything that listening needs; exit code 1 if it would fail."""
    import msgspec
    from rich.console import Console

    from stream_ser.daemon.doctor import examine
    from stream_ser.daemon.settings import load_settings

    findings = examine(load_settings({}))
    well = all(finding.ok for finding in findings)
    if json:
        print(msgspec.json.format(msgspec.json.encode({"ok": well, "findings": findings})).decode())
    else:
        console = Console(highlight=False, soft_wrap=True)
        for finding in findings:
            console.print("[green]ok  [/]" if finding.ok else "[red]FAIL[/]", f"[bold]{finding.name}[/]")
            for detail in finding.details:
                console.print(f"       {detail}", markup=False)
    raise typer.Exit(0 if well else 1)


@app.command()
def bench(
    provider: Annotated[str, typer.Option(help="cpu, cuda, or auto: each that runs here.")] = "auto",
    hop: Annotated[float, typer.Option(min=0.01, max=0.5, help="Seconds between two answers.")] = 0.1,
    window: Annotated[float, typer.Option(min=0.5, max=10.0, help="Seconds of speech an answer looks back on.")] = 3.0,
    json: Annotated[Path | None, typer.Option(help="File for the results.")] = None,
    soak: Annotated[
        float | None, typer.Option(min=0.01, help="Run the daemon for so many hours of audio instead, sixty times as fast.")
    ] = None,
) -> None:
    """Measure what a hop costs on this machine: each stage, one stream and many, start-up and memory."""
    from rich.console import Console

    from stream_ser.bench import measure as measure
    from stream_ser.errors import choose
    from stream_ser.models.providers import ProviderChoice

    if soak is not None:
        measure.soak_for(soak, json, Console())
        return
    measure.bench(choose(ProviderChoice, provider, "--provider"), hop, window, json, Console())


@app.command()
def train(
    out: Annotated[Path, typer.Option(help="Folder for the bundles and the report.")],
    data: Data = None,
    recipe: Annotated[str, typer.Option(help="ours, or original: the recipe this project set out from.")] = "ours",
    seed: Annotated[int, typer.Option(help="Makes a run repeatable.")] = 0,
    quick: Annotated[
        bool, typer.Option("--quick", help="A smoke run of a minute: everything happens, little is learnt.")
    ] = False,
) -> None:
    """Train both models, measure them, and export them to ONNX."""
    with _training():
        from rich.console import Console
        from stream_ser_train.cli.train import train_command

        train_command(data or [], out, recipe, seed, quick, Console())


@app.command()
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
    quick: Annotated[bool, typer.Option("--quick", help="A smoke run: everything happens, little is learnt.")] = False,
) -> None:
    """Retrain per split and write down how often the label was right on clips never heard."""
    with _training():
        from rich.console import Console
        from stream_ser_train.cli.evaluate import evaluate_command

        places = (data or [], train_data or [], test_data or [])
        evaluate_command(protocol, *places, out, seeds, jobs or os.cpu_count() or 1, quick, Console())


@app.command()
def search(
    data: Data = None,
    out: Annotated[Path, typer.Option(help="Folder for the log.")] = Path("docs/results"),
    jobs: Annotated[int | None, typer.Option(min=1, help="Trainings at a time (default: one a core).")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A smoke run: everything happens, little is learnt.")] = False,
) -> None:
    """Measure variants of the recipe on speakers that no test fold holds, and keep the log."""
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
    """Turn the absence of the training packages into one line."""
    lacking = [module for module in ("stream_ser_train", "tensorflow", "tf2onnx", "sklearn") if find_spec(module) is None]
    if lacking:
        raise UserError(f"training needs {', '.join(lacking)}; {install_hint('train')}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    yield


if __name__ == "__main__":
    main()
