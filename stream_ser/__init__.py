"""Live speech emotion recognition: samples go in, events come out.

    from stream_ser import Client, Engine, events, protocol

A :class:`Client` follows a running daemon and yields messages of :mod:`stream_ser.protocol`; an :class:`Engine` processes
samples in this process and delivers :mod:`stream_ser.events`. Importing the package imports none of these: each name is
imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stream_ser import events as events
    from stream_ser import protocol as protocol
    from stream_ser.client import AsyncClient as AsyncClient
    from stream_ser.client import Client as Client
    from stream_ser.core.engine import Engine as Engine
    from stream_ser.core.host import EngineHost as EngineHost
    from stream_ser.errors import UserError as UserError

__version__ = "0.1.0"

_MODULES = {
    "AsyncClient": "stream_ser.client",
    "Client": "stream_ser.client",
    "Engine": "stream_ser.core.engine",
    "EngineHost": "stream_ser.core.host",
    "UserError": "stream_ser.errors",
}
"""Where each public class is defined."""

__all__ = ["AsyncClient", "Client", "Engine", "EngineHost", "UserError", "__version__", "events", "protocol"]


def __getattr__(name: str) -> object:
    if name in ("events", "protocol"):
        return import_module(f"stream_ser.{name}")
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
