"""Memory that was freed goes back to the system."""

from __future__ import annotations

import contextlib
import ctypes


def release_freed_memory() -> None:
    """Give back what loading left behind: glibc keeps freed memory for later, 3 MB after the models were read.

    Does nothing where the C library has no ``malloc_trim(3)``.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
