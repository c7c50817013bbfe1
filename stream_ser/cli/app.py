"""The command line: registers the commands of its modules. Every heavy import is inside the command that needs it."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from stream_ser import __version__
from stream_ser.cli import bench, clients, config, devices, doctor, listen, service, train
from stream_ser.errors import UserError

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
app.command()(listen.listen)
app.command()(clients.watch)
app.add_typer(clients.bridge_app, name="bridge")
app.command()(devices.devices)
app.command()(doctor.doctor)
app.add_typer(config.app, name="config")
app.add_typer(service.app, name="service")
app.command()(bench.bench)
app.add_typer(train.data_app, name="data")
app.command()(train.train)
app.command()(train.evaluate)
app.command()(train.search)


def main() -> None:
    """Run the command line; a user error is one line and exit code 1."""
    try:
        app()
    except UserError as error:
        print(f"stream-ser: {error}", file=sys.stderr)
        sys.exit(1)


def _print_version(requested: bool) -> None:
    if requested:
        print(f"stream-ser {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options that stand before a command."""
