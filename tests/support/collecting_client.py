"""A client that collects every message of one connection."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TypeVar

from patience import PATIENCE_S
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from stream_ser import protocol

_Message = TypeVar("_Message", bound=protocol.Message)


class CollectingClient:
    """Reads the messages of one connection, on a thread of its own, until the server closes it."""

    def __init__(self, address: str) -> None:
        self.messages: list[protocol.ServerMessage] = []
        self.close_code: int | None = None
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, args=(address,))

    def __enter__(self) -> CollectingClient:
        self._reader.start()
        self.wait_until(lambda: len(self.messages) >= 2, "the greeting")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._reader.join(PATIENCE_S)

    def wait_until(self, condition: Callable[[], bool], what: str, seconds: float = PATIENCE_S) -> None:
        """Wait for messages until the condition holds.

        Raises:
            AssertionError: It did not within ``seconds``.
        """
        with self._changed:
            met = self._changed.wait_for(condition, seconds)
        assert met, f"waited {seconds:g} s in vain for {what}; last messages: {self.messages[-5:]}"

    def of(self, kind: type[_Message]) -> list[_Message]:
        """The messages of one type, so far."""
        return [message for message in self.messages if isinstance(message, kind)]

    def states(self) -> list[str]:
        """States of the source, so far."""
        return [status.state for status in self.of(protocol.Status)]

    def _read(self, address: str) -> None:
        with connect(address, open_timeout=PATIENCE_S) as client:
            with suppress(ConnectionClosed):
                for data in client:
                    with self._changed:
                        self.messages.append(protocol.decode(data))
                        self._changed.notify_all()
            self.close_code = client.close_code
