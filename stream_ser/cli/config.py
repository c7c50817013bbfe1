"""``stream-ser config``."""

from __future__ import annotations

import typer

app = typer.Typer(help="The settings in effect.", no_args_is_help=True)


@app.command()
def show() -> None:
    """Print each setting, its value without flags, and where the value comes from."""
    from stream_ser.daemon.settings import explain

    for name, value, origin in explain():
        print(f"{name:<14}{value:<24}{origin}")
