"""A client that remembers everything it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TypeVar

from process import WAIT
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from stream_ser import protocol

_Message = TypeVar("_Message", bound=protocol.Message)


class Follower:
    """Reads the messages of one connection until it is closed."""

    def __init__(self, address: str) -> None:
        self.messages: list[protocol.ServerMessage] = []
        self.code: int | None = None
        """With which the server closed."""
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, args=(address,))

    def __enter__(self) -> Follower:
        self._reader.start()
        self.wait_until(lambda: len(self.messages) >= 2, "the greeting")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._reader.join(WAIT)

    def wait_until(self, condition: Callable[[], bool], what: str, seconds: float = WAIT) -> None:
        """Wait for messages until the condition holds.

        Raises:
            AssertionError: it did not within ``seconds``.
        """
        with self._news:
            assert self._news.wait_for(condition, seconds), f"waited {seconds} s in vain for {what}; told: {self.messages[-5:]}"

    def of(self, kind: type[_Message]) -> list[_Message]:
        """The messages of one type, so far."""
        return [message for message in self.messages if isinstance(message, kind)]

    def states(self) -> list[str]:
        """States of the source, so far."""
        return [status.state for status in self.of(protocol.Status)]

    def _read(self, address: str) -> None:
        with connect(address) as client:
            with suppress(ConnectionClosed):
                for data in client:
                    with self._news:
                        self.messages.append(protocol.decode(data))
                        self._news.notify_all()
            self.code = client.close_code
