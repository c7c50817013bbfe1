"""The thread that steps an engine whenever audio comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from stream_ser.core.engine import Engine

_IDLE_WAIT_S = 1.0


class Worker:
    """One thread for one engine.

    Args:
        engine: what is stepped.
        on_failure: called on the thread with the exception that ended it.
    """

    def __init__(self, engine: Engine, on_failure: Callable[[BaseException], None]) -> None:
        self._engine = engine
        self._on_failure = on_failure
        self._stopping = False
        self.heartbeat = time.monotonic()
        """When it last went on, on the clock of ``time.monotonic``; every second at least."""
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the step in progress and end the thread."""
        self._stopping = True
        self._engine.filled.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopping:
                self.heartbeat = time.monotonic()
                if not self._engine.step():
                    self._engine.filled.wait(_IDLE_WAIT_S)
        except BaseException as error:  # the thread must not die unseen
            self._on_failure(error)
