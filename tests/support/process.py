"""Start the real ``stream-ser`` and read what it prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from patience import PATIENCE_S


class Command:
    """A running ``stream-ser``; every wait for it ends after ``patience_s`` seconds."""

    def __init__(self, *arguments: str, env: dict[str, str] | None = None, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self.process = subprocess.Popen(
            [sys.executable, "-m", "stream_ser", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "COLUMNS": "200", **(env or {})},
        )
        self.lines: list[str] = []
        self.errors = ""
        self._changed = threading.Condition()
        self._readers = [threading.Thread(target=self._read_output), threading.Thread(target=self._read_errors)]
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

        with self._changed:
            self._changed.wait_for(lambda: found() or self._ended(), self._patience_s)
        match = found()
        assert match, f"no {pattern!r} in {self.output!r}; errors: {self.errors!r}"
        return match

    def address(self) -> str:
        """Where clients connect."""
        return self.wait_for(r"Connect to (ws://[^,]+),")[1]

    def wait(self) -> int:
        """Wait for the end; return the exit code."""
        code = self.process.wait(self._patience_s)
        for reader in self._readers:
            reader.join(self._patience_s)
        return code

    def _ended(self) -> bool:
        return not self._readers[0].is_alive()

    def _read_output(self) -> None:
        for line in _lines(self.process.stdout):
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()

    def _read_errors(self) -> None:
        for line in _lines(self.process.stderr):
            self.errors += f"{line}\n"


def _lines(stream: object) -> Iterator[str]:
    assert hasattr(stream, "__iter__")
    for line in stream:
        yield line.rstrip("\n")


@contextmanager
def refused(*arguments: str, env: dict[str, str] | None = None, patience_s: float = PATIENCE_S) -> Iterator[str]:
    """Run a command that must fail with one line; yield the line."""
    with Command(*arguments, env=env, patience_s=patience_s) as command:
        assert command.wait() == 1, command.output
        assert len(command.errors.splitlines()) == 1, command.errors
        assert command.errors.startswith("stream-ser: ")
        yield command.errors
