"""Commands that follow a running daemon: ``watch``, and the bridges to other protocols."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_ser.errors import UserError

if TYPE_CHECKING:
    from stream_ser.protocol import ServerMessage

bridge_app = typer.Typer(help="Forward live labels to OSC, MQTT or LSL.", no_args_is_help=True)

DEFAULT_URL = "ws://127.0.0.1:8765/"

Url = Annotated[str, typer.Option(help="Address of a running stream-ser; it may start later.")]
TokenFile = Annotated[Path | None, typer.Option(help="File with the token that it requires.")]


def watch(
    url: Annotated[str, typer.Argument(help="Address of a running stream-ser.")] = DEFAULT_URL,
    token_file: TokenFile = None,
) -> None:
    """Show the live labels of a running stream-ser."""
    from rich.console import Console

    from stream_ser import protocol
    from stream_ser.client import Client
    from stream_ser.outputs.console import LabelView
    from stream_ser.server.auth import read_token

    console = Console(emoji=False)  # a colon in a name is a colon
    with LabelView(console) as view:
        try:
            for message in Client(url, token=read_token(token_file, "localhost"), reconnect=False):
                if isinstance(message, protocol.Hello):
                    console.print(f"Watching {message.source} at {url}; Ctrl-C ends.", soft_wrap=True, highlight=False)
                view.show(message)
        except KeyboardInterrupt:
            return
    console.print("The other side has ended.")


@bridge_app.command()
def osc(
    to: Annotated[str, typer.Option(help="HOST or HOST:PORT that receives OSC.")] = "127.0.0.1:9000",
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
) -> None:
    """Send OSC, to avatars and lights: /stream_ser/emotion, /stream_ser/probability/..., /stream_ser/speech."""
    from stream_ser.bridges import osc

    _bridge(lambda messages: osc.bridge(messages, to), url, token_file)


@bridge_app.command()
def mqtt(
    to: Annotated[str, typer.Option(help="HOST or HOST:PORT of the broker.")] = "127.0.0.1:1883",
    topic: Annotated[str, typer.Option(help="Prefix of /state, /emotion and /availability.")] = "stream-ser",
    user: Annotated[str | None, typer.Option(help="User name, where the broker requires one.")] = None,
    password_file: Annotated[Path | None, typer.Option(help="File with the password of the user.")] = None,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
) -> None:
    """Publish to an MQTT broker, for homes: the state is retained, and a last will reports that the bridge is gone."""
    from stream_ser.bridges import mqtt

    try:
        password = None if password_file is None else password_file.read_text().strip()
    except OSError as error:
        raise UserError(f"cannot read {password_file}: {error.strerror}; name another --password-file") from error
    _bridge(lambda messages: mqtt.bridge(messages, to, topic, user, password), url, token_file)


@bridge_app.command()
def lsl(
    name: Annotated[str, typer.Option(help="Name of the stream; its markers are NAME-markers.")] = "stream-ser",
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
) -> None:
    """Open Lab Streaming Layer outlets, for researchers who record labels beside other sensors."""
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
