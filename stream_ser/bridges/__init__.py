"""What a daemon says, in the languages of others: OSC for avatars and light, MQTT for homes, LSL for laboratories.

Each follows a daemon as a client does; what is sent for a message is a function of the message alone.
"""

from __future__ import annotations

from stream_ser.errors import UserError, install_hint


class BridgeError(UserError):
    """The other side, or the library that speaks to it, is not there."""


def place(text: str, usual_port: int) -> tuple[str, int]:
    """Host and port of ``HOST`` or ``HOST:PORT``.

    Raises:
        BridgeError: the port is no number.
    """
    host, _, port = text.partition(":")
    if port and not (port.isdigit() and 0 < int(port) < 65_536):
        raise BridgeError(f"--to is {text!r}; it must be HOST or HOST:PORT, as 127.0.0.1:{usual_port}")
    return host or "127.0.0.1", int(port or usual_port)


def missing(library: str) -> BridgeError:
    """The error about a library that is not installed."""
    return BridgeError(f"this bridge needs {library}; {install_hint('bridges')}")
