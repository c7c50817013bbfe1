"""Files that are written completely or not at all, however many processes write them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(file: Path) -> Iterator[Path]:
    """Yield a temporary path with the same suffix, which replaces ``file`` when the block ends without an exception."""
    partial = file.with_name(f".{secrets.token_hex(8)}{file.suffix}")
    try:
        yield partial
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
