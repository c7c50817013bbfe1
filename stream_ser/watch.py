"""Shows another stream-ser's live labels."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from stream_ser import protocol
from stream_ser.errors import UserError


class WatchError(UserError):
    """The address gives no live labels."""


def messages(url: str) -> Iterator[protocol.ServerMessage]:
    """The messages of a daemon, until it goes away.

    Raises:
        WatchError: nobody answers there, or somebody else.
    """
    try:
        connection = connect(url, subprotocols=[Subprotocol(protocol.VERSION)], compression=None, proxy=None)
    except (OSError, InvalidHandshake, InvalidURI) as error:
        raise WatchError(f"cannot watch {url}: {error}; is stream-ser listen running there?") from error
    with connection:
        try:
            for data in connection:
                yield protocol.decode(data)
        except ConnectionClosed as error:
            raise WatchError(f"{url} broke off: {error}") from error
        except msgspec.DecodeError as error:
            raise WatchError(f"{url} does not speak {protocol.VERSION}: {error}") from error
