"""How long tests wait before they call something hung.

No verdict depends on the speed of the machine: a timeout only ends a test that would never end. Where even these are too short,
``STREAM_SER_TEST_STRETCH`` multiplies all of them, pytest's own limit of a test included::

    STREAM_SER_TEST_STRETCH=4 make test
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

STRETCH = float(os.environ.get("STREAM_SER_TEST_STRETCH", "1"))
"""Factor of every timeout."""


def stretched(seconds: float) -> float:
    """A timeout in seconds, as long as this machine needs it."""
    return STRETCH * seconds


PATIENCE_S = stretched(60.0)
"""For whatever takes a second or two on an idle machine."""

TRAINING_PATIENCE_S = stretched(600.0)
"""For processes that import TensorFlow and train something small."""


def wait_until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE_S) -> None:
    """Poll until the condition holds.

    Raises:
        AssertionError: It did not within ``seconds``.
    """
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain until {what}"
        pause.wait(0.02)
