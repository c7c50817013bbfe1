"""Starts the real command and talks to it as a user would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

WAIT = 60.0
"""Seconds within which a slow machine must have done anything that is waited for."""


def wait_until(condition: Callable[[], bool], what: str, seconds: float = WAIT) -> None:
    """Look again and again until the condition holds.

    Raises:
        AssertionError: it did not within ``seconds``.
    """
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain until {what}"
        pause.wait(0.02)


class Command:
    """A running ``stream-ser``, its output read line by line."""

    def __init__(self, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "stream_ser", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "COLUMNS": "200", **(env or {})},
        )
        self.lines: list[str] = []
        self.errors = ""
        self._news = threading.Condition()
        self._readers = [threading.Thread(target=self._read_out), threading.Thread(target=self._read_errors)]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Command:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until a line of the output matches."""

        def found() -> re.Match[str] | None:
            return next((match for line in self.lines if (match := re.search(pattern, line))), None)

        with self._news:
            self._news.wait_for(lambda: found() or self._over(), WAIT)
        match = found()
        assert match, f"no {pattern!r} in {self.output!r}; errors: {self.errors!r}"
        return match

    def address(self) -> str:
        """Where clients connect."""
        return self.wait_for(r"Connect to (ws://[^,]+),")[1]

    def wait(self) -> int:
        """Wait for the end; return the exit code."""
        code = self.process.wait(WAIT)
        for reader in self._readers:
            reader.join(WAIT)
        return code

    def _over(self) -> bool:
        return not self._readers[0].is_alive()

    def _read_out(self) -> None:
        for line in _lines(self.process.stdout):
            with self._news:
                self.lines.append(line)
                self._news.notify_all()

    def _read_errors(self) -> None:
        for line in _lines(self.process.stderr):
            self.errors += f"{line}\n"


def _lines(stream: object) -> Iterator[str]:
    assert hasattr(stream, "__iter__")
    for line in stream:
        yield line.rstrip("\n")


@contextmanager
def refused(*arguments: str, env: dict[str, str] | None = None) -> Iterator[str]:
    """Run a command that must fail with one line; give the line."""
    with Command(*arguments, env=env) as command:
        assert command.wait() == 1, command.output
        assert len(command.errors.splitlines()) == 1, command.errors
        assert command.errors.startswith("stream-ser: ")
        yield command.errors
