"""Forward live labels to OSC (avatars, lights), MQTT (home automation) or LSL (laboratories).

Each bridge follows a daemon as a client does; what it sends for a message depends on the messages alone.
"""

from __future__ import annotations

from stream_ser.errors import UserError, install_hint


class BridgeError(UserError):
    """The other side, or the library that speaks to it, is not there."""


def parse_address(text: str, default_port: int) -> tuple[str, int]:
    """Host and port of ``HOST`` or ``HOST:PORT``.

    Raises:
        BridgeError: the port is not a number from 1 to 65535.
    """
    host, _, port = text.partition(":")
    if port and not (port.isdigit() and 0 < int(port) < 65_536):
        raise BridgeError(f"--to is {text!r}; it must be HOST or HOST:PORT, as 127.0.0.1:{default_port}")
    return host or "127.0.0.1", int(port or default_port)


def missing_library(name: str) -> BridgeError:
    """The error about a library that is not installed."""
    return BridgeError(f"this bridge needs {name}; {install_hint('bridges')}")
