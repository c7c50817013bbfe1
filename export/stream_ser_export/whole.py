"""Files that are there whole or not at all, however many processes write them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(file: Path) -> Iterator[Path]:
    """Give a path of the writer's own, with the same suffix, that becomes ``file`` when the block ends well."""
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".", suffix=file.suffix, delete=False) as own:
        partial = Path(own.name)
    try:
        yield partial
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
