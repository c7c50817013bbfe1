"""``stream-ser service``: the daemon as a service of this user."""

from __future__ import annotations

import typer

from stream_ser.cli.listen import listen

app = typer.Typer(help="Listen as a service of this user, from login on.", no_args_is_help=True)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def install(context: typer.Context) -> None:
    """Install, enable and start it, with the options of `listen` that are given: install --device yeti."""
    from stream_ser.daemon import service
    from stream_ser.daemon.settings import load_settings

    parser = typer.Typer(add_completion=False)
    parser.command()(listen)
    given = typer.main.get_command(parser).make_context("listen", list(context.args)).params
    load_settings(given)
    print(f"Installed {service.install(service.options(given))}; its status: stream-ser service status")


@app.command()
def uninstall() -> None:
    """Stop and remove it."""
    from stream_ser.daemon import service

    print(f"Removed {service.uninstall()}.")


@app.command()
def status() -> None:
    """Print its status; exit code 3 if it does not run."""
    from stream_ser.daemon import service

    shown = service.status()
    running = shown["ActiveState"] == "active"
    if shown["LoadState"] == "not-found":
        print("not installed; install it with: stream-ser service install")
    else:
        print(f"{shown['ActiveState']} ({shown['SubState']}), restarted {shown['NRestarts']} times")
        print(shown["StatusText"] or "Its log: journalctl --user -u stream-ser")
    raise typer.Exit(0 if running else 3)
